"""Counts what the client does, for metrics and for tests. Needs no metrics library."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class RayObserver(Protocol):
    """Receives everything that a client does. Called on the event loop, so it must be quick, and must not raise."""

    def request(self, endpoint: str, operation: str, outcome: str, elapsed_s: float) -> None:
        """One HTTP exchange has ended, after `elapsed_s` seconds.

        `outcome` is `ok`, `refused` (Ray answered with an error), `cancelled`, or the kind of fault on the path:
        `connect`, `lost`, `gateway`, `not_ray`.
        """

    def happened(self, what: str, endpoint: str = "") -> None:
        """Something else happened, at an endpoint unless that is empty. `what` is one of these.

        `fallback`: a call moved to this endpoint after another one failed it. `probe`: the endpoint was asked for its
        version. `doubt`: an answer is late, so the path is probed (docs/decisions/0007). `up`, `down`: its new state.
        `submit_resend`: a submission was sent again. `submit_unknown`: its outcome stayed unknown.
        """


class RayCounters:
    """Counts everything. A client without an `observer` of its own has one: `client.counters`.

    Read `client.counters.counts` and `client.counters.seconds`, whose keys are names and labels in the form of
    Prometheus, such as `down{endpoint="private"}`.
    """

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each thing has happened so far."""
        return dict(self._counts)

    @property
    def seconds(self) -> Mapping[str, float]:
        """The total seconds of all requests, by endpoint and operation."""
        return dict(self._seconds)

    def request(self, endpoint: str, operation: str, outcome: str, elapsed_s: float) -> None:
        """Counts one exchange and adds its seconds."""
        labels = f'endpoint="{endpoint}",operation="{operation}"'
        self._counts[f'requests{{{labels},outcome="{outcome}"}}'] += 1
        self._seconds[f"request_seconds{{{labels}}}"] += elapsed_s

    def happened(self, what: str, endpoint: str = "") -> None:
        """Counts what happened."""
        self._counts[f'{what}{{endpoint="{endpoint}"}}' if endpoint else what] += 1
