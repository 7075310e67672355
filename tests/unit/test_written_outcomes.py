"""`WrittenOutcomes` is bounded in time and in size."""

from __future__ import annotations

from raylane_common.redis.queue import AttemptOutcome
from raylane_worker.lanes.written import WrittenOutcomes


def an_outcome(number: int, value: str = "") -> AttemptOutcome:
    return AttemptOutcome(f"j{number}", "token", "succeeded", value)


def test_the_oldest_outcomes_are_forgotten_after_a_minute() -> None:
    written = WrittenOutcomes()
    for number in range(10):
        written.add(an_outcome(number), now_s=100 + number * 10)
    written.add(an_outcome(0), now_s=195)
    written.forget_old(now_s=200)
    assert [outcome.job_id for outcome in written.all()] == ["j4", "j5", "j6", "j7", "j8", "j9", "j0"]


def test_no_more_than_8_mib_are_kept() -> None:
    written = WrittenOutcomes()
    for number in range(20):
        written.add(an_outcome(number, "x" * 1024 * 1024), now_s=0)
    assert [outcome.job_id for outcome in written.all()] == [f"j{number}" for number in range(13, 20)]
    for number in range(100_000):
        written.add(an_outcome(number), now_s=0)
    assert len(written.all()) < 20_000


def test_what_was_forgotten_no_longer_counts() -> None:
    written = WrittenOutcomes()
    for number in range(100):
        outcomes = [an_outcome(number, "x" * 1024 * 1024)]
        written.add(outcomes[0], now_s=0)
        written.forget([*outcomes, *outcomes])
    assert not written
    written.add(an_outcome(1, "x" * 7 * 1024 * 1024), now_s=0)
    assert written
