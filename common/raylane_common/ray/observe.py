"""What the client did, in numbers: for whoever exports metrics, and for tests. Knows no metrics library."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class RayObserver(Protocol):
    """Is told of everything that a client does. Called on the event loop: it must be quick and must not raise."""

    def request(self, endpoint: str, operation: str, outcome: str, elapsed_s: float) -> None:
        """One exchange has ended. `outcome`: `ok`, `refused` (Ray said no), or the kind of fault on the way."""

    def happened(self, what: str, endpoint: str = "") -> None:
        """`fallback`, `probe`, `doubt`, `up`, `down`, `submit_resend` or `submit_unknown`."""


class RayCounters:
    """Counts, by name and labels as Prometheus writes them: `down{endpoint="private"}`."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def counts(self) -> Mapping[str, int]:
        """How often each thing happened so far."""
        return dict(self._counts)

    @property
    def seconds(self) -> Mapping[str, float]:
        """How long the requests took in all, by endpoint and operation."""
        return dict(self._seconds)

    def request(self, endpoint: str, operation: str, outcome: str, elapsed_s: float) -> None:
        """Counts one exchange and its time."""
        labels = f'endpoint="{endpoint}",operation="{operation}"'
        self._counts[f'requests{{{labels},outcome="{outcome}"}}'] += 1
        self._seconds[f"request_seconds{{{labels}}}"] += elapsed_s

    def happened(self, what: str, endpoint: str = "") -> None:
        """Counts what happened."""
        self._counts[f'{what}{{endpoint="{endpoint}"}}' if endpoint else what] += 1
