"""The keys of the tests' deployment, and those that only scripts use, and so only tests have to name."""

from __future__ import annotations

import os

from raylane_common.redis.keys import AFTER, DEPENDENTS, NO_SLOT, SLOTS, Keys

# What the tests of the queue run on: "server", "sentinel" or "cluster".
TEST_REDIS = os.environ.get("RAYLANE_TEST_REDIS", "server")
keys = Keys("raylane" if TEST_REDIS == "cluster" else "")
_names = keys.in_scripts


def arq_job(job_id: str) -> str:
    """arq's own copy of the job: a string."""
    return f"{_names['ARQ_JOB']}{job_id}"


def lease(job_id: str) -> str:
    """The token of a running job's owner: a string, arq's in-progress key."""
    return f"{_names['ARQ_LEASE']}{job_id}"


def job_of(key: str, deployment: Keys = keys) -> str:
    """The id of the job that a key belongs to; '' if it belongs to no job."""
    for prefix in (deployment.job(""), deployment.in_scripts["ARQ_JOB"]):
        if key.startswith(prefix):
            return key.removeprefix(prefix).partition(":")[0]
    return ""


def job_after(job_id: str) -> str:
    """The jobs that a waiting job still waits for: a set."""
    return f"{keys.job(job_id)}{AFTER}"


def job_dependents(job_id: str) -> str:
    """The jobs that wait for this one: a set."""
    return f"{keys.job(job_id)}{DEPENDENTS}"


def is_unique(key: str, deployment: Keys = keys) -> bool:
    """Whether the key is one of those that `unique` returns."""
    return key.startswith(deployment.in_scripts["UNIQUE"])


def expiring(lane: str) -> str:
    """Jobs that must start by a time, scored by it: a sorted set."""
    return f"{_names['EXPIRING']}{lane}"


def unique(kind: str, key: str) -> str:
    """The live job that has this unique key: a string."""
    return f"{_names['UNIQUE']}{kind}:{key}"


def session_slots(session_id: str, lane: str) -> str:
    """The jobs that hold the session's slots in a lane: a set."""
    return f"{_names['SESSION']}{session_id}{SLOTS}{lane}"


def session_parked(session_id: str, lane: str) -> str:
    """The session's jobs that wait for a slot in a lane, scored by rank: a sorted set."""
    return f"{_names['SESSION']}{session_id}{NO_SLOT}{lane}"


def pulse(lane: str) -> str:
    """When a worker of the lane last reached the server, and which server: a string."""
    return f"{_names['PULSE']}{lane}"
