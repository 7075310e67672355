"""The jobs that have ended, as counters: Redis counts them where they end, whoever ends them.

See docs/decisions/0055.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RaylaneError
from raylane_common.telemetry.definitions import JOBS_ENDED, JOBS_FAILED
from raylane_common.telemetry.metrics import Reading
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.registry import lane_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from raylane_common.wire.jobs import EndedJobs

_OUTCOMES: Final = ("succeeded", "failed", "dead", "cancelled")
_FAILURES: Final = ("failed", "dead")
_KINDS: Final = frozenset(JobKind)
_LANES: Final = frozenset(Lane)
# Another version or another program may have written the lane or the kind of a job, or the code of an error.
_OTHER: Final = "other"

_Labels = tuple[str, str, str, str]


class EndedCounters:
    """Counters that never go back, although a server may lose its last writes, or all of them.

    Prometheus takes a counter that is lower than before for one that began again at 0, and would count all of it twice.
    """

    def __init__(self) -> None:
        self._totals: Counter[_Labels] = Counter()
        self._last: Counter[_Labels] = Counter()

    def update(self, found: Iterable[EndedJobs]) -> None:
        """Adds what has ended since the last call."""
        now: Counter[_Labels] = Counter()
        for ended in found:
            now[_labels(ended)] += ended.count
        # Subtraction leaves out what has not grown.
        self._totals += now - self._last
        self._last = now

    def readings(self) -> Iterator[Reading]:
        """Yields the jobs by outcome, and those that failed by the code of their error.

        An outcome of ours is 0 until its first job, so that Prometheus sees the first job, too.
        """
        ended = Counter({(lane_of(kind).value, kind.value, outcome): 0 for kind in JobKind for outcome in _OUTCOMES})
        failed: Counter[tuple[str, str, str]] = Counter()
        for (lane, kind, outcome, code), count in self._totals.items():
            ended[lane, kind, outcome] += count
            if outcome in _FAILURES:
                failed[lane, kind, code] += count
        for metric, counts in ((JOBS_ENDED, ended), (JOBS_FAILED, failed)):
            for labels, count in counts.items():
                yield Reading(metric, count, labels)


def _labels(ended: EndedJobs) -> _Labels:
    return (
        ended.lane if ended.lane in _LANES else _OTHER,
        ended.kind if ended.kind in _KINDS else _OTHER,
        ended.outcome if ended.outcome in _OUTCOMES else _OTHER,
        ended.code if RaylaneError.is_known(ended.code) else _OTHER,
    )
