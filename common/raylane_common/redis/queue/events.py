"""Reads a job's events for a follower: all that are kept, in order, each once, until the job ends.

See docs/decisions/0006 and 0016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, TypedDict, cast

from pydantic import JsonValue, TypeAdapter

from raylane_common.errors import InvalidRequest, JobNotFound
from raylane_common.redis.connection import owned_key, queue_errors
from raylane_common.redis.queue.reader import order
from raylane_common.rules import printable
from raylane_common.wire.jobs import EventType, JobEvent, JobStatus

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from raylane_common.redis.keys import Keys
    from raylane_common.redis.queue.reader import Command, Entry, SharedReader

BEGIN: Final = "0-0"
_EVENTS_PER_LOOK: Final = 200
# The lowest id that a stream entry can have, and the highest second part of an id.
_FIRST: Final = "0-1"
_LAST_NUMBER: Final = 2**64 - 1
_JSON_FIELDS: Final = frozenset({"progress", "error"})
_json: Final[TypeAdapter[JsonValue]] = TypeAdapter(JsonValue)
_FINAL: Final = frozenset(status for status in JobStatus if status.is_final)


_StreamInfo = TypedDict(
    "_StreamInfo",
    {"first-entry": "Entry | None", "last-entry": "Entry | None", "length": int, "entries-added": int},
)
_NO_STREAM: Final = _StreamInfo({"first-entry": None, "last-entry": None, "length": 0, "entries-added": 0})


class _Position(NamedTuple):
    """How far a follower has read: the id of the last event, and how many events the stream has had up to there.

    The number is None if it is not known, as for an id that the caller gives.
    """

    id: str
    seen: int | None

    def after(self, event: JobEvent) -> _Position:
        """Returns the position after the next event."""
        return _Position(event.id, None if self.seen is None else self.seen + 1)

    def at_least(self, seen: int) -> _Position:
        """Returns the position with `seen` as the lowest known number."""
        return self if self.seen is None else _Position(self.id, max(self.seen, seen))


@dataclass(frozen=True)
class _Job:
    """A job's status and stream at one moment.

    The stream keeps `kept` events. It has dropped the `dropped` events before them, of which a requeue removed
    `cleared` on purpose. `events` follow the reader's position; if they are `cut`, there are more.
    """

    status: str
    first_id: str
    last_id: str
    kept: int
    dropped: int
    cleared: int
    events: list[JobEvent]
    cut: bool

    def gap(self, position: _Position) -> JobEvent | None:
        """Returns an event for what was dropped between the position and the first event that is kept, if anything.

        Its id is the last one before that event, so a follower can continue there.
        """
        start, missing = _before(self.first_id), None
        if self.kept:
            if self.dropped <= self.cleared or position.seen == self.dropped or _order(position.id) >= _order(start):
                return None
            # After a failover, a follower may have seen more events than the new primary has had.
            if position.seen is not None and position.seen < self.dropped:
                missing = self.dropped - position.seen
        elif self.status not in _FINAL or position.seen is None or position.seen > self.cleared:
            # Without a stream, only one thing is known: the first event of a job is never its last.
            return None
        return JobEvent(id=start, type=EventType.GAP, at=_time(self.first_id), missing=missing)


class EventReader:
    """Reads the events of jobs. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, reader: SharedReader, keys: Keys) -> None:
        self._reader = reader
        self._keys = keys

    async def until_end(self, job_id: str, after: str | None) -> AsyncIterator[JobEvent]:
        """Yields the events after the id `after`; if it is None, only those that are added from now on.

        An event of type GAP takes the place of events that are no longer kept. Raises `JobNotFound`, and
        `InvalidRequest` if `after` is not an event id, or if another program has overwritten the job's keys.
        """
        position = None if after is None else _Position(after, 0 if _order(after) == (0, 0) else None)
        while True:
            job = await self._look(job_id, position)
            if position is None:
                position = _Position(job.last_id, None)
            else:
                position = position.at_least(job.cleared)
                if gap := job.gap(position):
                    position = _Position(gap.id, job.dropped)
                    yield gap
            events = job.events
            while True:
                for event in events:
                    position = position.after(event)
                    yield event
                    # An event of another type may carry a status that is not the job's.
                    if event.type is EventType.STATUS and event.status in _FINAL:
                        return
                if job.cut or job.status in _FINAL:
                    break
                # While events arrive and none is dropped, there is no need to look at the job again.
                events = await self._wait(job_id, position)
                if not events:
                    break
            # After a failover, the final event may be gone that this follower would wait for.
            if job.status in _FINAL and not job.cut:
                return

    async def so_far(self, job_id: str, after: str) -> list[JobEvent]:
        """Returns the events after the id `after` that are kept now. Raises what `until_end` raises."""
        events: list[JobEvent] = []
        position = _Position(after, 0 if _order(after) == (0, 0) else None)
        while True:
            job = await self._look(job_id, position)
            position = position.at_least(job.cleared)
            if gap := job.gap(position):
                events.append(gap)
                position = _Position(gap.id, job.dropped)
            for event in job.events:
                events.append(event)
                position = position.after(event)
            if not job.cut:
                return events

    async def _look(self, job_id: str, position: _Position | None) -> _Job:
        """Returns the job's status and its events after `position`, as they are at one moment. Raises `JobNotFound`."""
        stream = self._keys.job_events(job_id)
        commands: list[Command] = [
            ("HMGET", self._keys.job(job_id), "status", "enqueued_at", "finished_at", "error", "cleared_events"),
            ("XINFO STREAM", stream),
        ]
        if position is not None:
            commands.append(("XREAD", "COUNT", _EVENTS_PER_LOOK, "STREAMS", stream, position.id))
        with queue_errors("read a job's events"), owned_key(f"the events of job {job_id}", "events", stream):
            answers = await self._reader.ask(*commands)
        status, enqueued_at, finished_at, error, cleared = cast("list[str | None]", answers[0])
        if status is None:
            raise job_not_found(job_id)
        found = cast("list[tuple[str, list[Entry]]]", answers[2] if position is not None else [])
        entries = [entry for _, entries in found for entry in entries]
        events = _events(entries)
        info = cast("_StreamInfo | None", answers[1]) or _NO_STREAM
        kept, first, last = info["length"], info["first-entry"], info["last-entry"]
        if not kept and position is not None:
            only = (
                _end(status, _number(finished_at), error) if status in _FINAL else _start(status, _number(enqueued_at))
            )
            events = [only] if only is not None and _order(position.id) < _order(only.id) else []
        return _Job(
            status=status,
            first_id=first[0] if first else events[0].id if events else _FIRST,
            last_id=last[0] if last else BEGIN,
            kept=kept,
            dropped=info["entries-added"] - kept,
            cleared=_number(cleared) or 0,
            events=events,
            cut=len(entries) == _EVENTS_PER_LOOK,
        )

    async def _wait(self, job_id: str, position: _Position) -> list[JobEvent]:
        """Returns the next events. Returns none if none arrived in time, or if so many did that some may be dropped."""
        stream = self._keys.job_events(job_id)
        with queue_errors("wait for a job's events"), owned_key(f"the events of job {job_id}", "events", stream):
            new = await self._reader.wait(stream, position.id)
        return [] if new.cut else _events(new.entries)


def _start(status: str, enqueued_at: int | None) -> JobEvent | None:
    """Returns the first event. The stream is created at the job's first change, and then holds it under the same id."""
    if enqueued_at is None:
        return None
    return read_event(f"{enqueued_at}-0", {"type": "status", "status": status, "at": str(enqueued_at)})


def _end(status: str, finished_at: int | None, error: str | None) -> JobEvent | None:
    """Returns the last event. A server without memory drops the stream of a job that ends."""
    if finished_at is None:
        return None
    fields = {"type": "status", "status": status, "at": str(finished_at)} | ({"error": error} if error else {})
    return read_event(f"{finished_at + 1}-0", fields)


def _number(text: str | None) -> int | None:
    """Returns a number of a record that any program may have written; None if it is not a number, or too large."""
    return int(text) if text and text.isdecimal() and len(text) < len(str(_LAST_NUMBER)) else None


def read_event(event_id: str, fields: Mapping[str, str]) -> JobEvent:
    """Returns the event of one stream entry, which any program may have written.

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
    event = JobEvent(id=event_id, type=fields.get("type", "unknown"), at=_time(event_id))
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


def _events(entries: Sequence[Entry]) -> list[JobEvent]:
    return [read_event(*entry) for entry in entries]


def _before(event_id: str) -> str:
    """Returns the last id before this one."""
    milliseconds, number = _order(event_id)
    return f"{milliseconds}-{number - 1}" if number else f"{milliseconds - 1}-{_LAST_NUMBER}"


def _time(event_id: str) -> int:
    """Returns the epoch ms in the id. Another program may have used an id far in the future."""
    return min(_order(event_id)[0], 2**53 - 1)


def _order(event_id: str) -> tuple[int, int]:
    """Returns the id as numbers that can be compared. Raises `InvalidRequest` if it is not an event id."""
    try:
        return order(event_id)
    except ValueError:
        raise InvalidRequest.field("after", f"must be the id of an event, or {BEGIN!r} for the beginning") from None
