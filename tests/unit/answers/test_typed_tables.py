"""Any table of Arrow or pandas comes out of the record as the values that went into the kit."""

from __future__ import annotations

import base64
import tempfile
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers import answers
from tests.helpers.answers import decoded, expected
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from raylane_common.wire.answer import AnswerTable

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_DAYS = st.integers((date.min - date(1970, 1, 1)).days, (date.max - date(1970, 1, 1)).days)
_SECONDS = (
    int(datetime(1, 1, 3, tzinfo=UTC).timestamp()),
    int(datetime(9999, 12, 28, tzinfo=UTC).timestamp()),
)
_UNITS = st.sampled_from(["s", "ms", "us", "ns"])
_PER_S = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_ZONES = st.sampled_from([None, "UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "+05:30", "-11:00"])
# `read` gives no other types to scripts, but a script may make any.
_FLAT = st.one_of(
    st.sampled_from([pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()]),
    st.sampled_from([pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.date32(), pa.null()]),
    st.sampled_from([pa.string(), pa.large_string(), pa.string_view()]),
    st.sampled_from([pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(3)]),
    st.builds(pa.decimal128, st.integers(5, 38), st.sampled_from([0, 1, 5])),
    st.builds(pa.decimal256, st.integers(39, 76), st.integers(-3, 20)),
    st.sampled_from([pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]),
    st.builds(pa.timestamp, _UNITS, _ZONES),
    st.builds(pa.duration, _UNITS),
)
# Python's own conversion of these loses digits inside lists.
_INNER = _FLAT.filter(lambda kind: "[ns" not in str(kind))
_NESTED = st.recursive(
    _INNER,
    lambda inner: st.one_of(
        st.builds(pa.list_, inner),
        st.builds(pa.large_list, inner),
        st.builds(pa.list_, inner, st.just(2)),
        st.builds(lambda a, b: pa.struct([("a", a), ("b é", b)]), inner, inner),
        st.builds(pa.map_, st.just(pa.string()), inner),
    ),
    max_leaves=4,
)
_KINDS = st.one_of(
    _FLAT,
    _NESTED,
    st.sampled_from([pa.dictionary(pa.int8(), pa.string()), pa.dictionary(pa.int32(), pa.int64())]),
)


def _values(kind: pa.DataType) -> st.SearchStrategy[Any]:
    """Values that Arrow takes for a type; integers for those that Python does not have."""
    is_ = pa.types
    if is_.is_dictionary(kind):
        return _values(kind.value_type)
    if is_.is_null(kind):
        return st.none()
    if is_.is_integer(kind):
        bits = kind.bit_width
        return (
            st.integers(0, 2**bits - 1)
            if is_.is_unsigned_integer(kind)
            else st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        )
    if is_.is_floating(kind):
        return st.floats(width=kind.bit_width)
    if is_.is_boolean(kind):
        return st.booleans()
    if is_.is_date(kind):
        return _DAYS.map(lambda days: date.fromordinal(days + date(1970, 1, 1).toordinal()))
    if is_.is_decimal(kind):
        largest = 10**kind.precision - 1
        return st.integers(-largest, largest).map(
            lambda whole: Decimal((int(whole < 0), tuple(map(int, str(abs(whole)))), -kind.scale))
        )
    if is_.is_fixed_size_binary(kind):
        return st.binary(min_size=kind.byte_width, max_size=kind.byte_width)
    if is_.is_map(kind):
        return st.dictionaries(_TEXT, st.none() | _values(kind.item_type), max_size=3).map(
            lambda one: list(one.items())
        )
    if is_.is_struct(kind):
        return st.fixed_dictionaries({f.name: st.none() | _values(f.type) for f in kind})
    if is_.is_fixed_size_list(kind):
        return st.lists(st.none() | _values(kind.value_type), min_size=2, max_size=2)
    if is_.is_nested(kind):
        return st.lists(st.none() | _values(kind.value_type), max_size=3)
    if is_.is_time(kind):
        return st.integers(0, 86_400 * _PER_S[kind.unit] - 1)
    if is_.is_timestamp(kind):
        per_s = _PER_S[kind.unit]
        low, high = (one * per_s for one in _SECONDS)
        return st.integers(max(low, -(2**63)), min(high, 2**63 - 1))
    if is_.is_duration(kind):
        return st.integers(-(2**46), 2**46)  # what Python's timedelta holds in seconds
    return st.binary(max_size=6) if "binary" in str(kind) else _TEXT


@st.composite
def arrow_columns(draw: st.DrawFn) -> pa.ChunkedArray:
    """A column of up to 12 rows, in one or two chunks, which may begin in the middle of their memory."""
    kind = draw(_KINDS)
    cells = draw(st.lists(st.none() | _values(kind), max_size=12))
    start, cut = draw(st.integers(0, len(cells))), draw(st.integers(0, len(cells)))
    whole = pa.array(cells, kind)
    return pa.chunked_array([whole[start:], whole[:cut]], kind)


def _given(data: Any) -> AnswerTable:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        return answers.table(answers.given(Path(directory), lambda answer: answer.table(data), patch))


@settings(max_examples=by_profile(fast=50, ci=300, deep=20_000))
@given(arrow_columns())
def test_cells_of_an_arrow_table_are_its_values(column: pa.ChunkedArray) -> None:
    table = _given(pa.table({"column": column}))

    assert table.total_rows == len(column)
    assert [decoded(row[0], column.type) for row in table.rows] == expected(column)


def _nullable(values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.none() | values, min_size=1, max_size=12)


# Each makes a Series of values, and says of which type their cells are and how a value is read back from its cell.
_MOMENTS = st.datetimes(datetime(1800, 1, 1), datetime(2200, 1, 1))
_PANDAS: dict[str, tuple[st.SearchStrategy[list[Any]], Any, str, Any]] = {
    "int64": (st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1), pd.Series, "integer", int),
    "integers": (_nullable(st.integers(-(10**90), 10**90)), lambda v: pd.Series(v, dtype=object), "integer", int),
    "Int64": (_nullable(st.integers(-(2**63), 2**63 - 1)), lambda v: pd.Series(v, dtype="Int64"), "integer", int),
    "float": (_nullable(st.floats(allow_nan=False)), lambda v: pd.Series(v, dtype="float64"), "number", float),
    "Float64": (_nullable(st.floats(allow_nan=False)), lambda v: pd.Series(v, dtype="Float64"), "number", float),
    "text": (_nullable(_TEXT), lambda v: pd.Series(v, dtype=object), "string", str),
    "str": (_nullable(_TEXT), lambda v: pd.Series(v, dtype="str"), "string", str),
    "string": (_nullable(_TEXT), lambda v: pd.Series(v, dtype="string"), "string", str),
    "category": (_nullable(_TEXT), lambda v: pd.Series(v, dtype="category"), "string", str),
    "numbers": (_nullable(st.integers(-5, 5)), lambda v: pd.Series(pd.Categorical(v, ordered=True)), "integer", int),
    "object booleans": (_nullable(st.booleans()), lambda v: pd.Series(v, dtype=object), "boolean", bool),
    "boolean": (_nullable(st.booleans()), lambda v: pd.Series(v, dtype="boolean"), "boolean", bool),
    "dates of read": (
        _nullable(st.dates()),
        lambda v: pd.Series(pd.array(v, dtype="datetime64[s]")),
        "date",
        date.fromisoformat,
    ),
    "dates": (_nullable(st.dates()), lambda v: pd.Series(v, dtype=object), "date", date.fromisoformat),
    "us": (_nullable(_MOMENTS), lambda v: pd.Series(v, dtype="datetime64[us]"), "timestamp", datetime.fromisoformat),
    "zoned": (
        _nullable(_MOMENTS.map(lambda one: one.replace(tzinfo=UTC))),
        lambda v: pd.Series(v, dtype="datetime64[us, UTC]").dt.tz_convert("Asia/Kathmandu"),
        "timestamp",
        datetime.fromisoformat,
    ),
    "objects": (_nullable(_MOMENTS), lambda v: pd.Series(v, dtype=object), "timestamp", datetime.fromisoformat),
    "time": (_nullable(st.times()), lambda v: pd.Series(v, dtype=object), "time", time.fromisoformat),
    "timedelta": (
        _nullable(st.timedeltas(-timedelta(10**4), timedelta(10**4))),
        lambda v: pd.Series(v, dtype="timedelta64[us]"),
        "duration",
        lambda cell: timedelta(seconds=cell),
    ),
    "Decimal": (
        _nullable(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**60), max_value=10**60, places=2)),
        lambda v: pd.Series(v, dtype=object),
        "decimal",
        Decimal,
    ),
    "bytes": (_nullable(st.binary(max_size=5)), lambda v: pd.Series(v, dtype=object), "binary", base64.b64decode),
    "lists": (
        _nullable(st.lists(st.none() | st.integers(-(2**53), 2**53) | _TEXT | st.booleans(), max_size=3)),
        lambda v: pd.Series(v, dtype=object),
        "nested",
        list,
    ),
    "dicts": (
        _nullable(st.dictionaries(_TEXT, st.none() | st.dates().map(str), max_size=3)),
        lambda v: pd.Series(v, dtype=object),
        "nested",
        dict,
    ),
    "arrow": (
        _nullable(st.integers(-(2**63), 2**63 - 1)),
        lambda v: pd.Series(v, dtype=pd.ArrowDtype(pa.int64())),
        "integer",
        int,
    ),
}


@pytest.mark.parametrize("name", _PANDAS)
@settings(max_examples=by_profile(fast=5, ci=15, deep=1000))
@given(st.data())
def test_cells_of_a_frame_are_its_values(name: str, data: st.DataObject) -> None:
    make, series, kind, read = _PANDAS[name]
    found = data.draw(make)

    table = _given(pd.DataFrame({"first": range(len(found)), "column": series(found)}))

    # Without a value, nothing says what a column of objects holds.
    if any(one is not None for one in found):
        assert answers.types(table.columns) == ["integer", kind]
    assert [None if row[1] is None else read(row[1]) for row in table.rows] == found
