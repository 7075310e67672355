"""Applies settings that are changed at run time, so that a worker needs no restart."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.backoff import Backoff
from raylane_common.errors import InvalidRequest, QueueUnavailable
from raylane_common.redis.settings_store import SettingsStore, applied

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.ray.client import RayClient
    from raylane_common.ray.settings import RaySettings

logger = logging.getLogger("raylane.worker")

# Each command has already retried for `redis.give_up_s`, so short pauses do not overload Redis.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 2.0


class LiveSettings:
    """The Ray settings of one worker: those it was started with, overridden by those that Redis holds now."""

    def __init__(self, redis: Redis, ray: RayClient, started_with: RaySettings) -> None:
        self._store = SettingsStore(redis)
        self._ray = ray
        self._started_with = started_with
        self._changed = asyncio.Event()
        self._known: dict[str, str] = {}

    def changed(self, _name: str = "") -> None:
        """Makes `follow` read the settings: one was changed, or a message about a change may have been missed."""
        self._changed.set()

    async def take(self) -> None:
        """Applies the settings that Redis holds now. Raises `QueueUnavailable`.

        If they cannot be used, logs the reason and keeps the previous settings.
        """
        try:
            values = await self._store.all()
            if values == self._known:
                return
            self._known = values
            await self._ray.use(applied(self._started_with, values))
        except InvalidRequest as error:
            logger.error("settings from Redis are not used: %s", error)
        else:
            logger.warning("settings changed: %s", ", ".join(map("=".join, values.items())) or "none set any more")

    async def follow(self) -> NoReturn:
        """Applies every change until cancelled."""
        pauses = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S, jitter=0.5)
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.take()
            except QueueUnavailable as error:
                logger.warning("settings not read: %s; trying again", error)
                self._changed.set()
                await asyncio.sleep(pauses.next_s())
            else:
                pauses.reset()
