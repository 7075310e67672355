"""Counts what a `RayClient` does, and reads the state of its endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.ray.models import EndpointState
from raylane_common.telemetry.definitions import (
    RAY_CHANGES,
    RAY_FAILOVERS,
    RAY_LATENCY,
    RAY_REQUESTS,
    RAY_SECONDS,
    RAY_SUBMISSIONS,
    RAY_UP,
)
from raylane_common.telemetry.metrics import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from raylane_common.ray.models import EndpointReport
    from raylane_common.telemetry.metrics import Metrics

# It lasts as long as the run whose log it follows.
_FOLLOWS: Final = "tail"
_SUBMISSIONS: Final = {"submit": "accepted", "submit_resend": "resent", "submit_unknown": "unknown"}


class RayMetrics:
    """A `RayObserver` for metrics."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        for outcome in _SUBMISSIONS.values():
            metrics.expect(RAY_SUBMISSIONS, outcome)

    def request(self, endpoint: str, operation: str, outcome: str, elapsed_s: float) -> None:
        """Counts one exchange, and its time."""
        self._metrics.add(RAY_REQUESTS, endpoint, operation, outcome)
        if operation != _FOLLOWS:
            self._metrics.observe(RAY_SECONDS, elapsed_s, endpoint, operation)

    def happened(self, what: str, endpoint: str = "") -> None:
        """Counts failovers, submissions and changes of an endpoint. Probes are among the requests."""
        if what == "fallback":
            self._metrics.add(RAY_FAILOVERS, endpoint)
        elif what in ("up", "down"):
            self._metrics.add(RAY_CHANGES, endpoint, what)
        elif what in _SUBMISSIONS:
            self._metrics.add(RAY_SUBMISSIONS, _SUBMISSIONS[what])


def endpoint_readings(reports: Iterable[EndpointReport]) -> Iterator[Reading]:
    """Yields the state of each endpoint, as far as it is known."""
    for report in reports:
        if report.state is not EndpointState.UNKNOWN:
            yield Reading(RAY_UP, int(report.state is EndpointState.UP), (report.name,))
        if report.latency_ms is not None:
            yield Reading(RAY_LATENCY, report.latency_ms / 1000, (report.name,))
