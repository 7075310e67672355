"""Reads a job's events for a follower: all of them, in order, each once, until the job ends.

See docs/decisions/0006.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import JsonValue, TypeAdapter

from raylane_common.errors import InvalidRequest, JobNotFound
from raylane_common.redis.connection import keys_of, queue_errors
from raylane_common.rules import printable
from raylane_common.wire.jobs import EventType, JobEvent, JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from redis.asyncio import Redis

BEGIN: Final = "0-0"
_EVENTS_PER_READ: Final = 200
_JSON_FIELDS: Final = frozenset({"progress", "error"})
_json: Final[TypeAdapter[JsonValue]] = TypeAdapter(JsonValue)
_FINAL: Final = frozenset(status for status in JobStatus if status.is_final)


class EventReader:
    """Reads the events of jobs. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis, block_s: float) -> None:
        """`block_s` is the longest single blocking read; it must stay below the connection's socket timeout."""
        self._redis = redis
        self._keys = keys_of(redis)
        self._block_ms = int(block_s * 1000)

    async def until_end(self, job_id: str, after: str | None) -> AsyncIterator[JobEvent]:
        """Yields the events after the id `after`; if it is None, only those that are added from now on.

        Raises `JobNotFound`, and `InvalidRequest` if `after` is not an event id.
        """
        stream = self._keys.job_events(job_id)
        position = after
        while True:
            with queue_errors("read a job's events"):
                async with self._redis.pipeline(transaction=True) as pipe:
                    pipe.hmget(self._keys.job(job_id), ["status", "enqueued_at", "finished_at", "error"])
                    pipe.xrevrange(stream, count=1)
                    (status, enqueued_at, finished_at, error), newest = await pipe.execute()
            if status is None:
                raise job_not_found(job_id)
            last = newest[0][0] if newest else BEGIN
            if position is None:
                position = last
            if not newest and status not in _FINAL and enqueued_at and enqueued_at.isdecimal():
                # The stream is created at the job's first change, and then holds this event under the same id.
                first = read_event(f"{enqueued_at}-0", {"type": "status", "status": status, "at": enqueued_at})
                if after is not None and _order(position) < _order(first.id):
                    position = first.id
                    yield first
            if not newest and status in _FINAL and finished_at and finished_at.isdecimal():
                # A server without memory drops the stream of a job that ends.
                end = {"type": "status", "status": status, "at": finished_at} | ({"error": error} if error else {})
                last_event = read_event(f"{int(finished_at) + 1}-0", end)
                if _order(position) < _order(last_event.id):
                    yield last_event
                return
            # The position can be later than the last event: a failover may lose events that this follower has seen.
            if _order(position) >= _order(last) and status in _FINAL:
                return
            # While events arrive, there is no need to read the record again.
            while events := await self._read(stream, position):
                for event in events:
                    position = event.id
                    yield event
                    # An event of another type may carry a status that is not the job's.
                    if event.type is EventType.STATUS and event.status in _FINAL:
                        return

    async def _read(self, stream: str, position: str) -> list[JobEvent]:
        """Returns the events after `position`; an empty list if none arrived within the blocking time."""
        with queue_errors("wait for a job's events"):
            answer = await self._redis.xread({stream: position}, count=_EVENTS_PER_READ, block=self._block_ms)
        return [read_event(*entry) for _, entries in answer for entry in entries]


def read_event(event_id: str, fields: Mapping[str, str]) -> JobEvent:
    """Returns the event of one stream entry, whoever wrote it.

    Fields that this version cannot read are left out. If the type is missing it becomes 'unknown'; if the time is
    missing or unreadable, it is taken from the id.
    """
    fields = {name: printable(value) for name, value in fields.items()}
    try:
        data = {name: _json.validate_json(value) if name in _JSON_FIELDS else value for name, value in fields.items()}
        return JobEvent.model_validate({**data, "id": event_id})
    except ValueError:
        return _read_what_is_readable(event_id, fields)


def _read_what_is_readable(event_id: str, fields: Mapping[str, str]) -> JobEvent:
    """Reads each field separately, so that an entry of a newer version or another program does not stop a follower."""
    event = JobEvent(id=event_id, type=fields.get("type", "unknown"), at=_order(event_id)[0])
    for name in JobEvent.model_fields.keys() & fields.keys() - {"id", "type"}:
        try:
            value = _json.validate_json(fields[name]) if name in _JSON_FIELDS else fields[name]
            readable = JobEvent.model_validate({"id": event_id, "type": event.type, "at": event.at, name: value})
        except ValueError:
            continue
        event = event.model_copy(update={name: getattr(readable, name)})
    return event


def job_not_found(job_id: str) -> JobNotFound:
    """Returns the error for an id without a record."""
    return JobNotFound(f"no job {job_id}: it was never enqueued, or its record has expired", details={"job_id": job_id})


def _order(event_id: str) -> tuple[int, int]:
    """Returns the id as numbers that can be compared. Raises `InvalidRequest` if it is not an event id."""
    milliseconds, _, number = event_id.partition("-")
    try:
        return int(milliseconds), int(number or 0)
    except ValueError:
        raise InvalidRequest.field("after", f"must be the id of an event, or {BEGIN!r} for the beginning") from None
