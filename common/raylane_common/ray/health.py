"""What is known of each address: up, down, or nothing yet; and a task that looks after each one that is down."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeVar

from raylane_common.errors import RayAuth
from raylane_common.ray.answers import FaultKind, PathFault
from raylane_common.ray.models import EndpointReport, EndpointState

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence

    from raylane_common.ray.addresses import Address
    from raylane_common.ray.observe import RayObserver
    from raylane_common.ray.settings import RaySettings

BLIP_S: Final = 2.0
# Of the newest answer in the moving average of an address' latency.
_WEIGHT: Final = 0.2

_T = TypeVar("_T")

logger = logging.getLogger("raylane.ray")


@dataclass(eq=False, slots=True)
class Endpoint:
    """One address and its health in this process. Only `Health` changes it. Times are of a monotonic clock."""

    address: Address
    state: EndpointState = EndpointState.UNKNOWN
    session_name: str | None = None
    last_fault: PathFault | None = None
    failures: int = 0
    down_since: float = 0.0
    retry_at: float = 0.0
    latency_s: float | None = None
    identified_at: float = float("-inf")
    reprobe: asyncio.Task[None] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What settings, logs and results call it."""
        return self.address.name

    @property
    def shown_url(self) -> str:
        """The URL without user and password."""
        return self.address.shown_url

    @property
    def is_down(self) -> bool:
        """Whether the path to it is known to be broken."""
        return self.state is EndpointState.DOWN

    def took(self, elapsed_s: float) -> None:
        """Lets one answer's time into the moving average."""
        before_s = elapsed_s if self.latency_s is None else self.latency_s
        self.latency_s = before_s + _WEIGHT * (elapsed_s - before_s)

    def report(self, now: float) -> EndpointReport:
        """This endpoint as it stands now."""
        return EndpointReport(
            name=self.name,
            url=self.shown_url,
            state=self.state,
            last_error=self.last_fault.reason if self.last_fault else None,
            next_probe_in_s=max(0.0, self.retry_at - now) if self.is_down else None,
            latency_ms=None if self.latency_s is None else round(self.latency_s * 1000, 1),
        )


class OwnedTasks:
    """Tasks that somebody ends: all of them in `aclose()`, and at once those that are started after it."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()
        self._closed = False

    def start(self, work: Coroutine[object, object, _T]) -> asyncio.Task[_T]:
        """Starts a task that is logged if it breaks."""
        task = asyncio.create_task(work)
        if self._closed:
            task.cancel()
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def aclose(self) -> None:
        """Cancels every task and waits for its end."""
        self._closed = True
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[object]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a probe of Ray's endpoints broke", exc_info=error)


@dataclass(frozen=True, slots=True)
class Ambient:
    """Time and chance, so that tests can hold them still."""

    clock: Callable[[], float] = time.monotonic
    jitter: Callable[[], float] = random.random
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def pause_s(failures: int, settings: RaySettings, jitter: float) -> float:
    """Seconds until the next re-probe after so many failures in a row; `jitter` in [0, 1) takes off up to a half."""
    doubled = settings.reprobe_min_s * 2.0 ** min(max(failures - 1, 0), 32)
    return float(min(settings.reprobe_max_s, doubled) * (1.0 - jitter / 2.0))


class Health:
    """Keeps the state of endpoints. `probe(endpoint)` raises `PathFault` or `RayAuth` unless our cluster answers."""

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        probe: Callable[[Endpoint], Awaitable[None]],
        settings: RaySettings,
        tasks: OwnedTasks,
        ambient: Ambient,
        observer: RayObserver,
    ) -> None:
        self._observer = observer
        self._endpoints = tuple(endpoints)
        self._probe = probe
        self._settings = settings
        self._tasks = tasks
        self._clock = ambient.clock
        self._jitter = ambient.jitter
        self._sleep = ambient.sleep

    def failed(self, endpoint: Endpoint, fault: PathFault) -> None:
        """Notes a fault: the endpoint is down if it is to blame; else that waits for another one's answer."""
        if fault.blames_endpoint:
            self.set_down(endpoint, fault)

    def outlived(self, faults: Mapping[str, PathFault]) -> None:
        """Another endpoint answered the call that met these faults, so the paths were at fault and not Ray."""
        for endpoint in self._endpoints:
            if endpoint.name in faults and not endpoint.is_down:
                self.set_down(endpoint, faults[endpoint.name])

    def set_up(self, endpoint: Endpoint) -> None:
        """It answered: requests may go there."""
        if endpoint.is_down:
            logger.info(
                "Ray endpoint %s (%s) is up again after %.1f s",
                endpoint.name,
                endpoint.shown_url,
                self._clock() - endpoint.down_since,
            )
        if endpoint.state is not EndpointState.UP:
            self._observer.happened("up", endpoint.name)
        endpoint.state = EndpointState.UP
        endpoint.last_fault = None
        endpoint.failures = 0
        if endpoint.reprobe is not None and endpoint.reprobe is not asyncio.current_task():
            endpoint.reprobe.cancel()
        endpoint.reprobe = None

    def set_down(self, endpoint: Endpoint, fault: PathFault) -> None:
        """Its path is broken: a task looks after it from now on. Says so in the log once."""
        is_news = not endpoint.is_down
        before = endpoint.last_fault
        # Its traceback would keep the failed request alive, package included.
        endpoint.last_fault = fault.with_traceback(None)
        if is_news:
            self._observer.happened("down", endpoint.name)
            endpoint.state = EndpointState.DOWN
            endpoint.failures = 1
            endpoint.down_since = self._clock()
            self._schedule(endpoint)
            endpoint.reprobe = self._tasks.start(self._look_after(endpoint))
        stranger = fault.kind in (FaultKind.WRONG_CLUSTER, FaultKind.INSECURE)
        if is_news or (stranger and (before is None or before.kind is not fault.kind)):
            logger.log(
                logging.ERROR if stranger else logging.WARNING,
                "Ray endpoint %s (%s) is down: %s; next probe in %.1f s",
                endpoint.name,
                endpoint.shown_url,
                fault.reason,
                max(0.0, endpoint.retry_at - self._clock()),
            )

    def _schedule(self, endpoint: Endpoint) -> None:
        endpoint.retry_at = self._clock() + pause_s(endpoint.failures, self._settings, self._jitter())

    async def _look_after(self, endpoint: Endpoint) -> None:
        """Probes an endpoint that is down until it is up: two good answers in a row, or one after a mere blip."""
        good = 0
        while endpoint.is_down:
            await self._sleep(max(0.0, endpoint.retry_at - self._clock()))
            try:
                await self._probe(endpoint)
            except (PathFault, RayAuth) as error:
                good = 0
                endpoint.failures += 1
                self._schedule(endpoint)
                # Refused credentials are an answer, but no reason to take traffic from an endpoint that works.
                if isinstance(error, PathFault):
                    self.set_down(endpoint, error)
            else:
                good += 1
                endpoint.failures = 0
                if good == 2 or self._clock() - endpoint.down_since < BLIP_S:
                    self.set_up(endpoint)
                    return
                self._schedule(endpoint)
