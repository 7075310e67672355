"""Prepares batches of jobs for the `enqueue` script, and reads its answers."""

from __future__ import annotations

import json
import math
from itertools import groupby
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest, JobIdTaken
from raylane_common.redis.queue.scripts.calls import JobGroup
from raylane_common.wire.jobs import Enqueued, Priority
from raylane_common.wire.registry import lane_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from raylane_common.redis.queue.scripts.calls import EnqueueReply
    from raylane_common.wire.base import JobKind
    from raylane_common.wire.jobs import NewJob

# A chunk of either size keeps the server busy for only a few milliseconds, so other clients do not have to wait.
_CHUNK_JOBS: Final = 200
_CHUNK_BYTES: Final = 1024 * 1024
# A confirmation may take the server a second, so many chunks share one. This many bytes can be sent in that time.
_CHUNKS_PER_CONFIRMATION: Final = 50
_BYTES_PER_CONFIRMATION: Final = 8 * 1024 * 1024


def chunks_of(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """Splits the jobs into chunks. One script call writes one chunk."""
    start, size_bytes = 0, 0
    for index, job in enumerate(jobs):
        size_bytes += len(job.body)
        if index - start == _CHUNK_JOBS or (size_bytes > _CHUNK_BYTES and index > start):
            yield jobs[start:index]
            start, size_bytes = index, len(job.body)
    if start < len(jobs):
        yield jobs[start:]


def parts_of(jobs: Sequence[NewJob], *, confirmed: bool) -> Iterator[list[Sequence[NewJob]]]:
    """Splits the jobs into parts that are written together: one chunk each, or many if they are `confirmed`."""
    part: list[Sequence[NewJob]] = []
    left_bytes = _BYTES_PER_CONFIRMATION
    for chunk in chunks_of(jobs):
        size_bytes = sum(len(job.body) for job in chunk)
        if part and not (confirmed and len(part) < _CHUNKS_PER_CONFIRMATION and size_bytes <= left_bytes):
            yield part
            part, left_bytes = [], _BYTES_PER_CONFIRMATION
        part.append(chunk)
        left_bytes -= size_bytes
    if part:
        yield part


def groups_of(jobs: Sequence[NewJob], context: Mapping[str, str]) -> Iterator[JobGroup]:
    """Groups neighbouring jobs with the same kind, session and options, so that these are sent once."""

    def shared(job: NewJob) -> tuple[JobKind, str, str]:
        return job.kind, job.session_id or "", _options(job, context)

    for (kind, session_id, options), alike in groupby(jobs, shared):
        yield JobGroup(kind, lane_of(kind), session_id, options, list(alike))


def _options(job: NewJob, context: Mapping[str, str]) -> str:
    """Returns the options of a job as JSON; '' if it has none, like most jobs."""
    options: dict[str, object] = {**context}
    if job.request.is_look:
        options["look"] = True
    if job.max_attempts is not None:
        options["max_attempts"] = job.max_attempts
    if job.after:
        options["after"] = job.after
    if job.at is not None:
        options["at_ms"] = max(0, math.ceil(job.at.timestamp() * 1000))
    if job.delay_s:
        options["delay_ms"] = math.ceil(job.delay_s * 1000)
    if job.expires_s is not None:
        options["expires_ms"] = math.ceil(job.expires_s * 1000)
    if job.priority is not Priority.NORMAL:
        options["priority"] = job.priority
    if job.unique is not None:
        options["unique"] = job.unique
    if job.fingerprint is not None:
        options["fingerprint"] = job.fingerprint
    return json.dumps(options) if options else ""


def outcome_of(job: NewJob, reply: EnqueueReply) -> Enqueued:
    """Returns what the script's answer means for one job."""
    match reply.verdict:
        case "written" | "known":
            return Enqueued(job.id, created=reply.verdict == "written")
        case "unique":
            return Enqueued(reply.detail)
        case "missing":
            problem = f"no job {reply.detail}: it was never enqueued, or has expired"
            return Enqueued(job.id, error=InvalidRequest.field("after", problem))
        case "option":
            return Enqueued(job.id, error=InvalidRequest.field(reply.detail, reply.problem))
        case "taken":
            problem = f"job id {job.id} belongs to another request; choose another id"
            return Enqueued(job.id, error=JobIdTaken(problem, details={"job_id": job.id}))
