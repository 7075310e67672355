"""The addresses of one Ray cluster: which to use now.

An endpoint carries requests only after a probe (`GET /api/version`) found our cluster behind it. Callers share the
probes that they need; once an endpoint is down, a task of its own looks after it and no caller waits for it again.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RayAuth
from raylane_common.ray.answers import FaultKind, PathFault
from raylane_common.ray.health import Ambient, Health, OwnedTasks
from raylane_common.ray.models import EndpointReport, EndpointState
from raylane_common.ray.security import weaknesses

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from raylane_common.ray.health import Endpoint
    from raylane_common.ray.models import RayVersion
    from raylane_common.ray.observe import RayObserver
    from raylane_common.ray.settings import RaySettings

PROBE_TIMEOUT_S: Final = 3.0
LONGEST_TRUST_S: Final = 10.0

logger = logging.getLogger("raylane.ray")


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a race ended: with a winner, or a refusal of the credentials, or faults alone."""

    faults: Mapping[str, PathFault]
    winner: Endpoint | None = None
    refusal: RayAuth | None = None


class Endpoints:
    """Chooses among endpoints in order of preference.

    `ask(endpoint, timeout_s)` fetches the version from one endpoint, or raises `PathFault` or `RayAuth`.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        ask: Callable[[Endpoint, float], Awaitable[RayVersion]],
        settings: RaySettings,
        observer: RayObserver,
        ambient: Ambient | None = None,
    ) -> None:
        ambient = ambient or Ambient()
        self._observer = observer
        self._refuse_insecure = settings.insecure_cluster == "refuse"
        self.all = tuple(endpoints)
        self._ask = ask
        self._head_start_s = settings.failover_delay_s
        self._clock = ambient.clock
        self._tasks = OwnedTasks()
        self.health = Health(self.all, self._probe, settings, self._tasks, ambient, observer)
        self._session_name: str | None = None
        self._races: dict[tuple[Endpoint, ...], asyncio.Task[_Outcome]] = {}

    async def choose(self, faults: dict[str, PathFault], timeout_s: float) -> Endpoint | None:
        """The endpoint to use now, of those not in `faults`; None if none answers within `timeout_s`.

        That is the first one that is up. If none is, those of unknown state are probed before those that are down,
        and what the probes ran into is added to `faults`. Raises `RayAuth` if a probe's credentials were refused.
        """
        left = [endpoint for endpoint in self.all if endpoint.name not in faults]
        for endpoint in left:
            if endpoint.state is EndpointState.UP:
                return endpoint
        if not left:
            return None
        candidates = tuple(sorted(left, key=lambda endpoint: endpoint.is_down))
        race = self._shared_race(candidates)
        await asyncio.wait({race}, timeout=timeout_s)
        if not race.done() or race.cancelled():
            faults.update((endpoint.name, _silent(timeout_s)) for endpoint in left)
            return None
        outcome = race.result()
        faults.update(outcome.faults)
        if outcome.refusal is not None:
            raise RayAuth(outcome.refusal.message, details=outcome.refusal.details)
        return outcome.winner

    def watch(self, endpoint: Endpoint, on_dead: Callable[[], None]) -> Watch | None:
        """Looks after a request that was sent to an endpoint: `on_dead` is called once the path turns out to be broken.

        None where there is no other endpoint to turn to. Close it when the answer has come.
        """
        return Watch(self, endpoint, self._head_start_s, on_dead) if len(self.all) > 1 else None

    def doubt(self, endpoint: Endpoint) -> asyncio.Task[_Outcome]:
        """Asks an endpoint that is silent, and soon the others: it is down if one of them answers and it does not.

        If nobody answers then it is Ray that is silent, and nothing changes. Callers in doubt share the probes.
        """
        self._observer.happened("doubt", endpoint.name)
        others = sorted((other for other in self.all if other is not endpoint), key=lambda other: other.is_down)
        return self._shared_race((endpoint, *others))

    async def make_sure(self) -> None:
        """Asks the endpoint in use who it is, unless it was asked a moment ago: an address may come to lead elsewhere.

        One that leads to another cluster is down then.
        """
        endpoint = next((endpoint for endpoint in self.all if endpoint.state is EndpointState.UP), None)
        if endpoint is None or self._clock() - endpoint.identified_at < LONGEST_TRUST_S:
            return
        try:
            await self._probe(endpoint)
        except PathFault as fault:
            self.health.failed(endpoint, fault)
        except RayAuth:
            # It answered; the request that follows will hear the same, and say so.
            pass

    def share_s(self, faults: Mapping[str, PathFault], left_s: float) -> float:
        """How much of the seconds left one attempt may take, so that each usable endpoint gets its turn."""
        usable = sum(1 for endpoint in self.all if not endpoint.is_down and endpoint.name not in faults)
        return left_s / max(1, usable)

    def reports(self) -> tuple[EndpointReport, ...]:
        """Every endpoint as it stands now."""
        now = self._clock()
        return tuple(endpoint.report(now) for endpoint in self.all)

    async def aclose(self) -> None:
        """Ends every probe."""
        await self._tasks.aclose()

    def _shared_race(self, candidates: tuple[Endpoint, ...]) -> asyncio.Task[_Outcome]:
        race = self._races.get(candidates)
        if race is None:
            race = self._races[candidates] = self._tasks.start(self._race(candidates))
            race.add_done_callback(lambda _: self._races.pop(candidates, None))
        return race

    async def _race(self, candidates: Sequence[Endpoint]) -> _Outcome:
        waiting = list(candidates)
        running: dict[asyncio.Task[None], Endpoint] = {}
        faults: dict[str, PathFault] = {}
        try:
            while waiting or running:
                if waiting:
                    endpoint = waiting.pop(0)
                    running[asyncio.create_task(self._probe(endpoint))] = endpoint
                head_start = self._head_start_s if waiting else None
                await asyncio.wait(running, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task.done()]:
                    endpoint = running.pop(task)
                    refusal = None
                    try:
                        task.result()
                    except PathFault as fault:
                        faults[endpoint.name] = fault
                        self.health.failed(endpoint, fault)
                        continue
                    except RayAuth as error:
                        refusal = error
                    # Endpoints are raced in order, so what still runs before the winner had its head start.
                    for late in running.values():
                        if candidates.index(late) < candidates.index(endpoint):
                            faults[late.name] = _silent(self._head_start_s)
                    self.health.outlived(faults)
                    self.health.set_up(endpoint)
                    return _Outcome(faults, winner=endpoint, refusal=refusal)
            return _Outcome(faults)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _probe(self, endpoint: Endpoint) -> None:
        """Returns if our cluster answers; raises `PathFault` or `RayAuth`."""
        started = self._clock()
        self._observer.happened("probe", endpoint.name)
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                await self._identify(endpoint, await self._ask(endpoint, PROBE_TIMEOUT_S))
            endpoint.identified_at = self._clock()
            return
        except PathFault as error:
            fault = error
        except TimeoutError:
            fault = _silent(PROBE_TIMEOUT_S)
        fault.elapsed_s = self._clock() - started
        raise fault

    async def _identify(self, endpoint: Endpoint, version: RayVersion) -> None:
        seen, pinned = version.session_name, self._session_name
        if seen is None:
            self._inspect(endpoint, version)
            return
        if pinned is not None and seen != pinned:
            if not await self._is_restart(endpoint, seen, pinned):
                raise PathFault(
                    FaultKind.WRONG_CLUSTER,
                    f"WrongCluster: answered for {seen}, but the cluster first seen is {pinned}",
                )
            logger.warning("the Ray head was restarted: %s is now %s; its former jobs are gone", pinned, seen)
        if endpoint.session_name != seen:
            self._inspect(endpoint, version)
        self._session_name = endpoint.session_name = seen

    def _inspect(self, endpoint: Endpoint, version: RayVersion) -> None:
        for weakness in weaknesses(endpoint.address, version):
            if self._refuse_insecure:
                raise PathFault(FaultKind.INSECURE, f"refused (ray.insecure_cluster): {weakness}")
            logger.warning("Ray endpoint %s (%s) is insecure: %s", endpoint.name, endpoint.shown_url, weakness)

    async def _is_restart(self, endpoint: Endpoint, seen: str, pinned: str) -> bool:
        for other in self.all:
            if other is endpoint or other.is_down:
                continue
            try:
                version = await self._ask(other, PROBE_TIMEOUT_S)
            except (PathFault, RayAuth):
                continue
            if version.session_name in (seen, pinned):
                return version.session_name == seen
        # Nobody else to ask: an address that led to our cluster before is believed, a new one is not.
        return endpoint.session_name == pinned


def _silent(waited_s: float) -> PathFault:
    return PathFault(FaultKind.LOST, f"no answer within {waited_s:.3g} s", elapsed_s=waited_s)


class Watch:
    """One request under way. Its path is doubted when no answer has come for a while, then ever more rarely.

    The least often every ten seconds, since a log that is followed may be silent for hours.
    """

    def __init__(self, endpoints: Endpoints, endpoint: Endpoint, delay_s: float, on_dead: Callable[[], None]) -> None:
        self._endpoints = endpoints
        self._endpoint = endpoint
        self._delay_s = delay_s
        self._on_dead = on_dead
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(delay_s, self._doubt)
        self._closed = False

    def close(self) -> None:
        """The request has ended."""
        self._closed = True
        self._timer.cancel()

    def _doubt(self) -> None:
        if self._endpoint.is_down:
            self._on_dead()
            return
        self._endpoints.doubt(self._endpoint).add_done_callback(self._judged)

    def _judged(self, _: object) -> None:
        if self._closed:
            return
        if self._endpoint.is_down:
            self._on_dead()
            return
        self._delay_s = min(2 * self._delay_s, LONGEST_TRUST_S)
        self._timer = self._loop.call_later(self._delay_s, self._doubt)
