"""Stores sources: one Redis hash per session. See docs/decisions/0003."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pydantic import TypeAdapter, ValidationError

from raylane_common.errors import InvalidRequest
from raylane_common.redis.connection import keys_of, owned_key, queue_errors
from raylane_common.redis.queue.scripts import Scripts, calls
from raylane_common.rules import printable
from raylane_common.wire.sources import AnySource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from redis.asyncio import Redis

# The time for which dead letters are kept, so that a requeued job finds its session.
SESSION_TTL_MS: Final = 30 * 24 * 3600 * 1000

_source: TypeAdapter[AnySource] = TypeAdapter(AnySource)


class SourceStore:
    """The sources of all sessions. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)

    async def put(self, session_id: str, sources: Sequence[AnySource]) -> None:
        """Adds the sources, all of them or none. They replace sources of the same type and name."""
        if sources:
            await calls.put_sources(self._scripts, session_id, _dump(sources), ttl_ms=SESSION_TTL_MS)

    async def all(self, session_id: str) -> list[AnySource]:
        """Returns the session's sources, sorted by type and name. A source of a newer version is an `OpaqueSource`.

        Raises `InvalidRequest` that names the source, or the key of all of them, if one cannot be read.
        """
        key = self._keys.session_sources(session_id)
        with queue_errors("read sources"), owned_key(f"the sources of session {session_id}", "sources", key):
            found = await cast("Awaitable[Mapping[str, str]]", self._redis.hgetall(key))
        return [_read(session_id, field, found[field]) for field in sorted(found)]

    async def clear(self, session_id: str, snapshot: Sequence[AnySource]) -> int:
        """Removes the sources of `snapshot` that were not replaced since; returns how many were removed."""
        if not snapshot:
            return 0
        return await calls.clear_sources(self._scripts, session_id, _dump(snapshot))

    async def reset(self, session_id: str) -> int:
        """Removes the session's sources and history; returns how many sources there were.

        The records of its jobs can still be read by id.
        """
        with queue_errors("reset a session"):
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hlen(self._keys.session_sources(session_id))
                pipe.delete(self._keys.session_sources(session_id), self._keys.session_jobs(session_id))
                count, deleted = await pipe.execute(raise_on_error=False)
            if isinstance(deleted, Exception):
                raise deleted
        # What another program has written instead of the sources is deleted, but cannot be counted.
        return count if isinstance(count, int) else 0


def _dump(sources: Sequence[AnySource]) -> dict[str, str]:
    # The type is part of the field's name, because a file may have the name of a table.
    return {f"{source.type}:{source.name}": source.model_dump_json() for source in sources}


def _read(session_id: str, field: str, value: str) -> AnySource:
    try:
        return _source.validate_json(value)
    except ValidationError as error:
        field = printable(field)
        problem = f"source {field} of session {session_id} cannot be read; reset the session and add its sources again"
        raise InvalidRequest(problem, details={"field": "sources", "source": field}) from error
