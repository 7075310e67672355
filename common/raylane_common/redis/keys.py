"""Every Redis key. No other module spells one; the scripts get prefixes and suffixes from here (`IN_SCRIPTS`).

The `arq:` keys follow the layout of arq 0.28 (`arq/constants.py`), so that arq's tools can read the queue.
Every key expires, except the sets of unfinished jobs and the settings.
See docs/decisions/0001 and 0006.
"""

from __future__ import annotations

from typing import Final

JOB: Final = "raylane:job:"
SESSION: Final = "raylane:session:"
UNIQUE: Final = "raylane:unique:"
ARQ_JOB: Final = "arq:job:"
ARQ_LEASE: Final = "arq:in-progress:"

# One sorted set per lane and state. They hold the unfinished jobs, so they never expire.
QUEUE: Final = "raylane:queue:"
SCHEDULE: Final = "raylane:schedule:"
WAITING: Final = "raylane:waiting:"
PARKED: Final = "raylane:parked:"
RUNNING: Final = "raylane:running:"
EXPIRING: Final = "raylane:expiring:"

# A hash from name to value. A setting stays in effect until an operator unsets it, so it never expires.
SETTINGS: Final = "raylane:settings"
SETTINGS_CHANGED: Final = "raylane:settings:changed"
IMMORTAL: Final = (QUEUE, SCHEDULE, WAITING, PARKED, RUNNING, EXPIRING, SETTINGS)

ENDED: Final = "raylane:ended:"
DEAD: Final = "raylane:dead:"
CLAIM: Final = "raylane:claim:"
PULSE: Final = "raylane:pulse:"
WAKE: Final = "raylane:wake:"
CANCEL: Final = "raylane:cancel:"
WORKERS: Final = "raylane:workers:"
DRAIN: Final = "raylane:drain:"
JANITOR: Final = "raylane:janitor:"

# Suffixes of a job's keys, after JOB and the job's id.
EVENTS: Final = ":events"
BODY: Final = ":body"
ATTEMPTS: Final = ":attempts"
AFTER: Final = ":after"
DEPENDENTS: Final = ":dependents"

# Suffixes of a session's keys, after SESSION and its id. A suffix that ends in a colon is followed by a lane.
SOURCES: Final = ":sources"
HISTORY: Final = ":jobs"
SLOTS: Final = ":slots:"
NO_SLOT: Final = ":parked:"

IN_SCRIPTS: Final = {
    name: value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str)
}
"""The prefixes and suffixes by name. Scripts need them because they build keys from ids that they read."""


def job(job_id: str) -> str:
    """A job's record: a hash."""
    return f"{JOB}{job_id}"


def job_events(job_id: str) -> str:
    """A job's events: a stream."""
    return f"{JOB}{job_id}{EVENTS}"


def job_body(job_id: str) -> str:
    """The bytes staged for an upload: a string."""
    return f"{JOB}{job_id}{BODY}"


def job_attempts(job_id: str) -> str:
    """A job's attempts that did not succeed, oldest first: a list of JSON."""
    return f"{JOB}{job_id}{ATTEMPTS}"


def queue(lane: str) -> str:
    """Jobs ready to run, scored by rank (the epoch ms of readiness, moved by the priority): a sorted set."""
    return f"{QUEUE}{lane}"


def schedule(lane: str) -> str:
    """Jobs that are not due yet, scored by the epoch ms at which they are due: a sorted set."""
    return f"{SCHEDULE}{lane}"


def waiting(lane: str) -> str:
    """Jobs that wait for other jobs, scored by the epoch ms of the janitor's last check: a sorted set."""
    return f"{WAITING}{lane}"


def parked(lane: str) -> str:
    """Jobs that are ready but whose session has no free slot, scored by rank: a sorted set."""
    return f"{PARKED}{lane}"


def running(lane: str) -> str:
    """Running jobs, scored by the epoch ms at which their lease ends: a sorted set."""
    return f"{RUNNING}{lane}"


def ended(lane: str) -> str:
    """Jobs that have ended, scored by the epoch ms of their end: a sorted set."""
    return f"{ENDED}{lane}"


def dead(lane: str) -> str:
    """Dead letters, scored by the epoch ms of their failure: a sorted set."""
    return f"{DEAD}{lane}"


def wake(lane: str) -> str:
    """The channel that announces new work in a lane: each message is a job id."""
    return f"{WAKE}{lane}"


def cancel(lane: str) -> str:
    """The channel that announces which running jobs must stop: each message is a job id."""
    return f"{CANCEL}{lane}"


def workers(lane: str) -> str:
    """A lane's living workers, scored by the epoch ms at which each counts as dead: a sorted set."""
    return f"{WORKERS}{lane}"


def worker_drain(worker: str) -> str:
    """Asks a worker to drain and stop: a string with a short time to live."""
    return f"{DRAIN}{worker}"


def janitor(lane: str) -> str:
    """Names the worker that swept the lane last, until the next sweep is due: a string."""
    return f"{JANITOR}{lane}"


def session_sources(session_id: str) -> str:
    """A session's sources: a hash from type and name to JSON."""
    return f"{SESSION}{session_id}{SOURCES}"


def session_jobs(session_id: str) -> str:
    """A session's job ids, scored by the epoch microsecond at which each was enqueued: a sorted set."""
    return f"{SESSION}{session_id}{HISTORY}"
