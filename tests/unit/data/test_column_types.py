"""The types of text columns follow from all of their cells, and no value changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.wire.reading import Reading, ReadingOptions
from raylane_worker.data.arrow_texts import texts
from raylane_worker.data.column_types import Misfit, TypeDecider, convert, markers_of
from raylane_worker.data.readers import Decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_worker.data.column_types import Decided

SEMICOLON = Reading(delimiter=";")


def decided(columns: Sequence[Sequence[str]], reading: Reading, cuts: Sequence[int] = (), **said: Any) -> Decided:
    """Returns the types of columns `c0`, `c1` …, whose rows come in batches that are cut at `cuts`."""
    names = [f"c{index}" for index in range(len(columns))]
    batch = pa.RecordBatch.from_arrays([texts(cells) for cells in columns], names=names)
    decider = TypeDecider(names, batch.schema, reading, ReadingOptions(**said), Decide.ALL)
    places = [0, *sorted(cuts), batch.num_rows]
    for start, end in pairwise(places):
        decider.see(batch.slice(start, end - start))
    return decider.decide()


def read(cells: Sequence[str], reading: Reading = SEMICOLON, **said: Any) -> tuple[pa.Array, str | None, str]:
    """Returns the values of a column, how it is written, and the warnings."""
    found = decided([cells], reading, **said)
    (form,) = found.forms
    assert form is not None
    return convert(form, texts(cells), markers_of(reading)), form.written, " ".join(found.warnings)


@pytest.mark.parametrize(
    ("cells", "arrow_type", "values", "written"),
    [
        (["1", "-2", "0"], pa.int64(), [1, -2, 0], None),
        (["9223372036854775807"], pa.int64(), [2**63 - 1], None),
        ([" 5 ", "6", " "], pa.int64(), [5, 6, None], None),
        (["1.5", ".5", "3.", "1e-05", "NA", ""], pa.float64(), [1.5, 0.5, 3.0, 1e-05, None, None], None),
        (["1E5", "2.5"], pa.float64(), [1e5, 2.5], None),
        (["inf", "-1.5"], pa.float64(), [float("inf"), -1.5], None),
        (["0.1000000000000000055511151231257827", "2"], pa.float64(), [0.1, 2.0], None),
        (["0.1234567890123456789", "1"], pa.decimal128(38, 19), [Decimal("0.1234567890123456789"), Decimal(1)], None),
        (["9007199254740993", "0.5"], pa.decimal128(38, 1), [Decimal(9007199254740993), Decimal("0.5")], None),
        (["2,5E-03", "1E-04", "-3,5e+2"], pa.float64(), [0.0025, 0.0001, -350.0], "decimal comma"),
        (["1E5", "2,5"], pa.float64(), [1e5, 2.5], "decimal comma"),
        (["1E5", "2E6"], pa.string(), ["1E5", "2E6"], None),
        (["1.5E-3", "2,5E-3"], pa.string(), ["1.5E-3", "2,5E-3"], None),
        (["12%", "5 %"], pa.int64(), [12, 5], "percent (12% is 12)"),
        (["$1,234.50", "-$5", "$ 7"], pa.float64(), [1234.5, -5.0, 7.0], "thousands ',', currency $"),
        (["$1,234", "$950"], pa.int64(), [1234, 950], "thousands ',', currency $"),
        (["1.234,5", "2"], pa.float64(), [1234.5, 2.0], "decimal comma, thousands '.'"),
        (["1 234,5", "3"], pa.float64(), [1234.5, 3.0], "decimal comma, thousands with spaces"),
        (["1'234.5", "3"], pa.float64(), [1234.5, 3.0], "thousands with apostrophes"),
        (["1,23,456", "5"], pa.int64(), [123456, 5], "thousands ','"),
        (["1,5", "2,25"], pa.float64(), [1.5, 2.25], "decimal comma"),
        (["12,50 €", "3 €"], pa.float64(), [12.5, 3.0], "decimal comma, currency €"),
        (["EUR 5", "6 EUR"], pa.int64(), [5, 6], "currency EUR"),
        (["(5)", "6"], pa.int64(), [-5, 6], "negative numbers in parentheses"),
        (["5-", "6"], pa.int64(), [-5, 6], "minus at the end"),
        (["\u22125", "6"], pa.int64(), [-5, 6], None),
        (["true", "FALSE", "-"], pa.bool_(), [True, False, None], None),
        (["2024-01-31", "2024-1-5"], pa.date32(), [date(2024, 1, 31), date(2024, 1, 5)], None),
        (["31/01/2024", "01/02/2024"], pa.date32(), [date(2024, 1, 31), date(2024, 2, 1)], "day/month/year"),
        (["01/31/2024", "2/1/2024"], pa.date32(), [date(2024, 1, 31), date(2024, 2, 1)], "month/day/year"),
        (["01/01/2024", "02/02/2024"], pa.date32(), [date(2024, 1, 1), date(2024, 2, 2)], "day/month/year"),
        (["31.1.2024"], pa.date32(), [date(2024, 1, 31)], "day.month.year"),
        (
            ["Jan 5, 2024", "Sept 6, 2024"],
            pa.date32(),
            [date(2024, 1, 5), date(2024, 9, 6)],
            "dates with the month's name",
        ),
        (["Mon, 5 January 2024"], pa.date32(), [date(2024, 1, 5)], "dates with the month's name"),
        (
            ["1/31/24", "1/2/99"],
            pa.date32(),
            [date(2024, 1, 31), date(1999, 1, 2)],
            "month/day/year, two-digit years from 1969 to 2068",
        ),
        (["99.03.05"], pa.date32(), [date(1999, 3, 5)], "year.month.day, two-digit years from 1969 to 2068"),
        (["99-3-5 9:30"], pa.timestamp("us"), [datetime(1999, 3, 5, 9, 30)], "two-digit years from 1969 to 2068"),
        (["9999-12-31", "0001-01-01"], pa.date32(), [date(9999, 12, 31), date(1, 1, 1)], None),
        (
            ["2024-01-31", "2024-01-31 10:30"],
            pa.timestamp("us"),
            [datetime(2024, 1, 31), datetime(2024, 1, 31, 10, 30)],
            None,
        ),
        (
            ["1/31/2024 12:05 AM", "1/31/2024 1:05 pm"],
            pa.timestamp("us"),
            [datetime(2024, 1, 31, 0, 5), datetime(2024, 1, 31, 13, 5)],
            "month/day/year, with AM and PM",
        ),
        (
            ["2024/01/30 3:04:05 PM GMT+1", "2024/07/31 10:04:05 AM GMT-5:30", "2024/07/31 10:04:05 AM UTC"],
            pa.timestamp("us", "UTC"),
            [
                datetime(2024, 1, 30, 14, 4, 5, tzinfo=UTC),
                datetime(2024, 7, 31, 15, 34, 5, tzinfo=UTC),
                datetime(2024, 7, 31, 10, 4, 5, tzinfo=UTC),
            ],
            "year/month/day, with AM and PM, time zones as UTC",
        ),
        (
            ["2024-01-31T10:30:00Z", "2024-01-31T10:30:00+02:00"],
            pa.timestamp("us", "UTC"),
            [datetime(2024, 1, 31, 10, 30, tzinfo=UTC), datetime(2024, 1, 31, 8, 30, tzinfo=UTC)],
            "time zones as UTC",
        ),
        (["10:30", "9:05:07"], pa.time32("s"), [time(10, 30), time(9, 5, 7)], None),
        (["10:30:00.25", "1:05:00"], pa.time64("us"), [time(10, 30, 0, 250000), time(1, 5)], None),
        (["10:30 PM", "12:05 am"], pa.time32("s"), [time(22, 30), time(0, 5)], "with AM and PM"),
        (["", "NA"], pa.string(), [None, None], None),
    ],
)
def test_a_column_has_the_type_that_all_its_cells_have(
    cells: list[str], arrow_type: pa.DataType, values: list[Any], written: str | None
) -> None:
    found, how, warnings = read(cells)
    assert (found.type, found.to_pylist(), how, warnings) == (arrow_type, values, written, "")


@pytest.mark.parametrize(
    ("cells", "warning"),
    [
        (["00501", "1"], ""),
        (["-01", "1"], ""),
        (["9223372036854775808", "1"], ""),
        (["1E5", "20"], ""),
        (["1E5", "1e-5"], ""),
        (["0xFF", "10"], ""),
        (["+4930123", "10"], ""),
        (["+1.5", "10"], ""),
        (["1e400", "1.5"], ""),
        (["inf", "-inf"], ""),
        (["yes", "no"], ""),
        (["1,234", "12,345"], "'1,234' and '12,345' the mark may be a decimal mark or separate thousands"),
        (["1.234 €", "2.000 €"], "use --decimal"),
        (["0,12,345"], ""),
        (["$5", "€6"], "different units ($, €)"),
        (["12%", "5"], "different units (%, no unit)"),
        (["(1)", "(2)"], "in parentheses"),
        (["ABC 123", "DEF 456"], ""),
        (
            ["01/02/2024", "03/04/2024"],
            "'01/02/2024' and '03/04/2024', the order of day, month and year is not clear",
        ),
        (["24/01/31", "24/02/01"], "use --date-order"),
        (
            ["22.04.1", "20.04.6", "24.04.2"],
            "such as '22.04.1' and '20.04.6', may be dates, or something else such as version numbers",
        ),
        (["23.1.2", "23.2.1", "23.3.1", "24.1.2"], "if they are dates, use --date-order ymd"),
        (["1.26.14", "1.25.12"], "if they are dates, use --date-order mdy"),
        (["10.24.11"], "if they are dates, use --date-order mdy"),
        (["24-3-5", "24-10-1"], "if they are dates, use --date-order ymd"),
        (["2024-02-30", "2024-02-28"], "do not exist"),
        (["2024-01-31T10:00Z", "2024-01-31T10:00"], "not all written in the same way"),
        (["5 Jan 2024", "6 Maj 2024", "7 Okt 2024"], "not all written in the same way"),
        (["Xyz 5, 2024 10:30 PM", "Jan 6, 2024 10:30 PM"], "not all written in the same way"),
        (["24:00", "25:30"], ""),
        (["10:30 PM", "11:30"], ""),
        (["0.1234567890123456789012345678901", "1"], "more digits than any type holds exactly; use --type c0=number"),
    ],
)
def test_what_could_lose_information_or_mean_two_things_stays_text(cells: list[str], warning: str) -> None:
    found, _, warnings = read(cells)
    assert found.to_pylist() == cells
    assert warning in warnings
    assert bool(warning) == bool(warnings)


@pytest.mark.parametrize(
    ("cells", "said", "values"),
    [
        (["00501", "+7", "NA"], {"types": {"c0": "integer"}}, [501, 7, None]),
        (["1E5", "1"], {"types": {"c0": "number"}}, [1e5, 1.0]),
        (["1", "2"], {"types": {"c0": "number"}}, [1.0, 2.0]),
        (["1", "NA"], {"types": {"c0": "string"}}, ["1", None]),
        (["yes", "N", "1"], {"types": {"c0": "boolean"}}, [True, False, True]),
        (["31/01/2024"], {"types": {"c0": "timestamp"}}, [datetime(2024, 1, 31)]),
        (["", "NA"], {"types": {"c0": "integer"}}, [None, None]),
        (["01/02/2024", "03/04/2024"], {"date_order": "dmy"}, [date(2024, 2, 1), date(2024, 4, 3)]),
        (["01/02/2024", "03/04/2024"], {"date_order": "mdy"}, [date(2024, 1, 2), date(2024, 3, 4)]),
        (["24/01/31"], {"date_order": "ymd"}, [date(2024, 1, 31)]),
        (["24.3.5", "24.10.1"], {"date_order": "ymd"}, [date(2024, 3, 5), date(2024, 10, 1)]),
        (["1.26.14"], {"date_order": "mdy"}, [date(2014, 1, 26)]),
        (["1.2.24"], {"date_order": "dmy"}, [date(2024, 2, 1)]),
        (["24.3.5"], {"types": {"c0": "date"}}, [date(2024, 3, 5)]),
        (["2024-01-31"], {"date_order": "dmy"}, [date(2024, 1, 31)]),
        (["31 Jan 2024"], {"date_order": "mdy"}, [date(2024, 1, 31)]),
        (["1", "x"], {"date_order": "mdy", "decimal": ","}, ["1", "x"]),
        (["1,234"], {"decimal": ","}, [1.234]),
        (["1,234"], {"decimal": "."}, [1234]),
        (["1.234", "5.678"], {"decimal": ","}, [1234, 5678]),
    ],
)
def test_a_user_decides_what_the_cells_do_not(cells: list[str], said: dict[str, Any], values: list[Any]) -> None:
    found, _, warnings = read(cells, **said)
    assert (found.to_pylist(), warnings) == (values, "")


@pytest.mark.parametrize(
    ("said", "fitting", "other", "problem"),
    [
        (("date_order", "dmy"), ["01/02/2024"], ["01/31/2024"], "its dates, such as '01/31/2024', are written mdy"),
        (("date_order", "mdy"), ["02/13/2024"], ["31.12.2024"], "its dates, such as '31.12.2024', are written dmy"),
        (("date_order", "ymd"), ["24/01/31"], ["01.02.2024"], "such as '01.02.2024', are written dmy or mdy"),
        (("decimal", ","), ["1,5"], ["1.5"], "its numbers, such as '1.5', have the decimal mark '.'"),
        (("decimal", ","), ["1.234"], ["2.5e-7"], "'2.5e-7', have the decimal mark '.'"),
        (("decimal", "."), ["1.5"], ["2,75"], "its numbers, such as '2,75', have the decimal mark ','"),
    ],
)
def test_an_option_that_no_column_follows_is_unfit_and_one_that_some_follow_is_told(
    said: tuple[str, Any], fitting: list[str], other: list[str], problem: str
) -> None:
    name, value = said
    alone = decided([other, ["2024-01-31"]], SEMICOLON, **dict([said]))
    assert alone.unfit is not None
    assert (alone.unfit.option, problem in alone.unfit.problem) == (name, True)
    beside = decided([other, fitting], SEMICOLON, **dict([said]))
    assert beside.unfit is None
    (warning,) = [one for one in beside.warnings if "does not fit" in one]
    assert warning.startswith(f"--{name.replace('_', '-')} {value} does not fit column 'c0': ")
    assert problem in warning
    assert decided([fitting], SEMICOLON, **dict([said])).unfit is None


def test_the_order_that_the_user_gives_holds_for_dates_that_are_the_same_in_several() -> None:
    assert read(["01/01/2024"], date_order="mdy")[1] == "month/day/year"
    assert read(["01/01/2024"])[1] == "day/month/year"


def test_other_columns_decide_the_decimal_mark() -> None:
    types = [form.type for form in decided([["1.234", "2.345"], ["1,5", "2"]], SEMICOLON).forms if form]
    assert types == [pa.int64(), pa.float64()]
    types = [form.type for form in decided([["1,234", "2,345"], ["1.5 €", "2 €"]], SEMICOLON).forms if form]
    assert types == [pa.int64(), pa.float64()]
    mixed = decided([["1.234", "2.345"], ["1,5", "2"], ["1.55 €", "2 €"]], SEMICOLON)
    assert [form.type for form in mixed.forms if form] == [pa.string(), pa.float64(), pa.float64()]
    assert "use --decimal" in mixed.warnings[0]


def test_days_with_dots_are_dates_beside_a_decimal_comma_unless_they_may_be_versions() -> None:
    def read_beside(days: list[str]) -> tuple[pa.DataType, tuple[str, ...]]:
        found = decided([days, ["1,5"] * len(days)], SEMICOLON)
        assert found.forms[0] is not None
        return found.forms[0].type, found.warnings

    assert read_beside(["01.02.24", "13.02.24"]) == (pa.date32(), ())
    assert read_beside(["1.2.24 9:30"]) == (pa.timestamp("us"), ())
    assert read_beside([f"{day}.2.24" for day in range(5, 17)]) == (pa.date32(), ())
    kind, (warning,) = read_beside(["3.9.18", "3.10.13", "13.12.14"])
    assert kind == pa.string()
    assert "version numbers; if they are dates, use --date-order dmy" in warning


CELLS = st.one_of(
    st.sampled_from(
        [
            "1",
            "-2",
            "007",
            "1.5",
            "1,5",
            "1,234",
            "1.234",
            "1E5",
            "1e-5",
            "2,5E-3",
            "9007199254740993",
            "9223372036854775808",
            "$5",
            "5€",
            "12%",
            "(5)",
            "5-",
            "+3",
            "0xFF",
            "inf",
            "0.1234567890123456789",
            "true",
            "false",
            "2024-01-31",
            "2024-02-30",
            "31/01/2024",
            "01/31/2024",
            "01/02/2024",
            "1.2.2024",
            "1/2/24",
            "1.2.24",
            "45.3.5",
            "45.03.05",
            "10:30",
            "2024-01-31T10:30",
            "2024-01-31T10:30Z",
            "NA",
            "x",
        ]
    ),
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
)
# Two kinds of cells in a column are enough to make its type change.
COLUMNS = st.lists(CELLS, min_size=1, max_size=3).flatmap(
    lambda some: st.lists(st.sampled_from(some), min_size=1, max_size=40)
)


@given(cells=COLUMNS, data=st.data())
def test_neither_the_order_of_rows_nor_batches_change_a_type(cells: list[str], data: st.DataObject) -> None:
    whole = decided([cells], SEMICOLON)
    shuffled = data.draw(st.permutations(cells))
    cuts = data.draw(st.lists(st.integers(0, len(cells)), max_size=4))
    assert decided([shuffled], SEMICOLON, cuts).forms == whole.forms


@given(cells=COLUMNS, data=st.data())
def test_a_final_decision_changes_only_with_a_cell_that_does_not_fit(cells: list[str], data: st.DataObject) -> None:
    """One pass is right for this reason: a cell that would change the type is not read in the old form."""
    place = data.draw(st.integers(0, len(cells)))
    first, whole = decided([cells[:place]], SEMICOLON), decided([cells], SEMICOLON)
    (before,), (after,) = first.forms, whole.forms
    assert before is not None
    assert after is not None
    if first.is_final and (before.type, before.written) != (after.type, after.written):
        with pytest.raises(Misfit):
            convert(before, texts(cells[place:]), markers_of(SEMICOLON))


NUMBERS = st.one_of(
    st.integers(-(10**30), 10**30).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.decimals(-(10**20), 10**20, allow_nan=False).map(str),
    st.from_regex(r"-?[0-9]{1,20}\.[0-9]{1,25}", fullmatch=True),
)


@given(cells=st.lists(NUMBERS, min_size=1, max_size=5))
def test_a_number_is_the_same_number_when_it_is_written_back(cells: list[str]) -> None:
    values, _, _ = read(cells)
    for cell, value in zip(cells, values.to_pylist(), strict=True):
        if isinstance(value, float):
            digits = len(cell.lower().partition("e")[0].replace(".", "").lstrip("-0"))
            assert Decimal(cell) in (Decimal(repr(value)), Decimal(f"{value:.{max(digits - 1, 0)}e}"))
        else:
            assert value is not None
            assert Decimal(value) == Decimal(cell)
            assert not isinstance(value, str) or value == cell
