"""Every Redis key, in one place. No other module spells one.

`arq:` keys are arq 0.28's own layout (`arq/constants.py`), kept so that arq's tools can look at the queue.
All keys but the queues and the settings carry a time to live.
"""

from __future__ import annotations

from typing import Final

JOB: Final = "raylane:job:"
SESSION: Final = "raylane:session:"
UNIQUE: Final = "raylane:unique:"
ARQ_JOB: Final = "arq:job:"
ARQ_LEASE: Final = "arq:in-progress:"

# One sorted set per lane and state. They are what is still to be done, so they alone never expire.
QUEUE: Final = "raylane:queue:"
SCHEDULE: Final = "raylane:schedule:"
WAITING: Final = "raylane:waiting:"
PARKED: Final = "raylane:parked:"
RUNNING: Final = "raylane:running:"
EXPIRING: Final = "raylane:expiring:"

# What an operator has set at run time holds until it is taken back: a hash from name to value.
SETTINGS: Final = "raylane:settings"
SETTINGS_CHANGED: Final = "raylane:settings:changed"
IMMORTAL: Final = (QUEUE, SCHEDULE, WAITING, PARKED, RUNNING, EXPIRING, SETTINGS)

ENDED: Final = "raylane:ended:"
DEAD: Final = "raylane:dead:"
CLAIM: Final = "raylane:claim:"
PULSE: Final = "raylane:pulse:"
WAKE: Final = "raylane:wake:"
CANCEL: Final = "raylane:cancel:"

_IN_SCRIPTS: Final = (
    *("JOB", "SESSION", "UNIQUE", "CLAIM", "ARQ_JOB", "ARQ_LEASE"),
    *("QUEUE", "SCHEDULE", "WAITING", "PARKED", "RUNNING", "EXPIRING"),
    *("ENDED", "DEAD", "PULSE", "WAKE", "CANCEL"),
)
LUA: Final = "".join(f"local {name} = '{globals()[name]}'\n" for name in _IN_SCRIPTS)
"""The prefixes as Lua constants: scripts build keys from the ids that they find."""


def job(job_id: str) -> str:
    """The record of a job: a hash."""
    return f"{JOB}{job_id}"


def job_events(job_id: str) -> str:
    """What happened to a job: a stream."""
    return f"{JOB}{job_id}:events"


def job_body(job_id: str) -> str:
    """Raw bytes staged for an upload: a string."""
    return f"{JOB}{job_id}:body"


def job_attempts(job_id: str) -> str:
    """The attempts of a job that did not succeed, oldest first: a list of JSON."""
    return f"{JOB}{job_id}:attempts"


def job_dependents(job_id: str) -> str:
    """The jobs that wait for this one: a set."""
    return f"{JOB}{job_id}:dependents"


def queue(lane: str) -> str:
    """Jobs ready to run: a sorted set, scored by rank (the epoch ms of readiness, moved by the priority)."""
    return f"{QUEUE}{lane}"


def schedule(lane: str) -> str:
    """Jobs not due yet, scored by the epoch ms at which they are: a sorted set."""
    return f"{SCHEDULE}{lane}"


def waiting(lane: str) -> str:
    """Jobs that wait for others, scored by the epoch ms at which they were last looked at: a sorted set."""
    return f"{WAITING}{lane}"


def parked(lane: str) -> str:
    """Jobs that are ready while their session has no free slot, scored by rank: a sorted set."""
    return f"{PARKED}{lane}"


def running(lane: str) -> str:
    """Jobs that a worker holds, scored by the epoch ms at which its lease ends: a sorted set."""
    return f"{RUNNING}{lane}"


def expiring(lane: str) -> str:
    """Jobs that must start by a time, scored by it: a sorted set."""
    return f"{EXPIRING}{lane}"


def ended(lane: str) -> str:
    """Jobs that ended, scored by when: a sorted set."""
    return f"{ENDED}{lane}"


def dead(lane: str) -> str:
    """Dead letters, scored by when they failed: a sorted set."""
    return f"{DEAD}{lane}"


def unique(kind: str, key: str) -> str:
    """The live job that has this unique key: a string."""
    return f"{UNIQUE}{kind}:{key}"


def wake(lane: str) -> str:
    """Pub/sub channel that says: this lane has work."""
    return f"{WAKE}{lane}"


def cancel(lane: str) -> str:
    """Pub/sub channel with the ids of running jobs that are to stop."""
    return f"{CANCEL}{lane}"


def workers(lane: str) -> str:
    """The living workers of a lane, scored by the epoch ms at which each counts as dead: a sorted set."""
    return f"raylane:workers:{lane}"


def worker_drain(worker: str) -> str:
    """Asks a worker to drain and stop: a string with a short time to live."""
    return f"raylane:drain:{worker}"


def janitor(lane: str) -> str:
    """Held by the worker that swept the lane last, until the next sweep is due: a string."""
    return f"raylane:janitor:{lane}"


def arq_job(job_id: str) -> str:
    """Arq's own copy of the job, as JSON."""
    return f"{ARQ_JOB}{job_id}"


def lease(job_id: str) -> str:
    """The lease of a running job, holding its owner's token: arq's in-progress key."""
    return f"{ARQ_LEASE}{job_id}"


def job_after(job_id: str) -> str:
    """The jobs that a waiting job still waits for: a set."""
    return f"{JOB}{job_id}:after"


def session_sources(session_id: str) -> str:
    """A session's sources: a hash from source name to JSON."""
    return f"{SESSION}{session_id}:sources"


def session_jobs(session_id: str) -> str:
    """A session's job ids scored by enqueue time: a sorted set."""
    return f"{SESSION}{session_id}:jobs"


def session_slots(session_id: str, lane: str) -> str:
    """The jobs that hold the session's slots in a lane: a set."""
    return f"{SESSION}{session_id}:slots:{lane}"


def session_parked(session_id: str, lane: str) -> str:
    """The session's jobs that wait for a slot in a lane, scored by rank: a sorted set."""
    return f"{SESSION}{session_id}:parked:{lane}"
