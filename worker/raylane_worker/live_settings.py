"""Follows the settings that are changed at run time, so that a worker takes them without a restart."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.errors import InvalidRequest, QueueUnavailable
from raylane_common.redis.settings_store import SettingsStore, applied

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.ray.client import RayClient
    from raylane_common.ray.settings import RaySettings

logger = logging.getLogger("raylane.worker")

_PAUSE_S: Final = 1.0


class LiveSettings:
    """The Ray settings of one worker: those it was started with, and what was set since then."""

    def __init__(self, redis: Redis, ray: RayClient, started_with: RaySettings) -> None:
        self._store = SettingsStore(redis)
        self._ray = ray
        self._started_with = started_with
        self._changed = asyncio.Event()
        self._known: dict[str, str] = {}

    def changed(self, _name: str = "") -> None:
        """Something was set, or may have been."""
        self._changed.set()

    async def take(self) -> None:
        """Takes what is set now. What cannot be used is logged, and what was there stays. Raises `QueueUnavailable`."""
        values = await self._store.all()
        if values == self._known:
            return
        try:
            await self._ray.use(applied(self._started_with, values))
        except InvalidRequest as error:
            logger.error("settings of Redis not taken: %s", error)
        else:
            logger.warning("settings changed: %s", ", ".join(map("=".join, values.items())) or "all taken back")
        self._known = values

    async def follow(self) -> NoReturn:
        """Takes every change, until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.take()
            except QueueUnavailable as error:
                logger.warning("settings not read: %s; trying again", error)
                self._changed.set()
                await asyncio.sleep(_PAUSE_S)
