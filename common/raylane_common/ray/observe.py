"""Counts what the client does, for metrics and for tests. Needs no metrics library."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, NamedTuple, Protocol

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
        `submit`: a submission was accepted by this endpoint. `submit_resend`: it was sent again. `submit_unknown`: its
        outcome stayed unknown.
        """


class Happening(NamedTuple):
    """What `RayCounters` counts: `what` happened, as in `RayObserver.happened`, at an endpoint unless that is empty.

    For a request, `what` is `request`, and `operation` and `outcome` are set, as in `RayObserver.request`.
    """

    what: str
    endpoint: str = ""
    operation: str = ""
    outcome: str = ""


class RayCounters:
    """Counts everything. A client without an `observer` of its own has one: `client.counters`.

    Read `client.counters.counts` and `client.counters.seconds`.
    """

    def __init__(self) -> None:
        self._counts: Counter[Happening] = Counter()
        self._seconds: defaultdict[tuple[str, str], float] = defaultdict(float)

    @property
    def counts(self) -> Mapping[Happening, int]:
        """How often each thing has happened so far."""
        return dict(self._counts)

    @property
    def seconds(self) -> Mapping[tuple[str, str], float]:
        """The total seconds of all requests, by endpoint and operation."""
        return dict(self._seconds)

    def request(self, endpoint: str, operation: str, outcome: str, elapsed_s: float) -> None:
        """Counts one exchange and adds its seconds."""
        self._counts[Happening("request", endpoint, operation, outcome)] += 1
        self._seconds[endpoint, operation] += elapsed_s

    def happened(self, what: str, endpoint: str = "") -> None:
        """Counts what happened."""
        self._counts[Happening(what, endpoint)] += 1
