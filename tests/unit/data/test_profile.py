"""A profile says what is known of each column, however long the table is."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_worker.data.profile import MAX_COLUMNS, TableProfile
from raylane_worker.data.profile.distinct import MAX_EXACT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import ColumnProfile


def profile(values: pa.Array, cuts: Sequence[int] = (), *, share_samples: bool = False) -> ColumnProfile:
    batch = pa.RecordBatch.from_arrays([values], names=["x"])
    table = TableProfile(batch.schema, share_samples=share_samples)
    places = [0, *sorted(cuts), len(values)]
    for index, start in enumerate(places[:-1]):
        table.see(batch.slice(start, places[index + 1] - start))
    (found,) = table.result()
    assert found is not None
    return found


@given(
    values=st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1, max_size=12),
    cuts=st.lists(st.integers(0, 12), max_size=3),
)
def test_a_profile_of_few_values_is_exact_in_any_batches(values: list[int | None], cuts: list[int]) -> None:
    found = profile(pa.array(values, pa.int64()), [cut for cut in cuts if cut <= len(values)])
    present = [value for value in values if value is not None]
    assert (found.nulls, found.distinct, found.distinct_is_exact) == (values.count(None), len(set(present)), True)
    assert (found.min, found.max) == (min(present, default=None), max(present, default=None))
    assert found.unique == (len(set(present)) == len(present) > 0)
    is_sorted = None not in values and len(set(values)) > 1
    expected = {True: "ascending", False: "descending" if values == sorted(present, reverse=True) else None}
    assert found.order == (expected[values == sorted(present)] if is_sorted else None)
    if present:
        assert found.mean == pytest.approx(sum(present) / len(present))
        assert found.magnitude == pytest.approx(sum(map(abs, present)))


@pytest.mark.parametrize("count", [MAX_EXACT, MAX_EXACT + 1, 200_000])
@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string()])
def test_many_values_are_estimated_within_five_percent(count: int, kind: pa.DataType) -> None:
    numbers = pa.array([(number * 7919) % count for number in range(count)])
    found = profile(pa.concat_arrays([numbers, numbers]).cast(kind), range(0, 2 * count, 30_000))
    assert found.distinct_is_exact == (count <= MAX_EXACT)
    assert found.distinct == pytest.approx(count, rel=0.05 if count > MAX_EXACT else 0)
    assert not found.unique


@pytest.mark.parametrize(
    "kind",
    [
        *(pa.time32(unit) for unit in ("s", "ms")),
        *(pa.time64(unit) for unit in ("us", "ns")),
        *(pa.duration(unit) for unit in ("s", "ns")),
        *(pa.timestamp("us", zone) for zone in (None, "Europe/Berlin")),
        *(pa.date32(), pa.decimal128(38, 2), pa.decimal256(50, 2), pa.uint32(), pa.float32()),
    ],
    ids=str,
)
def test_a_column_of_each_type_may_have_many_values(kind: pa.DataType) -> None:
    count = MAX_EXACT + 5000
    numbers = pa.array(range(count), pa.int32() if kind.bit_width == 32 else pa.int64())
    values = numbers.cast(kind) if pa.types.is_decimal(kind) or pa.types.is_floating(kind) else numbers.view(kind)
    found = profile(pa.concat_arrays([values, values]), range(0, 2 * count, 3000))
    assert found.distinct == pytest.approx(count, rel=0.05)


def test_a_column_in_strict_order_is_unique_however_long_it_is() -> None:
    found = profile(pa.array(range(50_000)), range(0, 50_000, 9_000))
    assert (found.distinct, found.distinct_is_exact, found.unique, found.order) == (50_000, True, True, "ascending")


@pytest.mark.parametrize("kind", [pa.binary(), pa.binary(2)], ids=str)
def test_binary_values_need_not_be_text(kind: pa.DataType) -> None:
    found = profile(pa.array([b"\xff\x00", b"ab", None, b"ab"], kind), [1, 3], share_samples=True)
    assert (found.nulls, found.distinct, found.top) == (1, 2, ())
    assert profile(pa.nulls(2, kind)).distinct == 0


def test_nan_is_missing_and_negative_zero_is_zero() -> None:
    found = profile(pa.array([0.0, -0.0, float("nan"), float("inf"), 2.0, None]))
    assert (found.nulls, found.distinct, found.min, found.max) == (2, 3, 0.0, 2.0)
    assert found.mean == pytest.approx(2 / 3)


def test_texts_have_shapes_and_no_cell_unless_samples_are_shared() -> None:
    cells = pa.array(["Ab-12", "Cd-34", "x" * 50, "Éa-99", "Ab-12", "é 1"])
    found = profile(cells)
    assert [(one.shape, one.count) for one in found.shapes] == [("Aa-99", 4), ("a 9", 1)]
    assert (found.longest, found.min, found.max, found.top) == (50, None, None, ())
    # Letters of other scripts, with their marks, and numbers.
    assert [one.shape for one in profile(pa.array(["हिन्दी १२", "名前½"])).shapes] == ["aaaaaa 99", "aa9"]
    shared = profile(cells, share_samples=True)
    assert (shared.top[0].value, shared.top[0].count) == ("Ab-12", 2)


def test_extremes_of_dates_are_written_as_iso_8601() -> None:
    found = profile(pa.array([date(2024, 1, 31), date(1999, 12, 1)]))
    assert (found.min, found.max, found.mean) == ("1999-12-01", "2024-01-31", None)


@pytest.mark.parametrize(("values", "overflows"), [([2**62, 2**62], True), ([2**62, -(2**62)], True), ([2**61], False)])
def test_integers_whose_sum_may_need_more_than_64_bits_are_known(values: list[int], overflows: bool) -> None:
    batch = pa.RecordBatch.from_arrays([pa.array(values, pa.int64())], names=["x"])
    table = TableProfile(batch.schema)
    table.see(batch)
    assert table.overflowing() == (frozenset({0}) if overflows else frozenset())


def test_too_many_columns_have_no_profile() -> None:
    names = [str(number) for number in range(MAX_COLUMNS + 1)]
    batch = pa.RecordBatch.from_arrays([pa.array([1])] * len(names), names=names)
    table = TableProfile(batch.schema)
    table.see(batch)
    assert table.is_left_out
    assert set(table.result()) == {None}
