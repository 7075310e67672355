from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from raylane_common.backoff import Backoff

SECONDS = st.floats(0.001, 1000)
FACTORS = st.floats(1, 10)
JITTERS = st.floats(0, 1)
COUNTS = st.integers(1, 100_000)


def longest(first_s: float, cap_s: float, factor: float) -> Backoff:
    """The same pauses without jitter."""
    return Backoff(first_s, cap_s, factor=factor)


@given(first_s=SECONDS, cap_s=SECONDS, factor=FACTORS, jitter=JITTERS, n=COUNTS, chance=st.floats(0, 1))
def test_a_pause_lies_between_its_length_and_what_jitter_leaves_of_it(
    first_s: float, cap_s: float, factor: float, jitter: float, n: int, chance: float
) -> None:
    whole_s = longest(first_s, cap_s, factor).nth_s(n)
    pause_s = Backoff(first_s, cap_s, factor=factor, jitter=jitter, chance=lambda: chance).nth_s(n)
    assert whole_s * (1 - jitter) <= pause_s <= whole_s <= cap_s


@given(first_s=SECONDS, cap_s=SECONDS, factor=FACTORS, n=COUNTS)
def test_pauses_grow_to_the_cap_and_stay_there(first_s: float, cap_s: float, factor: float, n: int) -> None:
    backoff = longest(first_s, cap_s, factor)
    assert backoff.nth_s(1) == min(first_s, cap_s)
    assert backoff.nth_s(n) <= backoff.nth_s(n + 1) <= cap_s
    if backoff.nth_s(n) == cap_s:
        assert backoff.nth_s(n + 1) == cap_s


@given(first_s=SECONDS, cap_s=SECONDS, factor=FACTORS, pauses=st.integers(0, 50))
def test_reset_begins_again_with_the_first_pause(first_s: float, cap_s: float, factor: float, pauses: int) -> None:
    backoff = longest(first_s, cap_s, factor)
    seen = [backoff.next_s() for _ in range(pauses)]
    assert seen == [backoff.nth_s(n) for n in range(1, pauses + 1)]
    backoff.reset()
    assert backoff.next_s() == backoff.nth_s(1)


def test_the_usual_figures() -> None:
    backoff = Backoff(0.5, 4)
    assert [backoff.next_s() for _ in range(5)] == [0.5, 1, 2, 4, 4]
    halves = Backoff(2, 60, jitter=0.5, chance=itertools.cycle((0, 0.5)).__next__)
    assert [halves.next_s() for _ in range(4)] == [2, 3, 8, 12]


def test_jitter_is_random_by_default() -> None:
    assert len({Backoff(1, 1, jitter=1).next_s() for _ in range(10)}) > 1
