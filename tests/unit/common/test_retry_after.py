from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.retry_after import MAX_RETRY_AFTER_S, parse_retry_after

DATE = "Sun, 22 Nov 2026 10:00:00 GMT"

numbers = st.integers().map(str) | st.floats().map(str) | st.from_regex(r"[0-9]{1,400}(\.[0-9]*)?", fullmatch=True)
moments = st.datetimes(timezones=st.timezones() | st.just(UTC)).map(format_datetime)
almost_moments = st.from_regex(
    r"(Sun, )?[0-9]{1,5} (Nov|Feb|Xyz) [0-9]{1,6} [0-9]{1,3}:[0-9]{1,3}(:[0-9]{1,3})? (GMT|[+-][0-9]{1,9}|-0000)?",
    fullmatch=True,
)
headers = st.none() | st.text() | numbers | moments | almost_moments


@given(value=headers, date=headers)
def test_whatever_the_headers_hold_the_wait_is_none_or_within_an_hour(value: str | None, date: str | None) -> None:
    seconds = parse_retry_after(value, date)
    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER_S


@given(st.integers(0, 3600))
def test_seconds_are_taken_as_they_are(seconds: int) -> None:
    assert parse_retry_after(str(seconds)) == seconds


@given(since=st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)), wait_s=st.integers(-10_000, 10_000))
def test_a_point_in_time_counts_from_the_answers_own_date(since: datetime, wait_s: int) -> None:
    since = since.replace(microsecond=0, tzinfo=UTC)
    until = format_datetime(since + timedelta(seconds=wait_s), usegmt=True)
    assert parse_retry_after(until, format_datetime(since, usegmt=True)) == min(max(0, wait_s), 3600)


@pytest.mark.parametrize(
    ("value", "date", "seconds"),
    [
        (None, DATE, None),
        ("", DATE, None),
        ("soon", DATE, None),
        ("-5", DATE, None),
        ("nan", DATE, None),
        (" 7 ", None, 7),
        ("0.25", None, 0.25),
        ("9" * 5000, None, 3600),
        ("Sun, 22 Nov 2026 10:00:30 GMT", DATE, 30),
        ("Sunday, 22-Nov-26 10:00:30 GMT", DATE, 30),
        ("Sun Nov 22 10:00:30 2026", DATE, 30),
        ("Sun, 22 Nov 2026 10:00:30 GMT", None, None),
        ("Sun, 22 Nov 2026 09:00:00 GMT", DATE, 0),
        ("Sun, 22 Nov 2026 12:00:00 +0130", DATE, 1800),
    ],
)
def test_every_form_of_the_header(value: str | None, date: str | None, seconds: float | None) -> None:
    assert parse_retry_after(value, date) == seconds
