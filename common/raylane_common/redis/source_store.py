"""The store of sources: one Redis hash per session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pydantic import TypeAdapter

from raylane_common.redis import keys
from raylane_common.redis.connection import queue_errors
from raylane_common.wire.sources import AnySource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from redis.asyncio import Redis

SESSION_TTL_S: Final = 30 * 24 * 3600

# Deletes a field only while it still holds the value that was snapshotted: a newer upload is not touched.
_CLEAR_UNCHANGED: Final = """
local cleared = 0
for i = 1, #ARGV, 2 do
  if redis.call('HGET', KEYS[1], ARGV[i]) == ARGV[i + 1] then
    cleared = cleared + redis.call('HDEL', KEYS[1], ARGV[i])
  end
end
return cleared
"""

_source: TypeAdapter[AnySource] = TypeAdapter(AnySource)


class SourceStore:
    """The sources of all sessions. Every method raises `QueueUnavailable` when Redis does not answer."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def put(self, session_id: str, sources: Sequence[AnySource]) -> None:
        """Adds the sources, or replaces those of the same name: all of them in one step, or none."""
        if not sources:
            return
        key = keys.session_sources(session_id)
        with queue_errors("store sources"):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(key, mapping=_dump(sources))
                pipe.expire(key, SESSION_TTL_S)
                await pipe.execute()

    async def all(self, session_id: str) -> list[AnySource]:
        """Exactly what the session's hash holds, by name. An empty session is an empty list; a failure raises."""
        with queue_errors("read sources"):
            found = await cast("Awaitable[Mapping[str, str]]", self._redis.hgetall(keys.session_sources(session_id)))
        return [_source.validate_json(found[field]) for field in sorted(found)]

    async def clear(self, session_id: str, snapshot: Sequence[AnySource]) -> int:
        """Removes the snapshotted sources that are still the same ones; returns how many were removed."""
        if not snapshot:
            return 0
        arguments = [part for item in _dump(snapshot).items() for part in item]
        with queue_errors("clear sources"):
            removed = await cast(
                "Awaitable[int]",
                self._redis.eval(_CLEAR_UNCHANGED, 1, keys.session_sources(session_id), *arguments),
            )
        return int(removed)

    async def reset(self, session_id: str) -> int:
        """Forgets the session: its sources and its history. Records stay readable by id; returns sources removed."""
        with queue_errors("reset session"):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hlen(keys.session_sources(session_id))
                pipe.delete(keys.session_sources(session_id), keys.session_jobs(session_id))
                count, _ = await pipe.execute()
        return int(count)


def _dump(sources: Sequence[AnySource]) -> dict[str, str]:
    # The type is part of the field: a file may be called like a table.
    return {f"{source.type}:{source.name}": source.model_dump_json() for source in sources}
