"""Counts the attempts of one lane of one worker, and the waits before them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RaylaneError
from raylane_common.telemetry.definitions import ATTEMPT_SECONDS, ATTEMPTS, JOB_ERRORS, JOB_WAIT
from raylane_common.wire.base import JobKind

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.redis.queue import AttemptOutcome, Lease
    from raylane_common.telemetry.metrics import Metrics
    from raylane_common.wire.jobs import JobSummary

# By the verdict of an outcome. `dead` is how the job ended; its attempt failed.
_ATTEMPT: Final = {"dead": "failed", "retry": "retried", "return": "returned"}
# Another version or another program may have written the kind of a job or the code of an error.
_OTHER: Final = "other"


class JobMetrics:
    """The metrics of one lane."""

    def __init__(self, metrics: Metrics, lane: str, kinds: Iterable[JobKind]) -> None:
        self._metrics = metrics
        self._lane = lane
        for kind in kinds:
            metrics.expect(JOB_WAIT, lane, kind)
            metrics.expect(ATTEMPT_SECONDS, lane, kind)
            for outcome in ("succeeded", "failed", "cancelled", "retried", "returned", "lost"):
                metrics.expect(ATTEMPTS, lane, kind, outcome)

    def started(self, lease: Lease) -> None:
        """Counts the wait of a job that starts for the first time."""
        # A job that comes after others was not ready when it was enqueued.
        if lease.waited_s is not None and not lease.record.after:
            self._metrics.observe(JOB_WAIT, lease.waited_s, self._lane, _known_kind(lease.record.kind))

    def ended(self, job: JobSummary | None, outcome: AttemptOutcome | None, elapsed_s: float) -> None:
        """Counts an attempt of `elapsed_s` seconds. `outcome` is what was written; None if another worker has the job.

        An outcome that could not be written is None, too: its job will run again. `job` is None if its record could not
        be read.
        """
        kind = _OTHER if job is None else _known_kind(job.kind)
        verdict = outcome.verdict if outcome is not None else "lost"
        self._metrics.add(ATTEMPTS, self._lane, kind, _ATTEMPT.get(verdict, verdict))
        self._metrics.observe(ATTEMPT_SECONDS, elapsed_s, self._lane, kind)
        if outcome is not None and outcome.value and verdict not in ("succeeded", "cancelled"):
            self._metrics.add(JOB_ERRORS, self._lane, kind, _known_code(outcome.value))


def _known_kind(kind: str) -> str:
    return kind if kind in _KINDS else _OTHER


def _known_code(error: str) -> str:
    """Returns the code of an error, which is JSON."""
    code = str(json.loads(error)["code"])
    return code if RaylaneError.is_known(code) else _OTHER


_KINDS: Final = frozenset(JobKind)
