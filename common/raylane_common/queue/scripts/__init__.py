"""The Lua scripts, one step each. Times are the server's (`TIME`), so the clocks of workers do not matter."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal, cast

from raylane_common.connection import queue_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

EVENTS_MAX: Final = 1000
PENDING_TTL_MS: Final = 7 * 24 * 3600 * 1000

Name = Literal["enqueue", "claim", "renew", "note", "finish", "give_back"]


@cache
def _source(name: Name) -> str:
    return (files(__package__) / f"{name}.lua").read_text()


class Scripts:
    """Runs scripts by digest on one client, loading them where the server does not have them yet."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._registered: dict[Name, AsyncScript] = {}

    async def run(self, name: Name, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> object:
        """The script's answer. Raises `QueueUnavailable`."""
        script = self._registered.get(name)
        if script is None:
            script = self._registered[name] = self._redis.register_script(_source(name))
        with queue_errors(name.replace("_", " ")):
            return await cast("Awaitable[object]", script(keys=list(keys), args=list(arguments)))
