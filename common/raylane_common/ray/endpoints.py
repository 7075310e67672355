"""Chooses the endpoint that a request goes to, and notices when the path of a request under way is broken.

An endpoint carries requests only after a probe found our cluster behind it. Callers share the probes that they need.
See docs/decisions/0007.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.backoff import Backoff
from raylane_common.errors import RayAuth
from raylane_common.ray.answers import PathFault, no_answer
from raylane_common.ray.models import EndpointState
from raylane_common.ray.tasks import BackgroundTasks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from raylane_common.ray.health import Endpoint, Health
    from raylane_common.ray.observe import RayObserver

# A log that is followed may be silent for hours; its path is probed at least this often.
LONGEST_DOUBT_PAUSE_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How a race of probes ended: a winner, whose refusal of the token may be attached, or faults alone."""

    faults: Mapping[str, PathFault]
    winner: Endpoint | None = None
    refusal: RayAuth | None = None


class Endpoints:
    """The endpoints of one cluster in order of preference."""

    def __init__(self, health: Health, observer: RayObserver, *, head_start_s: float) -> None:
        """`head_start_s`: how long a preferred endpoint may take to answer before the next one is probed as well."""
        self.health = health
        self.all = health.endpoints
        self._observer = observer
        self._head_start_s = head_start_s
        self._tasks = BackgroundTasks()
        self._races: dict[tuple[Endpoint, ...], asyncio.Task[_Outcome]] = {}

    async def choose(self, faults: dict[str, PathFault], timeout_s: float) -> Endpoint | None:
        """Returns the endpoint to use now, of those not in `faults`; None if none answers within `timeout_s`.

        That is the first one that is up. If none is, those of unknown state are probed before those that are down,
        and the faults of the probes are added to `faults`. Raises `RayAuth` if a probe's token was refused.
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
            faults.update((endpoint.name, no_answer(timeout_s)) for endpoint in left)
            return None
        outcome = race.result()
        faults.update(outcome.faults)
        if outcome.refusal is not None:
            raise RayAuth(outcome.refusal.message, details=outcome.refusal.details)
        return outcome.winner

    def watch(self, endpoint: Endpoint, on_broken: Callable[[], None]) -> Watch | None:
        """Watches a request that was sent to an endpoint: `on_broken` is called once its path turns out to be broken.

        Returns None if there is no other endpoint to move to. Close the watch when the request has ended.
        """
        return Watch(self, endpoint, self._head_start_s, on_broken) if len(self.all) > 1 else None

    def doubt(self, endpoint: Endpoint) -> asyncio.Task[_Outcome]:
        """Finds out whether a late answer is due to the path or to Ray: probes the endpoint, then the others.

        If another endpoint answers and this one does not, this one is down. If none answers, Ray itself is silent and
        no endpoint changes. Callers in doubt share the probes.
        """
        self._observer.happened("doubt", endpoint.name)
        others = sorted((other for other in self.all if other is not endpoint), key=lambda other: other.is_down)
        return self._shared_race((endpoint, *others))

    @property
    def session_name(self) -> str | None:
        """The session of our cluster; None if no address of these has been asked yet, or if Ray does not name it."""
        is_known = any(endpoint.state is not EndpointState.UNKNOWN for endpoint in self.all)
        return self.health.session_name if is_known else None

    async def confirm_identity(self) -> None:
        """Probes the endpoint in use unless it identified itself a moment ago: its address may have moved elsewhere.

        An endpoint of another cluster is down afterwards.
        """
        endpoint = next((endpoint for endpoint in self.all if endpoint.state is EndpointState.UP), None)
        if endpoint is not None:
            await self.health.confirm_identity(endpoint)

    def share_s(self, faults: Mapping[str, PathFault], left_s: float) -> float:
        """Returns the seconds that one try may take of `left_s`, so that each usable endpoint gets its turn."""
        usable = sum(1 for endpoint in self.all if not endpoint.is_down and endpoint.name not in faults)
        return left_s / max(1, usable)

    async def aclose(self) -> None:
        """Ends every probe."""
        await self._tasks.aclose()
        await self.health.aclose()

    def _shared_race(self, candidates: tuple[Endpoint, ...]) -> asyncio.Task[_Outcome]:
        # A hundred callers that know nothing yet open one connection to a dead address, not a hundred.
        race = self._races.get(candidates)
        if race is None:
            race = self._races[candidates] = self._tasks.start(self._race(candidates))
            race.add_done_callback(lambda _: self._races.pop(candidates, None))
        return race

    async def _race(self, candidates: Sequence[Endpoint]) -> _Outcome:
        """Probes the candidates one after the other, each with a head start, until the first one answers.

        Probes are raced and requests are not: a probe is harmless to repeat, a submission is not.
        """
        waiting = list(candidates)
        running: dict[asyncio.Task[None], Endpoint] = {}
        faults: dict[str, PathFault] = {}
        try:
            while waiting or running:
                # One more candidate enters for each head start that has passed, and for each probe that has failed:
                # a refused connection must not cost its successor the rest of the head start.
                if waiting:
                    endpoint = waiting.pop(0)
                    running[asyncio.create_task(self.health.probe(endpoint))] = endpoint
                head_start_s = self._head_start_s if waiting else None
                await asyncio.wait(running, timeout=head_start_s, return_when=asyncio.FIRST_COMPLETED)
                for task in [task for task in running if task.done()]:
                    endpoint = running.pop(task)
                    refusal = None
                    try:
                        task.result()
                    except PathFault as fault:
                        # Puts it down only if the path is certainly at fault. A lost answer or a 502 may be Ray's own
                        # failure, which every address would show; `outlived` below decides once another one answers.
                        faults[endpoint.name] = fault
                        self.health.failed(endpoint, fault)
                        continue
                    except RayAuth as error:
                        # A refused token proves that the path works. The race ends here: probing on would show the
                        # token to further addresses.
                        refusal = error
                    # Candidates start in order, so each one before the winner had at least its head start and did not
                    # answer in it. Those after the winner had less, and are not judged.
                    for late in running.values():
                        if candidates.index(late) < candidates.index(endpoint):
                            faults[late.name] = no_answer(self._head_start_s)
                    self.health.outlived(faults)
                    self.health.set_up(endpoint)
                    return _Outcome(faults, winner=endpoint, refusal=refusal)
            # Nobody answered: Ray itself may be down, so endpoints that are not certainly at fault keep their state.
            return _Outcome(faults)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


class Watch:
    """Doubts the path of one request while no answer comes: after a head start first, then at doubling intervals."""

    def __init__(
        self, endpoints: Endpoints, endpoint: Endpoint, head_start_s: float, on_broken: Callable[[], None]
    ) -> None:
        self._endpoints = endpoints
        self._endpoint = endpoint
        self._pauses = Backoff(head_start_s, max(head_start_s, LONGEST_DOUBT_PAUSE_S))
        self._on_broken = on_broken
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._pauses.next_s(), self._doubt)
        self._closed = False

    def close(self) -> None:
        """Ends the watch."""
        self._closed = True
        self._timer.cancel()

    def _doubt(self) -> None:
        if self._endpoint.is_down:
            self._on_broken()
            return
        self._endpoints.doubt(self._endpoint).add_done_callback(self._judge)

    def _judge(self, _: object) -> None:
        if self._closed:
            return
        if self._endpoint.is_down:
            self._on_broken()
            return
        self._timer = self._loop.call_later(self._pauses.next_s(), self._doubt)
