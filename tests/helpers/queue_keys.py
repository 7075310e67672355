"""Redis keys that only scripts use, and so only tests have to name."""

from __future__ import annotations

from raylane_common.redis import keys


def arq_job(job_id: str) -> str:
    """arq's own copy of the job: a string."""
    return f"{keys.ARQ_JOB}{job_id}"


def lease(job_id: str) -> str:
    """The token of a running job's owner: a string, arq's in-progress key."""
    return f"{keys.ARQ_LEASE}{job_id}"


def job_after(job_id: str) -> str:
    """The jobs that a waiting job still waits for: a set."""
    return f"{keys.JOB}{job_id}{keys.AFTER}"


def expiring(lane: str) -> str:
    """Jobs that must start by a time, scored by it: a sorted set."""
    return f"{keys.EXPIRING}{lane}"


def unique(kind: str, key: str) -> str:
    """The live job that has this unique key: a string."""
    return f"{keys.UNIQUE}{kind}:{key}"


def session_slots(session_id: str, lane: str) -> str:
    """The jobs that hold the session's slots in a lane: a set."""
    return f"{keys.SESSION}{session_id}{keys.SLOTS}{lane}"


def session_parked(session_id: str, lane: str) -> str:
    """The session's jobs that wait for a slot in a lane, scored by rank: a sorted set."""
    return f"{keys.SESSION}{session_id}{keys.NO_SLOT}{lane}"
