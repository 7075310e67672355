"""Dates, times of day, points in time and truth values."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from raylane_common.wire.sources import ColumnType
from tests.corpus.files.columns import column
from tests.corpus.files.model import Answers, Case, bools, ints, of, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS: Final = of(ColumnType.DATE, [date(2024, 1, 5), date(2024, 1, 31), date(2023, 12, 13)])
# All styles of the three days, of which one has a day above 12.
_STYLES: Final = {
    "ISO": ["2024-01-05", "2024-01-31", "2023-12-13"],
    "day/month/year": ["05/01/2024", "31/01/2024", "13/12/2023"],
    "month/day/year": ["01/05/2024", "01/31/2024", "12/13/2023"],
    "day.month.year": ["05.01.2024", "31.01.2024", "13.12.2023"],
    "day-month-year": ["05-01-2024", "31-01-2024", "13-12-2023"],
    "year/month/day": ["2024/01/05", "2024/01/31", "2023/12/13"],
    "short day/month/year": ["5/1/2024", "31/1/2024", "13/12/2023"],
    "short month/day/year": ["1/5/2024", "1/31/2024", "12/13/2023"],
    "short day.month.year": ["5.1.2024", "31.1.2024", "13.12.2023"],
    "month name": ["Jan 5, 2024", "Jan 31, 2024", "Dec 13, 2023"],
    "long month name": ["January 5, 2024", "January 31, 2024", "December 13, 2023"],
    "day month name": ["5 Jan 2024", "31 Jan 2024", "13 Dec 2023"],
    "day-month name": ["05-Jan-2024", "31-Jan-2024", "13-Dec-2023"],
    "day long month name": ["5 January 2024", "31 January 2024", "13 December 2023"],
}
_POINTS: Final = of(ColumnType.TIMESTAMP, [datetime(2024, 1, 5, 10, 30), datetime(2024, 1, 31, 23, 59, 59)])
_POINT_STYLES: Final = {
    "a space": ["2024-01-05 10:30:00", "2024-01-31 23:59:59"],
    "a T": ["2024-01-05T10:30:00", "2024-01-31T23:59:59"],
    "day/month/year": ["05/01/2024 10:30:00", "31/01/2024 23:59:59"],
    "month/day/year": ["01/05/2024 10:30:00", "01/31/2024 23:59:59"],
    "day.month.year": ["05.01.2024 10:30:00", "31.01.2024 23:59:59"],
    "AM and PM": ["01/05/2024 10:30:00 AM", "01/31/2024 11:59:59 PM"],
}
# What no reader can be sure of, or no type can hold.
_TEXTS: Final = {
    "day or month": ["01/02/2024", "03/04/2024"],
    "day or month, points in time": ["01/02/2024 10:00", "03/04/2024 11:00"],
    "day or month, dashes": ["01-02-2024", "03-04-2024"],
    "two digits of a year, day or month": ["1/2/24", "3/4/24"],
    "mixed styles": ["2024-01-05", "31/01/2024"],
    "mixed month and day": ["01/31/2024", "31/01/2024"],
    "a day that does not exist": ["2024-02-30", "2024-02-28"],
    "a month that does not exist": ["2024-13-01", "2024-12-01"],
    "29 February of a plain year": ["2023-02-29", "2023-02-28"],
    "the zero date": ["0000-00-00", "2024-01-05"],
    "quarters": ["2024-Q1", "2024-Q2"],
    "weeks": ["2024-W01", "2024-W02"],
    "year and month": ["2024-01", "2024-02"],
    "hours above 24": ["25:30:00", "48:00:00"],
    "hours above 24 in one row": ["10:30:00", "25:00:00"],
    "durations": ["1h 30m", "2h"],
    "ISO durations": ["PT1H30M", "P1D"],
    "minutes above 60": ["10:75:00", "11:00:00"],
    "dates and words": ["2024-01-05", "soon"],
    "yes and no": ["yes", "no"],
    "Y and N": ["Y", "N"],
    "T and F": ["T", "F"],
    "true and words": ["true", "maybe"],
    "true and numbers": ["true", "1"],
}
_BOOLS: Final = {
    "lower case": ["true", "false", "true"],
    "upper case": ["TRUE", "FALSE", "TRUE"],
    "capitals": ["True", "False", "True"],
}


def cases() -> Iterator[Case]:
    """Yields the cases."""
    for name, cells in _STYLES.items():
        yield column(f"dates: {name}", cells, DAYS)
        missing = of(ColumnType.DATE, [*DAYS.cells, None, None])
        yield column(f"dates with missing: {name}", [*cells, "", "NA"], missing, quick=False)
        if "," not in cells[0]:
            yield column(f"dates in tabs: {name}", cells, DAYS, delimiter="\t", quick=False)
    for name, cells in _POINT_STYLES.items():
        yield column(f"points in time: {name}", cells, _POINTS)
    for name, cells in _TEXTS.items():
        yield column(f"text: {name}", cells, texts(*cells), because="no type is certain")
    for name in ("day or month", "day or month, points in time", "mixed styles", "mixed month and day"):
        yield column(
            f"told: {name}", _TEXTS[name], texts(*_TEXTS[name]), warns=_TEXTS[name][0], because="day and month"
        )
    for name, cells in _BOOLS.items():
        yield column(f"truth values: {name}", cells, bools(True, False, True))
    yield from _by_hand()


def _by_hand() -> Iterator[Case]:
    kinds = ColumnType
    ten, quarter = time(10, 30), time(11, 45)
    yield Case(
        "times of day",
        b"t,n\n10:30:00,1\n11:45:00,2\n10:30:00,4\n",
        {"t": of(kinds.TIME, [ten, quarter, ten]), "n": ints(1, 2, 4)},
        answers=Answers(3, 7, {ten: (2, 5), quarter: (1, 2)}),
    )
    yield column("times without seconds", ["10:30", "11:45"], of(kinds.TIME, [ten, quarter]))
    yield column(
        "times with fractions",
        ["10:30:00.5", "11:45:00.25"],
        of(kinds.TIME, [time(10, 30, 0, 500_000), time(11, 45, 0, 250_000)]),
    )
    yield column("midnight", ["00:00:00", "23:59:59"], of(kinds.TIME, [time(0), time(23, 59, 59)]))
    yield column("times with missing", ["10:30:00", ""], of(kinds.TIME, [ten, None]))
    old = [date(1899, 12, 31), date(1066, 10, 14), date(1582, 10, 15)]
    yield column("dates before 1900", [day.isoformat() for day in old], of(kinds.DATE, old))
    far = [date(2262, 4, 12), date(2999, 1, 1), date(9999, 12, 31)]
    yield column("dates after 2262", [day.isoformat() for day in far], of(kinds.DATE, far))
    points = [datetime(1899, 12, 31, 23, 0), datetime(1600, 1, 1), datetime(2999, 12, 31, 23, 59, 59)]
    yield column(
        "points in time outside of nanoseconds",
        [f"{one:%Y-%m-%d %H:%M:%S}" if one.year > 1000 else "" for one in points],
        of(kinds.TIMESTAMP, points),
    )
    yield column(
        "fractions of seconds",
        ["2024-01-05 10:30:00.123456", "2024-01-05 10:30:00.5"],
        of(kinds.TIMESTAMP, [datetime(2024, 1, 5, 10, 30, 0, 123456), datetime(2024, 1, 5, 10, 30, 0, 500_000)]),
    )
    zone = timezone(timedelta(hours=2))
    zoned = of(
        kinds.TIMESTAMP,
        [datetime(2024, 1, 5, 10, 30, tzinfo=UTC), datetime(2024, 7, 5, 10, 30, tzinfo=zone)],
        pa.timestamp("us", "UTC"),
    )
    yield column("zones", ["2024-01-05T10:30:00Z", "2024-07-05T10:30:00+02:00"], zoned)
    yield column(
        "UTC", ["2024-01-05T10:30:00Z", "2024-01-05T10:30:00Z"], of(kinds.TIMESTAMP, zoned.cells[:1] * 2, zoned.arrow)
    )
    yield column(
        "a date, then points in time",
        ["2024-01-05", "2024-01-06 10:30:00"],
        of(kinds.TIMESTAMP, [datetime(2024, 1, 5), datetime(2024, 1, 6, 10, 30)]),
    )
    yield column(
        "points in time without seconds",
        ["2024-01-05 10:30", "2024-01-06 11:45"],
        of(kinds.TIMESTAMP, [datetime(2024, 1, 5, 10, 30), datetime(2024, 1, 6, 11, 45)]),
    )
    yield column("numbers that are days", ["20240105", "20240131"], ints(20240105, 20240131))
    yield column("one leap day", ["2024-02-29", "2024-03-01"], of(kinds.DATE, [date(2024, 2, 29), date(2024, 3, 1)]))
