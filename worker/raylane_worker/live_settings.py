"""Applies settings that are changed at run time, so that a worker needs no restart."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.backoff import Backoff
from raylane_common.errors import InvalidRequest, QueueUnavailable
from raylane_common.logs import get_logger
from raylane_common.redis.settings_store import SettingsStore, applied, check

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.ray.client import RayClient
    from raylane_worker.context import CurrentSettings

logger = get_logger("raylane.worker")

# Each command has already retried for `redis.give_up_s`, so short pauses do not overload Redis.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 2.0


class LiveSettings:
    """The settings of one worker: those it was started with, overridden by those that Redis holds now."""

    def __init__(self, redis: Redis, ray: RayClient, current: CurrentSettings) -> None:
        """`current` holds the settings that the worker was started with, and gets each change."""
        self._store = SettingsStore(redis)
        self._ray = ray
        self._current = current
        self._started_with = current.settings
        self._changed = asyncio.Event()
        self._found: dict[str, str] = {}
        self._used: dict[str, str] = {}

    def changed(self, _name: str = "") -> None:
        """Makes `follow` read the settings: one was changed, or a message about a change may have been missed."""
        self._changed.set()

    async def take(self) -> None:
        """Applies the settings that Redis holds now. Raises `QueueUnavailable`.

        In place of a value that must not be used, keeps the one that was used before, and logs the reason once.
        """
        try:
            found = await self._store.all()
            used = {name: value for name in found if (value := self._usable(name, found[name])) is not None}
            self._found = found
            if used == self._used:
                return
            changed = applied(self._started_with, used)
            if changed.ray != self._current.settings.ray:
                await self._ray.use(changed.ray)
            self._current.settings = changed
        except InvalidRequest as error:
            logger.error("settings from Redis are not used: %s", error)
        else:
            self._used = used
            logger.warning("settings changed: %s", ", ".join(map("=".join, used.items())) or "none set any more")

    def _usable(self, name: str, value: str) -> str | None:
        """Returns the value, or the one used before if this one must not be used. Somebody may write Redis directly."""
        try:
            check(self._started_with, name, value)
        except InvalidRequest as error:
            if self._found.get(name) != value:
                logger.error("a setting from Redis is not used: %s", error)
            return self._used.get(name)
        return value

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
