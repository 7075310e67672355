"""How often callers may ask, how much at once, and how often somebody may guess."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raylane.gateway.access.buckets import Bucket, Buckets
from raylane.gateway.access.caller import ANYONE, Caller
from raylane.gateway.access.failures import Failures, network_of
from raylane.gateway.access.limits import Limits
from raylane_common.errors import TooManyRequests
from raylane_common.settings import GatewaySettings
from tests.helpers.profiles import by_profile

ADA = Caller("ada", frozenset(), ())
BOB = Caller("bob", frozenset(), ())


class Clock:
    """The time in seconds, as a test says."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def limits(clock: Clock, **fields: int) -> Limits:
    none = {"requests_per_minute": 0, "requests_at_once": 0, "streams_at_once": 0}
    return Limits(GatewaySettings.model_validate(none | fields), clock)


def test_a_minutes_requests_may_come_at_once_and_then_one_by_one(clock: Clock) -> None:
    held = limits(clock, requests_per_minute=60)
    for _ in range(60):
        with held.serving(ADA):
            pass
    with pytest.raises(TooManyRequests, match="ada may make 60 requests in a minute") as caught, held.serving(ADA):
        pass
    assert caught.value.retry_after_s == 1
    with held.serving(BOB):
        pass
    clock.now_s += 1
    with held.serving(ADA):
        pass


def test_requests_at_once_are_counted_until_they_end(clock: Clock) -> None:
    held = limits(clock, requests_at_once=2)
    with held.serving(ADA), held.serving(BOB):
        with held.serving(ADA), pytest.raises(TooManyRequests, match="ada has 2 requests open"), held.serving(ADA):
            pass
        with held.serving(ADA):
            pass


def test_a_stream_is_no_longer_a_request_and_has_a_bound_of_its_own(clock: Clock) -> None:
    held = limits(clock, requests_at_once=1, streams_at_once=2)
    with ExitStack() as stack:
        for _ in range(2):
            is_stream = stack.enter_context(held.serving(ADA))
            is_stream()
            is_stream()
        with held.serving(ADA) as is_stream, pytest.raises(TooManyRequests, match="ada has 2 streams open"):
            is_stream()
    with held.serving(ADA) as is_stream:
        is_stream()


def test_a_refused_request_takes_nothing(clock: Clock) -> None:
    held = limits(clock, requests_at_once=1, requests_per_minute=2)
    with held.serving(ADA):
        for _ in range(5):
            with pytest.raises(TooManyRequests, match="open"), held.serving(ADA):
                pass
    with held.serving(ADA):
        pass


def test_programs_of_this_machine_that_need_no_token_have_no_limit(clock: Clock) -> None:
    held = limits(clock, requests_per_minute=1, requests_at_once=1)
    with held.serving(ANYONE), held.serving(ANYONE), held.serving(None), held.serving(None):
        pass


@settings(max_examples=by_profile(fast=10, ci=40, deep=1000))
@given(gaps=st.lists(st.floats(min_value=0, max_value=100), max_size=200), per_minute=st.integers(1, 100))
def test_no_minute_has_more_than_two_buckets_of_requests(gaps: list[float], per_minute: int) -> None:
    clock, taken = Clock(), []
    bucket = Bucket(per_minute, clock)
    for gap_s in gaps:
        clock.now_s += gap_s
        wait_s = bucket.take()
        if wait_s == 0:
            taken.append(clock.now_s)
        else:
            assert 0 < wait_s <= 60 / per_minute + 1e-6
    for start_s in taken:
        assert sum(start_s <= time_s < start_s + 60 for time_s in taken) <= 2 * per_minute


def test_many_names_do_not_fill_the_memory(clock: Clock) -> None:
    buckets = Buckets(1, 2, clock)
    assert [buckets.take(name) for name in ("a", "b", "c")] == [0, 0, 0]
    assert buckets.take("c") > 0
    assert buckets.take("a") == 0


def test_an_address_that_guesses_is_refused_and_those_that_were_right_go_on(clock: Clock) -> None:
    failures = Failures(3, clock)
    failures.accepted("10.0.0.1", "right")
    for _ in range(3):
        failures.check("10.0.0.1", "guess")
        failures.failed("10.0.0.1")
    with pytest.raises(TooManyRequests, match="too many wrong tokens") as caught:
        failures.check("10.0.0.1", "guess")
    assert caught.value.retry_after_s == 20
    failures.check("10.0.0.1", "right")
    failures.check("10.0.0.2", "guess")
    with pytest.raises(TooManyRequests):
        failures.check("10.0.0.1", "right of another address")
    clock.now_s += 20
    failures.check("10.0.0.1", "guess")


def test_a_right_token_of_one_address_does_not_help_another(clock: Clock) -> None:
    failures = Failures(1, clock)
    failures.accepted("10.0.0.1", "right")
    failures.failed("10.0.0.2")
    with pytest.raises(TooManyRequests):
        failures.check("10.0.0.2", "right")


def test_without_a_limit_nobody_is_refused(clock: Clock) -> None:
    failures = Failures(0, clock)
    for _ in range(100):
        failures.failed("10.0.0.1")
    failures.check("10.0.0.1", "guess")


def test_the_addresses_of_one_network_count_as_one_sender() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:10.0.0.1") != network_of("::ffff:10.0.0.2")
    assert network_of("10.0.0.1") != network_of("10.0.0.2")
    assert network_of("") == ""
