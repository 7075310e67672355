"""Whatever is lost or late on the path to Ray, there is at most one run, and the error says what is certain.

`tests/integration/test_ray_client_submit.py` covers what is lost at once. Here requests also take effect late, after
the caller has moved to another address or given up, and addresses are silent or away for a while.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import pytest
from aiohttp import web
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from raylane.testing import Address, Break, FakeRay
from raylane_common.errors import RayError, RayUnreachable, SubmitOutcomeUnknown
from raylane_common.ray import submission
from raylane_common.ray.client import RayClient
from raylane_common.ray.package import build_package
from raylane_common.ray.settings import RaySettings
from tests.helpers.profiles import by_profile
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from raylane_common.ray.models import Submission

EXAMPLES: Final = by_profile(fast=10, ci=40, deep=600)  # each waits for real timeouts
TIME_LIMIT_S: Final = 30.0
RUN: Final = "rl-a-1"
PACKAGE: Final = build_package({"main.py": "print(1)"})
METADATA: Final = {"raylane_job_id": "a"}
SHORT_TIMEOUTS: Final = {
    "request_timeout_s": 0.15,
    "submit_timeout_s": 0.5,
    "failover_delay_s": 0.03,
    "connect_timeout_s": 0.1,
}
# Shorter than the client's pauses, than its head start, than its deadlines, and longer than all of them.
DELAYS_S: Final = (0.002, 0.05, 0.2, 0.7)
REACH_RAY: Final = (Break.CUT_AFTER, Break.CUT_IN_BODY, Break.GATEWAY_AFTER)


class Meanwhile(StrEnum):
    """What the client sees until Ray handles the request."""

    NOTHING = "nothing"
    CUT = "connection cut"
    GATEWAY = "504 instead of Ray's answer"


@dataclass(frozen=True)
class Late:
    """Ray handles the request after a while, even if the connection is gone by then."""

    after_s: float
    meanwhile: Meanwhile


@dataclass(frozen=True)
class Away:
    """Connections are closed and new ones refused for a while. `handled`: Ray has handled the request before."""

    for_s: float
    handled: bool


Turn = Break | Late | Away | None


@dataclass
class Front(FakeRay):
    """One address' view of the cluster `behind` it: each request that arrives takes the next of `turns`."""

    behind: FakeRay = field(default_factory=FakeRay)
    turns: deque[Late | Away | None] = field(default_factory=deque)
    be_away: Callable[[float], None] | None = None
    late: set[asyncio.Task[web.StreamResponse]] = field(default_factory=set)

    def application(self) -> web.Application:
        app = self.behind.application()
        app.middlewares.append(self._pass)
        return app

    @web.middleware
    async def _pass(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        match self.turns.popleft() if self.turns else None:
            case None:
                return await handler(request)
            case Away(for_s=for_s, handled=handled):
                answer = await handler(request) if handled else _cut(request)
                if self.be_away is not None:
                    self.be_away(for_s)
                return answer
            case Late(after_s=after_s, meanwhile=meanwhile):
                await request.read()

                async def act() -> web.StreamResponse:
                    await asyncio.sleep(after_s)
                    return await handler(request)

                acting = asyncio.create_task(act())
                self.late.add(acting)
                match meanwhile:
                    case Meanwhile.NOTHING:
                        return await asyncio.shield(acting)
                    case Meanwhile.CUT:
                        return _cut(request)
                    case Meanwhile.GATEWAY:
                        return web.Response(status=504, text="upstream request timeout")


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


class Way:
    """One address of a cluster, with the fate of each request."""

    def __init__(self, ray: FakeRay) -> None:
        self.front = Front(behind=ray, be_away=self._be_away)
        self.address = Address(self.front)
        self._coming_back: asyncio.Task[None] | None = None

    def break_in_turn(self, turns: Sequence[Turn]) -> None:
        """Sets the fate of each of the next requests."""
        self.address.break_in_turn([turn if isinstance(turn, Break) else None for turn in turns])
        for turn in turns:
            if not isinstance(turn, Break):
                self.front.turns.append(turn)
            elif turn in REACH_RAY:
                self.front.turns.append(None)

    async def heal(self) -> None:
        """Repairs the address, except for requests that are under way."""
        self.address.break_with(None)
        self.front.turns.clear()
        if self._coming_back is not None:
            await self._coming_back

    async def settle(self) -> None:
        """Returns once Ray has handled every request that arrived here."""
        await asyncio.gather(*self.front.late)

    def _be_away(self, for_s: float) -> None:
        async def go_and_come_back() -> None:
            await self.address.close()
            await asyncio.sleep(for_s)
            await self.address.open()

        if self._coming_back is None or self._coming_back.done():
            self._coming_back = asyncio.create_task(go_and_come_back())


@pytest.fixture(autouse=True)
def _nothing_is_left() -> None:
    """Replaces the check of the queue, which these tests do not use."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "_FIRST_PAUSE_S", 0.02)


async def submit(client: RayClient, *, ships_code: bool) -> Submission:
    return await client.submit(
        submission_id=RUN,
        entrypoint="python main.py",
        package=PACKAGE if ships_code else None,
        metadata=METADATA,
    )


def is_ours(ray: FakeRay, *, ships_code: bool) -> bool:
    """Whether the run is the one that was submitted, with its code."""
    job = ray.jobs[RUN]
    uri = {"working_dir": PACKAGE.uri} if ships_code else None
    return (job["entrypoint"], job["metadata"], job["runtime_env"] or None, job["status"]) == (
        "python main.py",
        METADATA,
        uri,
        "RUNNING",
    )


async def submit_again(client: RayClient, *, ships_code: bool) -> Submission:
    """Submits again until the outcome is known, as a caller with a retryable error may do."""
    async with asyncio.timeout(TIME_LIMIT_S):
        while True:
            try:
                return await submit(client, ships_code=ships_code)
            except RayError as error:
                if not error.retryable:
                    raise


LATE: Final = st.builds(Late, st.sampled_from(DELAYS_S), st.sampled_from(Meanwhile))
AWAY: Final = st.builds(Away, st.sampled_from((0.05, 0.3)), handled=st.booleans())
TURN: Final = st.one_of(st.none(), LATE, st.sampled_from(Break), AWAY)
# Different ones, or the same one each time.
TURNS: Final = st.one_of(st.lists(TURN, max_size=7), TURN.map(lambda turn: [turn] * 9))


async def _knows(client: RayClient) -> bool:
    """Whether the client has reached Ray; on a busy machine its short timeouts may not suffice at first."""
    try:
        await client.version()
    except RayUnreachable:
        return False
    return True


@pytest.mark.timeout(600)  # Hypothesis shrinks a failure before it shows it
@settings(max_examples=EXAMPLES, report_multiple_bugs=False)
@given(
    turns=st.lists(TURNS, min_size=1, max_size=2),
    ships_code=st.booleans(),
    # Whether the first turn is for the submission, and not for the probe before it.
    knows_ray=st.booleans(),
    # The next attempt of a job may be by another worker, and may start before the last request has arrived.
    is_other=st.booleans(),
    at_once=st.booleans(),
)
# Rarely drawn: the first request is still under way when no address is left for the second one.
@example(
    turns=[[Late(0.2, Meanwhile.CUT), Away(0.7, handled=True)]],
    ships_code=False,
    knows_ray=True,
    is_other=True,
    at_once=True,
)
# Both addresses lose their answers, and both requests take effect after the caller has given up.
@example(turns=[[Late(0.7, Meanwhile.NOTHING)] * 9] * 2, ships_code=True, knows_ray=True, is_other=False, at_once=True)
def test_whatever_is_lost_or_late_there_is_at_most_one_run_and_the_error_is_true(
    turns: list[list[Turn]], ships_code: bool, knows_ray: bool, is_other: bool, at_once: bool
) -> None:
    async def scenario() -> None:
        ray = FakeRay()
        async with asyncio.timeout(TIME_LIMIT_S), AsyncExitStack() as stack:
            ways = [Way(ray) for _ in turns]
            for way in ways:
                await stack.enter_async_context(way.address)
            names = ("private_url", "public_url")
            urls = dict(zip(names, (way.address.url for way in ways), strict=False))
            given_settings = RaySettings.model_validate({"reprobe_min_s": 60.0} | SHORT_TIMEOUTS | urls)
            client = await stack.enter_async_context(RayClient(given_settings))
            if knows_ray:
                await until(lambda: _knows(client))
            for way, its_turns in zip(ways, turns, strict=True):
                way.break_in_turn(its_turns)
            try:
                await submit(client, ships_code=ships_code)
            except RayUnreachable:
                event("unreachable")
                for way in ways:
                    await way.settle()
                assert ray.submissions == 0, "the error said that there is no run"
            except SubmitOutcomeUnknown as error:
                event("unknown")
                assert error.details["submission_id"] == RUN
                assert ray.submissions <= 1
            else:
                event("submitted")
                assert ray.submissions == 1
                assert is_ours(ray, ships_code=ships_code)

            for way in ways:
                await way.heal()
                if not at_once:
                    await way.settle()
            other = RayClient(RaySettings.model_validate(urls))
            stack.push_async_callback(other.aclose)
            assert (await submit_again(other if is_other else client, ships_code=ships_code)).submission_id == RUN
            for way in ways:
                await way.settle()
            assert ray.submissions == 1
            assert list(ray.jobs) == [RUN]
            assert is_ours(ray, ships_code=ships_code)

    asyncio.run(scenario())
