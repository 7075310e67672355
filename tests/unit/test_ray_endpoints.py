from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import TYPE_CHECKING, Literal

import pytest

from raylane_common.errors import RayAuth
from raylane_common.ray.addresses import Address
from raylane_common.ray.answers import Answer, FaultKind, PathFault
from raylane_common.ray.endpoints import Endpoints
from raylane_common.ray.health import Endpoint, Health
from raylane_common.ray.models import EndpointState
from raylane_common.ray.observe import Happening, RayCounters
from raylane_common.ray.probing import VERSION, Pin, Prober, Timing
from raylane_common.ray.transport import Request, Transport
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import JsonValue

UP, DOWN, UNKNOWN = EndpointState.UP, EndpointState.DOWN, EndpointState.UNKNOWN
REFUSED = PathFault(FaultKind.CONNECT, "no connection: Connection refused")
RESET = PathFault(FaultKind.LOST, "connection lost")


class World(Transport):
    """What each address answers when it is asked for its version, and a clock that only the test moves.

    An address answers with a session name, "" for a head without one, raises an exception, or is silent (None).
    """

    def __init__(
        self,
        *,
        insecure_cluster: Literal["warn", "refuse"] = "warn",
        pin: Pin | None = None,
        **answers: str | Exception | None,
    ) -> None:
        super().__init__()
        self.pin = pin or Pin()
        self.answers = dict(answers)
        self.ray_version = "2.60.0"
        self.counters = RayCounters()
        self.asked: Counter[str] = Counter()
        self.now_s = 1000.0
        self.sleeps: list[float] = []
        self._wakers: list[asyncio.Future[None]] = []
        timing = Timing(now_s=lambda: self.now_s, chance=lambda: 0.0, sleep=self.sleep)
        prober = Prober(self, self.counters, self.pin, refuse_insecure=insecure_cluster == "refuse", timing=timing)
        endpoints = [Endpoint(Address(name, f"http://user:secret@{name}.invalid:8265")) for name in answers]
        health = Health(endpoints, prober, self.counters, reprobe_min_s=4, reprobe_max_s=30, timing=timing)
        self.endpoints = Endpoints(health, self.counters, head_start_s=0.02)

    async def send(self, address: Address, request: Request, limit: asyncio.Timeout) -> Answer:
        assert request is VERSION
        self.asked[address.name] += 1
        answer = self.answers[address.name]
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        version: JsonValue = {"ray_version": self.ray_version, "session_name": answer or None}
        return Answer(endpoint=address.name, status=200, body=b"", data=version)

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        waker = asyncio.get_running_loop().create_future()
        self._wakers.append(waker)
        await waker

    async def wake(self, *, after_s: float | None = None) -> None:
        """Moves the clock, by default to the end of the sleep, and waits until the sleeper sleeps again or is done."""
        await until(lambda: bool(self._wakers))
        sleepers, self._wakers = self._wakers, []
        self.now_s += self.sleeps[-1] if after_s is None else after_s
        before = len(self.sleeps)
        for waker in sleepers:
            waker.set_result(None)
        await until(lambda: len(self.sleeps) > before or not any(e.is_down for e in self.endpoints.all))

    def wake_all(self) -> None:
        """Ends every sleep, without waiting for what follows."""
        for waker in self._wakers:
            if not waker.done():
                waker.set_result(None)

    async def choose(self) -> str | None:
        chosen = await self.endpoints.choose({}, 5)
        return chosen.name if chosen else None

    def states(self) -> list[EndpointState]:
        return [report.state for report in self.endpoints.health.reports()]


@pytest.fixture
async def worlds() -> AsyncIterator[list[World]]:
    made: list[World] = []
    yield made
    for world in made:
        await world.endpoints.aclose()
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def world(worlds: list[World]) -> type[World]:
    class Kept(World):
        def __init__(
            self,
            *,
            insecure_cluster: Literal["warn", "refuse"] = "warn",
            pin: Pin | None = None,
            **answers: str | Exception | None,
        ) -> None:
            super().__init__(insecure_cluster=insecure_cluster, pin=pin, **answers)
            worlds.append(self)

    return Kept


async def test_while_private_answers_public_is_not_probed(world: type[World]) -> None:
    both = world(private="s", public="s")
    assert await both.choose() == "private"
    assert (both.states(), both.asked["public"]) == ([UP, UNKNOWN], 0)


async def test_a_private_address_that_is_silent_for_its_head_start_is_down(
    world: type[World], caplog: pytest.LogCaptureFixture
) -> None:
    silent = world(private=None, public="s")
    assert await silent.choose() == "public"
    assert silent.states() == [DOWN, UP]
    [line] = caplog.records
    assert line.levelno == logging.WARNING
    assert "private (http://private.invalid:8265) is down: no answer within 0.02 s; next probe in 4.0 s" in line.message
    report = silent.endpoints.health.reports()[0]
    assert (report.url, report.next_probe_in_s) == ("http://private.invalid:8265", 4.0)


async def test_many_cold_callers_share_one_probe(world: type[World]) -> None:
    silent = world(private=None, public="s")
    assert await asyncio.gather(*(silent.choose() for _ in range(50))) == ["public"] * 50
    assert silent.asked == {"private": 1, "public": 1}


async def test_a_cancelled_caller_does_not_cancel_the_shared_probe(world: type[World]) -> None:
    silent = world(private=None, public="s")
    first = asyncio.create_task(silent.choose())
    await until(lambda: silent.asked["private"] == 1)
    second = asyncio.create_task(silent.choose())
    first.cancel()
    assert await second == "public"
    assert silent.asked["private"] == 1
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_when_no_endpoint_answers_only_certain_faults_put_one_down(world: type[World]) -> None:
    dead = world(private=RESET, public=REFUSED)
    faults: dict[str, PathFault] = {}
    assert await dead.endpoints.choose(faults, 5) is None
    assert {name: fault.reason for name, fault in faults.items()} == {
        "private": "connection lost",
        "public": "no connection: Connection refused",
    }
    assert dead.states() == [UNKNOWN, DOWN]


async def test_a_deadline_ends_the_wait_for_a_probe(world: type[World]) -> None:
    silent = world(private=None, public=None)
    faults: dict[str, PathFault] = {}
    assert await silent.endpoints.choose(faults, 0.03) is None
    assert set(faults) == {"private", "public"}


async def test_an_endpoint_with_a_fault_is_not_chosen_again_for_the_same_call(world: type[World]) -> None:
    both = world(private="s", public="s")
    chosen = await both.endpoints.choose({"private": RESET}, 5)
    assert chosen is not None
    assert chosen.name == "public"
    assert await both.endpoints.choose({"private": RESET, "public": RESET}, 5) is None


async def test_a_lost_answer_puts_an_endpoint_down_only_when_another_one_answered(world: type[World]) -> None:
    both = world(private="s", public="s")
    private = await both.endpoints.choose({}, 5)
    assert private is not None
    both.endpoints.health.failed(private, RESET)
    assert both.states()[0] is UP
    both.endpoints.health.outlived({"private": RESET})
    assert both.states()[0] is DOWN


async def test_if_all_are_down_all_are_tried(world: type[World]) -> None:
    dead = world(private=REFUSED, public=REFUSED)
    assert await dead.choose() is None
    assert dead.states() == [DOWN, DOWN]
    dead.answers["public"] = "s"
    assert await dead.choose() == "public"
    assert dead.states() == [DOWN, UP]


async def test_two_good_answers_of_the_background_probe_bring_an_endpoint_up(
    world: type[World], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    back = world(private=REFUSED, public="s")
    assert await back.choose() == "public"
    await back.wake()
    await back.wake()
    assert back.sleeps == [4, 8, 16]
    back.answers["private"] = "s"
    await back.wake()
    assert await back.choose() == "public"
    assert back.sleeps == [4, 8, 16, 4]
    await back.wake()
    assert await back.choose() == "private"
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "private (http://private.invalid:8265) is up again after 32.0 s" in caplog.text


async def test_one_good_answer_suffices_after_a_short_failure(world: type[World]) -> None:
    blip = world(private=REFUSED, public="s")
    assert await blip.choose() == "public"
    blip.answers["private"] = "s"
    await blip.wake(after_s=1.9)
    assert await blip.choose() == "private"


async def test_a_good_answer_followed_by_a_bad_one_does_not_count(world: type[World]) -> None:
    flapping = world(private=REFUSED, public="s")
    await flapping.choose()
    for answer in ("s", REFUSED, "s"):
        flapping.answers["private"] = answer
        await flapping.wake()
        assert await flapping.choose() == "public"
    await flapping.wake()
    assert await flapping.choose() == "private"


async def test_an_endpoint_of_another_cluster_is_refused(world: type[World], caplog: pytest.LogCaptureFixture) -> None:
    mixed = world(private="ours", public="theirs")
    assert await mixed.choose() == "private"
    faults = {"private": RESET}
    assert await mixed.endpoints.choose(faults, 5) is None
    assert faults["public"].kind is FaultKind.WRONG_CLUSTER
    assert mixed.states() == [UP, DOWN]
    [line] = caplog.records
    assert (line.levelno, "WrongCluster: answered for theirs" in line.message) == (logging.ERROR, True)
    await mixed.wake()
    assert mixed.states() == [UP, DOWN]
    assert len(caplog.records) == 1


async def test_another_cluster_found_by_the_background_probe_is_logged_once(
    world: type[World], caplog: pytest.LogCaptureFixture
) -> None:
    mixed = world(private=None, public="ours")
    assert await mixed.choose() == "public"
    mixed.answers["private"] = "theirs"
    await mixed.wake()
    await mixed.wake()
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert await mixed.choose() == "public"


async def test_a_restarted_head_is_accepted_when_its_addresses_agree(
    world: type[World], caplog: pytest.LogCaptureFixture
) -> None:
    both = world(private="old", public="old")
    assert await both.choose() == "private"
    assert await both.endpoints.choose({"private": RESET}, 5) is not None
    both.endpoints.health.failed(both.endpoints.all[0], REFUSED)
    both.answers = {"private": "new", "public": "new"}
    await both.wake()
    await both.wake()
    assert both.states() == [UP, UP]
    assert "the Ray head was restarted: old is now new" in caplog.text


async def test_a_restarted_head_is_accepted_from_the_address_that_led_to_it_before(world: type[World]) -> None:
    both = world(private="old", public=REFUSED)
    assert await both.choose() == "private"
    both.endpoints.health.failed(both.endpoints.all[0], REFUSED)
    both.answers["private"] = "new"
    assert await both.choose() == "private"


async def test_a_cluster_without_a_session_name_is_accepted(world: type[World]) -> None:
    nameless = world(private="", public="s")
    assert await nameless.choose() == "private"
    assert await nameless.endpoints.choose({"private": RESET}, 5) is not None


async def test_a_head_that_names_no_session_does_not_pass_for_a_cluster_that_does(world: type[World]) -> None:
    mixed = world(private="ours", public="")
    assert await mixed.choose() == "private"
    faults = {"private": RESET}
    assert await mixed.endpoints.choose(faults, 5) is None
    assert faults["public"].kind is FaultKind.WRONG_CLUSTER


async def test_new_addresses_do_not_vouch_for_each_other(world: type[World]) -> None:
    before = world(private="ours", public="ours")
    assert await before.choose() == "private"
    moved = world(pin=before.pin, first="theirs", second="theirs")
    assert await moved.choose() is None
    assert moved.states() == [DOWN, DOWN]


async def test_a_restarted_head_is_accepted_after_a_change_of_other_settings(world: type[World]) -> None:
    before = world(private="ours")
    assert await before.choose() == "private"
    after = world(pin=before.pin, private="restarted", public="restarted")
    assert await after.endpoints.choose({"private": RESET}, 5) is not None, "private vouches for public"


async def test_a_refused_token_is_not_shown_to_the_next_endpoint(world: type[World]) -> None:
    locked = world(private=RayAuth("no token"), public="s")
    with pytest.raises(RayAuth):
        await locked.choose()
    assert (locked.states(), locked.asked["public"]) == ([UP, UNKNOWN], 0)


async def test_a_refused_token_does_not_bring_an_endpoint_up(world: type[World]) -> None:
    back = world(private=REFUSED, public="s")
    assert await back.choose() == "public"
    back.answers["private"] = RayAuth("no token")
    await back.wake()
    await back.wake()
    assert await back.choose() == "public"


async def test_usable_endpoints_share_the_remaining_time(world: type[World]) -> None:
    both = world(private="s", public="s")
    assert both.endpoints.share_s({}, 10) == 5
    assert both.endpoints.share_s({"private": RESET}, 10) == 10
    both.endpoints.health.failed(both.endpoints.all[1], REFUSED)
    assert both.endpoints.share_s({}, 10) == 10


async def test_the_path_of_a_late_answer_is_probed(world: type[World]) -> None:
    both = world(private="s", public="s")
    assert await both.choose() == "private"
    both.answers["private"] = None
    dead = asyncio.Event()
    watches = [both.endpoints.watch(both.endpoints.all[0], dead.set) for _ in range(20)]
    await asyncio.wait_for(dead.wait(), 5)
    assert both.states() == [DOWN, UP]
    assert (both.asked["private"], both.asked["public"]) == (2, 1), "all callers share the probes"
    for watch in watches:
        assert watch is not None
        watch.close()


async def test_a_path_that_answers_is_probed_at_growing_intervals(world: type[World]) -> None:
    both = world(private="s", public="s")
    assert await both.choose() == "private"
    watch = both.endpoints.watch(both.endpoints.all[0], lambda: pytest.fail("it answers"))
    assert watch is not None
    await until(lambda: both.asked["private"] >= 4)
    watch.close()
    assert both.states() == [UP, UNKNOWN]
    assert both.counters.counts[Happening("doubt", "private")] == both.asked["private"] - 1


async def test_when_no_path_answers_no_endpoint_is_put_down(world: type[World]) -> None:
    both = world(private="s", public="s")
    assert await both.choose() == "private"
    both.answers = {"private": RESET, "public": RESET}
    watch = both.endpoints.watch(both.endpoints.all[0], lambda: pytest.fail("Ray is silent, not the path"))
    assert watch is not None
    await until(lambda: both.asked["public"] >= 2)
    watch.close()
    assert both.states() == [UP, UNKNOWN]


async def test_a_single_address_is_never_doubted(world: type[World]) -> None:
    alone = world(private="s")
    assert alone.endpoints.watch(alone.endpoints.all[0], lambda: None) is None


async def test_an_insecure_cluster_is_logged_once_or_refused(
    world: type[World], caplog: pytest.LogCaptureFixture
) -> None:
    old = world(private="s")
    old.ray_version = "2.40.0"
    assert await old.choose() == "private"
    old.endpoints.health.set_down(old.endpoints.all[0], REFUSED)
    assert await old.choose() == "private"
    [line] = [record for record in caplog.records if "insecure" in record.message]
    assert "Ray 2.40.0 has known vulnerabilities" in line.message

    strict = world(insecure_cluster="refuse", private="s")
    strict.ray_version = "2.40.0"
    faults: dict[str, PathFault] = {}
    assert await strict.endpoints.choose(faults, 5) is None
    assert faults["private"].kind is FaultKind.INSECURE
    assert strict.states() == [DOWN]


async def test_a_path_that_comes_and_goes_writes_few_lines_and_the_last_state(
    world: type[World], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    flapping = world(private="s", public="s")
    health, private = flapping.endpoints.health, flapping.endpoints.all[0]
    for _ in range(50):
        health.set_down(private, REFUSED)
        health.set_up(private)
        flapping.now_s += 0.5
    health.set_down(private, REFUSED)
    assert len(caplog.records) == 6, "a line per change"
    await until(lambda: 60.0 in flapping.sleeps)
    flapping.wake_all()
    await until(lambda: len(caplog.records) == 7)
    assert caplog.records[-1].message == (
        "Ray endpoint private (http://private.invalid:8265) is now down: no connection: Connection refused, "
        "after 95 more changes within a minute"
    )
    flapping.now_s += 60
    health.set_up(private)
    health.set_down(private, REFUSED)
    assert "is down: no connection" in caplog.records[-1].message, "the next change has a line again"


async def test_a_proxy_that_asks_for_a_longer_pause_is_not_probed_before(world: type[World]) -> None:
    busy = world(private=PathFault(FaultKind.NOT_RAY, "answered 429", retry_after_s=20), public="s")
    assert await busy.choose() == "public"
    assert busy.endpoints.health.reports()[0].next_probe_in_s == 20.0
    busy.answers["private"] = PathFault(FaultKind.NOT_RAY, "answered 429", retry_after_s=3600)
    await busy.wake()
    assert busy.endpoints.health.reports()[0].next_probe_in_s == 30.0
