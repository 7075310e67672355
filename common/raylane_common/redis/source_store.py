"""Stores sources: one Redis hash per session. See docs/decisions/0003 and 0034."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from pydantic import TypeAdapter, ValidationError

from raylane_common.counting import counted
from raylane_common.errors import InvalidRequest, NotFound, SessionFull, SourceReplaced
from raylane_common.redis.connection import keys_of, owned_key, queue_errors
from raylane_common.redis.queue.scripts import Scripts, calls
from raylane_common.redis.queue.scripts.calls import FileUpload, PackedSource
from raylane_common.redis.replies import WrongType
from raylane_common.rules import plain_name, printable
from raylane_common.settings import SessionsSettings
from raylane_common.wire.sources import AnySource, FileSource

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence

    from redis.asyncio import Redis

# The time for which dead letters are kept, so that a requeued job finds its session.
SESSION_TTL_MS: Final = 30 * 24 * 3600 * 1000

_NO_LIMITS: Final = SessionsSettings(max_sources=0)
# An upload, or a purge, as sources.lua writes it: enqueued_us:bytes:id.
_NEWEST: Final = re.compile(r"([0-9]{1,16}):[0-9]+:(.+)")
_OF_PURGE: Final = "purge:"
# How many of the largest files an error names.
_NAMED: Final = 3


@cache
def _source() -> TypeAdapter[AnySource]:
    # Built at the first source: most commands read none.
    return TypeAdapter(AnySource)


class Place(NamedTuple):
    """Where an upload is in its session: when it was enqueued, in epoch microseconds, and if it replaces a source."""

    enqueued_us: int
    replaces: bool


class Purge(NamedTuple):
    """How many sources a purge has removed, and when it was enqueued, in epoch microseconds."""

    removed: int
    enqueued_us: int


class SourceStore:
    """The sources of all sessions. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)

    async def place_of(self, session_id: str, upload: FileUpload, limits: SessionsSettings) -> Place:
        """Returns the upload's place, and changes nothing. Raises what `claim` would raise."""
        enqueued_us, replaces = (await self._claim(session_id, upload, limits, writes=False)).details
        return Place(int(enqueued_us), replaces == "1")

    async def claim(self, session_id: str, upload: FileUpload, limits: SessionsSettings) -> None:
        """Makes the upload the newest one of its file, and removes the source of an earlier one.

        Call it right before the bytes are replaced: until then, the session has the earlier source. Raises
        `SourceReplaced` if a newer upload has claimed the file, and `SessionFull` if the `limits` do not allow the
        source.
        """
        await self._claim(session_id, upload, limits, writes=True)

    async def put(self, session_id: str, sources: Sequence[AnySource], limits: SessionsSettings = _NO_LIMITS) -> None:
        """Adds the sources, all of them or none. They replace sources of the same type and name.

        Raises `SourceReplaced` if a newer upload has replaced the bytes of one of them, or a purge has deleted it, and
        `SessionFull` if `limits` do not allow them.
        """
        if not sources:
            return
        packed = [PackedSource(_field(source), source.model_dump_json(), _upload(source)) for source in sources]
        reply = await calls.put_sources(self._scripts, session_id, packed, _room(limits), ttl_ms=SESSION_TTL_MS)
        await self._raise_refusal(reply, session_id, limits)

    async def all(self, session_id: str) -> list[AnySource]:
        """Returns the session's sources, sorted by type and name. A source of a newer version is an `OpaqueSource`.

        Raises `InvalidRequest` that names the source, or the key of all of them, if one cannot be read.
        """
        key = self._keys.session_sources(session_id)
        with queue_errors("read sources"), owned_key(f"the sources of session {session_id}", "sources", key):
            found = await cast("Awaitable[Mapping[str, str]]", self._redis.hgetall(key))
        return [_read(session_id, field, found[field]) for field in sorted(found)]

    async def check_current(self, session_id: str, sources: Sequence[AnySource]) -> None:
        """Raises `SourceReplaced` if a newer upload replaces the bytes of one of the sources, or a purge deletes it."""
        files = [source for source in sources if isinstance(source, FileSource)]
        if not files:
            return
        key = self._keys.session_newest(session_id)
        with queue_errors("read sources"), owned_key(f"the uploads of session {session_id}", "sources", key):
            fields = [_field(file) for file in files]
            found = await cast("Awaitable[list[str | None]]", self._redis.hmget(key, fields))
        for file, newest in zip(files, found, strict=True):
            known = _NEWEST.fullmatch(newest or "")
            # As put_sources.lua compares them.
            if known and known[2] != file.job_id and int(known[1]) > 0 and int(known[1]) // 1000 >= file.enqueued_ms:
                raise _replaced(file.filename, known[2])

    async def clear(self, session_id: str, snapshot: Sequence[AnySource]) -> int:
        """Removes the sources of `snapshot` that were not replaced since; returns how many were removed."""
        if not snapshot:
            return 0
        dumped = {_field(source): source.model_dump_json() for source in snapshot}
        return await calls.clear_sources(self._scripts, session_id, dumped)

    async def purge(self, session_id: str, job_id: str, enqueued_ms: int, *, tables: bool) -> Purge:
        """Removes the session's files, and its `tables` if asked to, before the job deletes the bytes.

        No earlier source of a file comes back. Files that were uploaded since the job was enqueued stay.
        """
        return Purge(
            *await calls.purge_sources(
                self._scripts, session_id, job_id, enqueued_ms, tables=tables, ttl_ms=SESSION_TTL_MS
            )
        )

    async def uploaded_since(self, session_id: str, enqueued_us: int) -> list[str]:
        """Returns the names of the files whose newest upload was enqueued after that time, in epoch microseconds.

        An upload is among them before it writes its bytes. None is if another program has overwritten the uploads.
        """
        with queue_errors("read sources"):
            try:
                key = self._keys.session_newest(session_id)
                found = await cast("Awaitable[Mapping[str, str]]", self._redis.hgetall(key))
            except WrongType:
                return []
        uploads = [(field, known) for field, newest in found.items() if (known := _NEWEST.fullmatch(newest))]
        return [
            field.partition(":")[2]
            for field, known in uploads
            if int(known[1]) > enqueued_us and not known[2].startswith(_OF_PURGE)
        ]

    async def remove(self, session_id: str, name: str) -> None:
        """Removes the sources of this name: a file, a table, or both.

        Raises `NotFound` that names those of the session if there is no such source.
        """
        key = self._keys.session_sources(session_id)
        with queue_errors("remove a source"), owned_key(f"the sources of session {session_id}", "sources", key):
            fields = await cast("Awaitable[list[str]]", self._redis.hkeys(key))
            # One that an older version stored may have another form.
            named = [field for field in fields if plain_name(printable(field.partition(":")[2])) == plain_name(name)]
            if named:
                await cast("Awaitable[int]", self._redis.hdel(key, *named))
                return
        names = ", ".join(sorted(printable(field.partition(":")[2]) for field in fields)) or "none"
        raise NotFound(f"session {session_id} has no source {name!r}; it has {names}", details={"name": name})

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

    async def _claim(
        self, session_id: str, upload: FileUpload, limits: SessionsSettings, *, writes: bool
    ) -> calls.SourcesReply:
        reply = await calls.claim_upload(
            self._scripts, session_id, upload, _room(limits), ttl_ms=SESSION_TTL_MS, writes=writes
        )
        await self._raise_refusal(reply, session_id, limits, upload.field)
        return reply

    async def _raise_refusal(
        self, reply: calls.SourcesReply, session_id: str, limits: SessionsSettings, field: str = ""
    ) -> None:
        match reply.verdict, reply.details:
            case "replaced", (newer, *rest):
                raise _replaced((rest[0] if rest else field).partition(":")[2], newer)
            case "full", (count, size_bytes):
                raise _full(session_id, limits, int(count), int(size_bytes), await self.all(session_id))


def _replaced(filename: str, newer: str) -> SourceReplaced:
    name = printable(filename)
    if newer.startswith(_OF_PURGE):
        job_id = newer.removeprefix(_OF_PURGE)
        problem = f"{name} was purged by job {job_id}, so its bytes are gone; upload it again"
        return SourceReplaced(problem, details={"source": name, "job_id": job_id, "purged": True})
    return SourceReplaced(
        f"{name} was uploaded again by job {newer}, so the bytes of the earlier upload are gone; use the newer source, "
        "or upload the file again",
        details={"source": name, "job_id": newer},
    )


def _field(source: AnySource) -> str:
    # The type is part of the field's name, because a file may have the name of a table.
    return f"{source.type}:{source.name}"


def _upload(source: AnySource) -> FileUpload | None:
    """Returns the upload that a file comes from; None for a table, or a source of a newer version."""
    if not isinstance(source, FileSource):
        return None
    return FileUpload(source.filename, source.job_id, source.enqueued_ms, source.size_bytes)


def _room(limits: SessionsSettings) -> tuple[int, int]:
    return limits.max_sources, limits.max_bytes


def _full(
    session_id: str, limits: SessionsSettings, count: int, size_bytes: int, sources: Sequence[AnySource]
) -> SessionFull:
    """Returns the error that names the limits and the largest files, which are the first to remove."""
    files = sorted((file for file in sources if isinstance(file, FileSource)), key=lambda file: -file.size_bytes)
    largest = ", ".join(f"{file.name} ({counted(file.size_bytes, 'byte')})" for file in files[:_NAMED])
    max_sources = counted(limits.max_sources, "source") if limits.max_sources else "any number of sources"
    max_bytes = (
        counted(limits.max_bytes, "byte of files", "bytes of files") if limits.max_bytes else "any size of files"
    )
    return SessionFull(
        f"session {session_id} has {counted(count, 'source')} with {counted(size_bytes, 'byte')} of files and "
        f"may have {max_sources} and {max_bytes}; remove one with `raylane remove NAME`, or all with `raylane reset`"
        + (f"; the largest files are {largest}" if largest else ""),
        details={
            "sources": count,
            "bytes": size_bytes,
            "max_sources": limits.max_sources,
            "max_bytes": limits.max_bytes,
        },
    )


def _read(session_id: str, field: str, value: str) -> AnySource:
    try:
        return _source().validate_json(value)
    except ValidationError as error:
        field = printable(field)
        problem = f"source {field} of session {session_id} cannot be read; reset the session and add its sources again"
        raise InvalidRequest(problem, details={"field": "sources", "source": field}) from error
