"""Jobs on their way into the queue: in pieces, as the arguments of `enqueue.lua`, and what it answers."""

from __future__ import annotations

import json
import math
from itertools import groupby
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest, JobIdTaken
from raylane_common.wire.jobs import WIRE_VERSION, Enqueued, Priority
from raylane_common.wire.kinds import lane_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.errors import RaylaneError
    from raylane_common.redis.queue.scripts import Argument
    from raylane_common.wire.base import JobKind
    from raylane_common.wire.jobs import NewJob

_CHUNK_JOBS: Final = 200
_CHUNK_BYTES: Final = 1024 * 1024


def chunks_of(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """Pieces that keep the server busy for a few milliseconds each."""
    start, size_bytes = 0, 0
    for index, job in enumerate(jobs):
        size_bytes += len(job.body)
        if index - start == _CHUNK_JOBS or (size_bytes > _CHUNK_BYTES and index > start):
            yield jobs[start:index]
            start, size_bytes = index, len(job.body)
    if start < len(jobs):
        yield jobs[start:]


def arguments_for(jobs: Sequence[NewJob], traceparent: str) -> list[Argument]:
    """What the script takes to write these jobs: what neighbours have in common stands there once."""

    def common(job: NewJob) -> tuple[JobKind, str, str]:
        return job.kind, job.session_id or "", _options(job, traceparent)

    arguments: list[Argument] = [WIRE_VERSION]
    for (kind, session_id, options), alike in groupby(jobs, common):
        group = list(alike)
        arguments += (len(group), kind, lane_of(kind), session_id, options)
        for job in group:
            arguments += (job.id, job.request.model_dump_json(), job.body)
    return arguments


def _options(job: NewJob, traceparent: str) -> str:
    """What few jobs have, as JSON; '' for none."""
    options: dict[str, object] = {}
    if traceparent:
        options["traceparent"] = traceparent
    if job.max_attempts is not None:
        options["max_attempts"] = job.max_attempts
    if job.after:
        options["after"] = job.after
    if job.at is not None:
        options["at_ms"] = math.ceil(job.at.timestamp() * 1000)
    if job.delay_s:
        options["delay_ms"] = math.ceil(job.delay_s * 1000)
    if job.expires_s is not None:
        options["expires_ms"] = math.ceil(job.expires_s * 1000)
    if job.priority is not Priority.NORMAL:
        options["priority"] = job.priority
    if job.unique is not None:
        options["unique"] = job.unique
    return json.dumps(options) if options else ""


def outcome_of(job: NewJob, reply: int | list[str]) -> Enqueued:
    """What the script's answer says of one job."""
    if isinstance(reply, int):
        return Enqueued(job.id, created=bool(reply))
    match reply:
        case ["unique", holder]:
            return Enqueued(holder)
        case ["missing", other]:
            error: RaylaneError = InvalidRequest.field(
                "after", f"no job {other}: it was never enqueued, or has expired"
            )
        case _:
            error = JobIdTaken(
                f"job id {job.id} belongs to another request; choose another id", details={"job_id": job.id}
            )
    return Enqueued(job.id, error=error)
