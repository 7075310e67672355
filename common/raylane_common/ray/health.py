"""The state of each endpoint: up, down or unknown. A background task probes an endpoint that is down.

See docs/decisions/0007.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from raylane_common.backoff import Backoff
from raylane_common.errors import RayAuth
from raylane_common.ray.answers import FaultKind, PathFault
from raylane_common.ray.models import EndpointReport, EndpointState
from raylane_common.ray.notices import Notices
from raylane_common.ray.probing import Timing
from raylane_common.ray.tasks import BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raylane_common.ray.addresses import Address
    from raylane_common.ray.observe import RayObserver
    from raylane_common.ray.probing import Prober

# After so short a failure one good answer brings an endpoint back; after a longer one it takes two.
BLIP_S: Final = 2.0
# If the cluster answered within this time, it is probably still up, and only the paths to it are broken.
_LATELY_S: Final = 30.0
# Of the newest answer in the moving average of an endpoint's latency.
_NEWEST_WEIGHT: Final = 0.2


@dataclass(eq=False, slots=True)
class Endpoint:
    """One address and its state in this process. Only `Health` changes the state. Times are of a monotonic clock."""

    address: Address
    state: EndpointState = EndpointState.UNKNOWN
    last_fault: PathFault | None = None
    down_since_s: float = 0.0
    retry_at_s: float = 0.0
    latency_s: float | None = None
    reprobe: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Its name in settings, logs and results."""
        return self.address.name

    @property
    def shown_url(self) -> str:
        """The URL without user and password."""
        return self.address.shown_url

    @property
    def is_down(self) -> bool:
        """Whether the path to it is known to be broken."""
        return self.state is EndpointState.DOWN

    def add_latency(self, elapsed_s: float) -> None:
        """Adds the seconds that one answer took to the moving average."""
        before_s = elapsed_s if self.latency_s is None else self.latency_s
        self.latency_s = before_s + _NEWEST_WEIGHT * (elapsed_s - before_s)

    def __str__(self) -> str:
        return f"Ray endpoint {self.name} ({self.shown_url})"

    def report(self, now_s: float) -> EndpointReport:
        """Returns the current state."""
        return EndpointReport(
            name=self.name,
            url=self.shown_url,
            state=self.state,
            last_error=self.last_fault.reason if self.last_fault else None,
            next_probe_in_s=max(0.0, self.retry_at_s - now_s) if self.is_down else None,
            latency_ms=None if self.latency_s is None else round(self.latency_s * 1000, 1),
        )


class Health:
    """Keeps the state of the endpoints, which are in order of preference."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        prober: Prober,
        observer: RayObserver,
        *,
        reprobe_min_s: float,
        reprobe_max_s: float,
        timing: Timing | None = None,
    ) -> None:
        """The pauses between the probes of an endpoint that is down grow from `reprobe_min_s` to `reprobe_max_s`."""
        self.endpoints = tuple(endpoints)
        self._prober = prober
        self._observer = observer
        self._timing = timing or Timing()
        self._reprobe_max_s = reprobe_max_s
        self._tasks = BackgroundTasks()
        self._pauses = {
            endpoint: Backoff(reprobe_min_s, reprobe_max_s, jitter=0.5, chance=self._timing.chance)
            for endpoint in self.endpoints
        }
        self._notices = {
            endpoint: Notices(partial(_state_of, endpoint), self._timing, self._tasks) for endpoint in self.endpoints
        }
        self._answered_at_s = float("-inf")

    @property
    def has_answered_lately(self) -> bool:
        """Whether any endpoint has answered within half a minute."""
        return self._timing.now_s() - self._answered_at_s < _LATELY_S

    def answered(self) -> None:
        """Notes that an endpoint has answered."""
        self._answered_at_s = self._timing.now_s()

    @property
    def session_name(self) -> str | None:
        """The session of our cluster; None before the first probe, or if its head does not name one."""
        return self._prober.session_name

    def reports(self) -> tuple[EndpointReport, ...]:
        """Returns the current state of every endpoint."""
        now_s = self._timing.now_s()
        return tuple(endpoint.report(now_s) for endpoint in self.endpoints)

    async def probe(self, endpoint: Endpoint) -> None:
        """Returns if our cluster answers, else raises `PathFault` or `RayAuth`. Changes no state."""
        others = [each.address for each in self.endpoints if each is not endpoint and not each.is_down]
        await self._prober.probe(endpoint.address, others)

    def is_identified(self, endpoint: Endpoint, *, since_s: float = 0.0) -> bool:
        """Whether our cluster was found behind the endpoint, and the token accepted there, since this time."""
        return self._prober.identified_at_s(endpoint.address) >= since_s

    async def confirm_identity(self, endpoint: Endpoint) -> None:
        """Probes the endpoint unless it identified itself a moment ago. It is down afterwards if that fails."""
        if self._prober.trusts(endpoint.address):
            return
        try:
            await self.probe(endpoint)
        except PathFault as fault:
            self.failed(endpoint, fault)
        except RayAuth:
            # Ray answered. The request that follows is refused as well, and its error says so.
            pass

    def failed(self, endpoint: Endpoint, fault: PathFault) -> None:
        """Marks the endpoint as down if it is certainly at fault. If not, `outlived` does, once another one answers."""
        if fault.blames_endpoint:
            self.set_down(endpoint, fault)

    def outlived(self, faults: Mapping[str, PathFault]) -> None:
        """Marks as down the endpoints that failed a call which another endpoint has answered: Ray was not at fault."""
        for endpoint in self.endpoints:
            if endpoint.name in faults and not endpoint.is_down:
                self.set_down(endpoint, faults[endpoint.name])

    def set_up(self, endpoint: Endpoint) -> None:
        """The endpoint answered: it may carry requests, and is not probed any more."""
        self.answered()
        if endpoint.is_down:
            away_s = self._timing.now_s() - endpoint.down_since_s
            self._notices[endpoint].say(logging.INFO, f"{endpoint} is up again after {away_s:.1f} s")
        if endpoint.state is not EndpointState.UP:
            self._observer.happened("up", endpoint.name)
        endpoint.state = EndpointState.UP
        endpoint.last_fault = None
        if endpoint.reprobe is not None and endpoint.reprobe is not asyncio.current_task():
            endpoint.reprobe.cancel()
        endpoint.reprobe = None

    def set_down(self, endpoint: Endpoint, fault: PathFault) -> None:
        """The path is broken: a background task probes it from now on. Logs one line for each change."""
        is_news = not endpoint.is_down
        before = endpoint.last_fault
        # Its traceback would keep the failed request in memory, package included.
        endpoint.last_fault = fault.with_traceback(None)
        if is_news:
            self._observer.happened("down", endpoint.name)
            endpoint.state = EndpointState.DOWN
            endpoint.down_since_s = self._timing.now_s()
            self._pauses[endpoint].reset()
            self._schedule(endpoint, self._pauses[endpoint].next_s(), fault)
            endpoint.reprobe = self._tasks.start(self._probe_until_up(endpoint))
        needs_operator = fault.kind in (FaultKind.WRONG_CLUSTER, FaultKind.INSECURE)
        if is_news or (needs_operator and (before is None or before.kind is not fault.kind)):
            pause_s = max(0.0, endpoint.retry_at_s - self._timing.now_s())
            self._notices[endpoint].say(
                logging.ERROR if needs_operator else logging.WARNING,
                f"{endpoint} is down: {fault.reason}; next probe in {pause_s:.1f} s",
            )

    async def aclose(self) -> None:
        """Ends the background probes."""
        await self._tasks.aclose()

    def _schedule(self, endpoint: Endpoint, pause_s: float, fault: PathFault | None = None) -> None:
        """Sets the time of the next probe. A proxy that asked for a longer pause gets it, within `reprobe_max_s`."""
        asked_s = fault.retry_after_s if fault is not None else None
        endpoint.retry_at_s = self._timing.now_s() + max(pause_s, min(asked_s or 0.0, self._reprobe_max_s))

    async def _probe_until_up(self, endpoint: Endpoint) -> None:
        """Probes an endpoint that is down until two answers in a row are good, or one after a short failure."""
        pauses = self._pauses[endpoint]
        good = 0
        while endpoint.is_down:
            await self._timing.sleep(max(0.0, endpoint.retry_at_s - self._timing.now_s()))
            try:
                await self.probe(endpoint)
            except (PathFault, RayAuth) as error:
                good = 0
                self._schedule(endpoint, pauses.next_s(), error if isinstance(error, PathFault) else None)
                # A refused token is an answer, but no reason to move traffic here from an endpoint that works.
                if isinstance(error, PathFault):
                    self.set_down(endpoint, error)
            else:
                good += 1
                pauses.reset()
                if good == 2 or self._timing.now_s() - endpoint.down_since_s < BLIP_S:
                    self.set_up(endpoint)
                    return
                self._schedule(endpoint, pauses.nth_s(1))


def _state_of(endpoint: Endpoint) -> str:
    cause = f": {endpoint.last_fault.reason}" if endpoint.last_fault else ""
    return f"{endpoint} is now {endpoint.state}{cause}"
