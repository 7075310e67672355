"""Every Redis key, in one place. No other module spells one.

`arq:` keys are arq 0.28's own layout (`arq/constants.py`), kept so that arq's tools can look at the queue.
All keys but the queues carry a time to live.
"""

from __future__ import annotations

from typing import Final

# Lua scripts build keys from ids they find in the queue, so they are given these prefixes.
JOB_PREFIX: Final = "raylane:job:"
EVENTS_SUFFIX: Final = ":events"
BODY_SUFFIX: Final = ":body"
ARQ_JOB_PREFIX: Final = "arq:job:"
ARQ_LEASE_PREFIX: Final = "arq:in-progress:"


def job(job_id: str) -> str:
    """The record of a job: a hash."""
    return f"{JOB_PREFIX}{job_id}"


def job_events(job_id: str) -> str:
    """What happened to a job: a stream."""
    return f"{JOB_PREFIX}{job_id}{EVENTS_SUFFIX}"


def job_body(job_id: str) -> str:
    """Raw bytes staged for an upload: a string."""
    return f"{JOB_PREFIX}{job_id}{BODY_SUFFIX}"


def queue(lane: str) -> str:
    """A lane's queue: arq's sorted set of job ids, scored by the millisecond at which each is due."""
    return f"raylane:queue:{lane}"


def wake(lane: str) -> str:
    """Pub/sub channel that says: this lane has work."""
    return f"raylane:wake:{lane}"


def worker_heartbeat(lane: str, worker: str) -> str:
    """A worker's sign of life in one lane: a string with a short time to live."""
    return f"raylane:worker:{lane}:{worker}"


def arq_job(job_id: str) -> str:
    """Arq's own copy of the job, as JSON."""
    return f"{ARQ_JOB_PREFIX}{job_id}"


def lease(job_id: str) -> str:
    """The lease of a running job, holding its owner's token: arq's in-progress key."""
    return f"{ARQ_LEASE_PREFIX}{job_id}"


def session_sources(session_id: str) -> str:
    """A session's sources: a hash from source name to JSON."""
    return f"raylane:session:{session_id}:sources"


def session_jobs(session_id: str) -> str:
    """A session's job ids scored by enqueue time: a sorted set."""
    return f"raylane:session:{session_id}:jobs"
