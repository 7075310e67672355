"""Spells every Redis key. No other module does; the scripts get the parts of keys from here (`Keys.in_scripts`).

Without a prefix, the `arq:` keys are those of arq 0.28 (`arq/constants.py`), so that arq's tools can read the queue.
Every key expires, except those of unfinished jobs, the sets that hold them, and the settings.
See docs/decisions/0001, 0006, 0013 and 0015.
"""

from __future__ import annotations

from typing import Final

_JOB: Final = "raylane:job:"
_SESSION: Final = "raylane:session:"
_UNIQUE: Final = "raylane:unique:"
_ARQ_JOB: Final = "arq:job:"
_ARQ_LEASE: Final = "arq:in-progress:"

# One sorted set per lane and state. They hold the unfinished jobs, so they never expire.
_QUEUE: Final = "raylane:queue:"
_SCHEDULE: Final = "raylane:schedule:"
_WAITING: Final = "raylane:waiting:"
_PARKED: Final = "raylane:parked:"
_RUNNING: Final = "raylane:running:"
_EXPIRING: Final = "raylane:expiring:"

# The runs of each Ray cluster; the name of a cluster follows, except after _RUN_LIMITS and _RUN_GRANTED.
_RUN_LIMITS: Final = "raylane:runs:limits"
_RUN_SLOTS: Final = "raylane:runs:slots:"
_RUN_LINE: Final = "raylane:runs:line:"
_RUN_SERVED: Final = "raylane:runs:served:"
_RUN_GRANTED: Final = "raylane:runs:granted"
_RUN_GIVES_WAY: Final = "raylane:runs:gives-way:"

_SETTINGS: Final = "raylane:settings"
_SETTINGS_CHANGED: Final = "raylane:settings:changed"

_AUDIT: Final = "raylane:audit"

_ENDED: Final = "raylane:ended:"
# Below `ended`, so that the ACL rules of a server that was set up for an older version allow it.
_LOOKS: Final = "raylane:ended:looks:"
_COUNTS: Final = "raylane:ended:counts:all"
_DEAD: Final = "raylane:dead:"
_CLAIM: Final = "raylane:claim:"
_PULSE: Final = "raylane:pulse:"
_WAKE: Final = "raylane:wake:"
_CANCEL: Final = "raylane:cancel:"
_WORKERS: Final = "raylane:workers:"
# Below `workers`, for the same reason as above.
_ABOUT: Final = "raylane:workers:about:"
_DRAIN: Final = "raylane:drain:"
_JANITOR: Final = "raylane:janitor:"
_REPLACED: Final = "raylane:replaced:"
_READER: Final = "raylane:reader:"
_CONFIRMING: Final = "raylane:confirming"
_ROUTE: Final = "raylane:route"

# Suffixes of a job's keys, after JOB and the job's id.
EVENTS: Final = ":events"
BODY: Final = ":body"
ATTEMPTS: Final = ":attempts"
AFTER: Final = ":after"
DEPENDENTS: Final = ":dependents"
PARTS: Final = (EVENTS, BODY, ATTEMPTS, AFTER, DEPENDENTS)

# Suffixes of a session's keys, after SESSION and its id. A suffix that ends in a colon is followed by a lane.
SOURCES: Final = ":sources"
NEWEST: Final = ":newest"
HISTORY: Final = ":jobs"
SLOTS: Final = ":slots:"
NO_SLOT: Final = ":parked:"

_NAMES: Final = {name: value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str)}


class Keys:
    """The keys of one deployment. Deployments with different prefixes can share a server."""

    def __init__(self, prefix: str = "") -> None:
        """With a `prefix`, every key begins with it as a hash tag, so that a cluster keeps all keys together."""
        self.prefix = prefix
        self._start = f"{{{prefix}}}:" if prefix else ""

    @property
    def in_scripts(self) -> dict[str, str]:
        """The beginnings and suffixes of keys, by name. Scripts need them to build keys from ids that they read."""
        # Suffixes have public names, and get no prefix.
        return {
            name.removeprefix("_"): self._start + text if name.startswith("_") else text
            for name, text in _NAMES.items()
        }

    @property
    def immortal(self) -> tuple[str, ...]:
        """How the keys that never expire begin."""
        names = (_QUEUE, _SCHEDULE, _WAITING, _PARKED, _RUNNING, _EXPIRING, _SETTINGS)
        return tuple(self._start + name for name in names)

    @property
    def route(self) -> str:
        """A key that never exists. Scripts declare it, so that proxies and clusters know which node must run them."""
        return f"{self._start}{_ROUTE}"

    @property
    def settings(self) -> str:
        """Settings made at run time: a hash from name to value. Each stays until an operator unsets it."""
        return f"{self._start}{_SETTINGS}"

    @property
    def settings_changed(self) -> str:
        """The channel that announces changes of settings: each message is a name."""
        return f"{self._start}{_SETTINGS_CHANGED}"

    @property
    def audit(self) -> str:
        """The writes of the gateway's callers: a stream."""
        return f"{self._start}{_AUDIT}"

    def job(self, job_id: str) -> str:
        """A job's record: a hash."""
        return f"{self._start}{_JOB}{job_id}"

    def job_events(self, job_id: str) -> str:
        """A job's events: a stream."""
        return f"{self._start}{_JOB}{job_id}{EVENTS}"

    def job_body(self, job_id: str) -> str:
        """The bytes staged for an upload: a string."""
        return f"{self._start}{_JOB}{job_id}{BODY}"

    def job_attempts(self, job_id: str) -> str:
        """A job's attempts that did not succeed, oldest first: a list of JSON."""
        return f"{self._start}{_JOB}{job_id}{ATTEMPTS}"

    def lease(self, job_id: str) -> str:
        """A worker's right to a running job: a string, the owner's token, that expires unless it is renewed."""
        return f"{self._start}{_ARQ_LEASE}{job_id}"

    def queue(self, lane: str) -> str:
        """Jobs ready to run, scored by rank (the epoch ms of readiness, moved by the priority): a sorted set."""
        return f"{self._start}{_QUEUE}{lane}"

    def schedule(self, lane: str) -> str:
        """Jobs that are not due yet, scored by the epoch ms at which they are due: a sorted set."""
        return f"{self._start}{_SCHEDULE}{lane}"

    def waiting(self, lane: str) -> str:
        """Jobs that wait for other jobs, scored by the epoch ms of the janitor's last check: a sorted set."""
        return f"{self._start}{_WAITING}{lane}"

    def parked(self, lane: str) -> str:
        """Jobs that are ready but whose session has no free slot, scored by rank: a sorted set."""
        return f"{self._start}{_PARKED}{lane}"

    def running(self, lane: str) -> str:
        """Running jobs, scored by the epoch ms at which their lease ends: a sorted set."""
        return f"{self._start}{_RUNNING}{lane}"

    def ended(self, lane: str) -> str:
        """Jobs that have ended, scored by the epoch ms of their end: a sorted set."""
        return f"{self._start}{_ENDED}{lane}"

    def looks(self, lane: str) -> str:
        """Looks that have ended in the last minutes, scored by the epoch ms of their end: a sorted set."""
        return f"{self._start}{_LOOKS}{lane}"

    @property
    def counts(self) -> str:
        """How many jobs have ended: a hash from "lane kind outcome code" to a number, for metrics."""
        return f"{self._start}{_COUNTS}"

    def dead(self, lane: str) -> str:
        """Dead letters, scored by the epoch ms of their failure: a sorted set."""
        return f"{self._start}{_DEAD}{lane}"

    def wake(self, lane: str) -> str:
        """The channel that announces new work in a lane: each message is a job id."""
        return f"{self._start}{_WAKE}{lane}"

    def cancel(self, lane: str) -> str:
        """The channel that announces which running jobs must stop: each message is a job id."""
        return f"{self._start}{_CANCEL}{lane}"

    def workers(self, lane: str) -> str:
        """A lane's living workers, scored by the epoch ms at which each counts as dead: a sorted set."""
        return f"{self._start}{_WORKERS}{lane}"

    def worker_about(self, worker: str) -> str:
        """What a living worker says of itself: a string of JSON that lives as long as a heartbeat."""
        return f"{self._start}{_ABOUT}{worker}"

    def reader(self, token: str) -> str:
        """Ends the blocking read of a producer when it gets an entry: a stream with a short time to live."""
        return f"{self._start}{_READER}{token}"

    def worker_drain(self, worker: str) -> str:
        """Asks a worker to drain and stop: a string with a short time to live."""
        return f"{self._start}{_DRAIN}{worker}"

    def janitor(self, lane: str) -> str:
        """Names the worker that swept the lane last, until the next sweep is due: a string."""
        return f"{self._start}{_JANITOR}{lane}"

    @property
    def run_limits(self) -> str:
        """How many runs each Ray cluster may have at once: a hash from cluster to number."""
        return f"{self._start}{_RUN_LIMITS}"

    @property
    def run_granted(self) -> str:
        """The channel that announces which waiting jobs got a run slot: each message is a job id."""
        return f"{self._start}{_RUN_GRANTED}"

    def run_slots(self, cluster: str) -> str:
        """Jobs that hold a run slot of the cluster, scored by the epoch ms at which they got it: a sorted set."""
        return f"{self._start}{_RUN_SLOTS}{cluster}"

    def run_line(self, cluster: str) -> str:
        """Running jobs that wait for a run slot of the cluster, scored by rank: a sorted set."""
        return f"{self._start}{_RUN_LINE}{cluster}"

    def session_sources(self, session_id: str) -> str:
        """A session's sources: a hash from type and name to JSON."""
        return f"{self._start}{_SESSION}{session_id}{SOURCES}"

    def session_newest(self, session_id: str) -> str:
        """The newest upload of each of a session's files, as put_sources.lua compares them: a hash."""
        return f"{self._start}{_SESSION}{session_id}{NEWEST}"

    def session_jobs(self, session_id: str) -> str:
        """A session's job ids, scored by the epoch microsecond at which each was enqueued: a sorted set."""
        return f"{self._start}{_SESSION}{session_id}{HISTORY}"

    def parts_of_job(self, key: str) -> tuple[str, str]:
        """Returns the id and the suffix of one of a job's keys. The suffix of a record is empty."""
        job_id, colon, suffix = key.removeprefix(self.job("")).partition(":")
        return job_id, colon + suffix
