"""The Lua scripts, one step each: `shared.lua` stands before every other one.

`python -m raylane_common.redis.queue.scripts NAME` prints a script as it runs, for use from other languages.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, cast

from raylane_common.redis.connection import queue_errors
from raylane_common.redis.keys import LUA

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

EVENTS_MAX: Final = 1000
PENDING_TTL_MS: Final = 7 * 24 * 3600 * 1000
DEAD_TTL_MS: Final = 30 * 24 * 3600 * 1000

Argument = str | bytes | int | float
Name = Literal["enqueue", "claim", "renew", "note", "finish", "cancel", "requeue", "sweep", "mend", "beat"]

_HEAD: Final = f"{LUA}local EVENTS_MAX, PENDING_MS, DEAD_MS = {EVENTS_MAX}, {PENDING_TTL_MS}, {DEAD_TTL_MS}\n"


@cache
def source(name: Name) -> str:
    """The whole text of a script."""
    here = files(__package__)
    return _HEAD + (here / "shared.lua").read_text() + (here / f"{name}.lua").read_text()


class Scripts:
    """Runs scripts by digest on one client, loading them where the server does not have them yet."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._registered: dict[Name, AsyncScript] = {}

    async def run(self, name: Name, arguments: Sequence[Argument]) -> object:
        """The script's answer. Raises `QueueUnavailable`."""
        script = self._registered.get(name)
        if script is None:
            script = self._registered[name] = self._redis.register_script(source(name))
        with queue_errors(name):
            return await cast("Awaitable[object]", script(args=arguments))
