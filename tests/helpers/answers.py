"""Answers of scripts in tests: given to the kit, written, validated by the worker, and read as typed values."""

from __future__ import annotations

import base64
import math
import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from raylane_common.wire.answer import Answer as WireAnswer
from raylane_common.wire.answer import AnswerChart, AnswerColumn, AnswerFile, AnswerTable, AnswerValue
from raylane_worker.run_kit.raylane_run.answer import Answer
from raylane_worker.runs.answer_document import read_answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

_MICROSECOND = timedelta(microseconds=1)


class Given:
    """An answer that a test gives to the kit, in a directory of its own."""

    def __init__(self, directory: Path, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("RAYLANE_OUTPUT_URI", str(directory))
        patch.delenv("RAYLANE_LOCAL", raising=False)
        self.directory = directory
        self.answer = Answer()
        # These processes give many answers, and each would be written again at their end.
        self.answer._writes_at_exit = True

    def written(self) -> bytes:
        """Finishes the answer and returns its document."""
        self.answer.finish()
        return (self.directory / "answer.json").read_bytes()

    def read(self) -> WireAnswer:
        """Finishes the answer and returns it as the worker reads it, which is what Redis keeps."""
        found = read_answer(self.written())
        assert WireAnswer.model_validate_json(found.model_dump_json()) == found
        return found


def given(directory: Path, give: Callable[[Answer], object], patch: pytest.MonkeyPatch) -> WireAnswer:
    """Returns the answer that `give` gives."""
    one = Given(directory, patch)
    give(one.answer)
    return one.read()


def table(answer: WireAnswer, at: int = 0) -> AnswerTable:
    """Returns an item, which is a table."""
    item = answer.items[at]
    assert isinstance(item, AnswerTable)
    return item


def chart(answer: WireAnswer, at: int = 0) -> AnswerChart:
    """Returns an item, which is a chart."""
    item = answer.items[at]
    assert isinstance(item, AnswerChart)
    return item


def value(answer: WireAnswer, at: int = 0) -> AnswerValue:
    """Returns an item, which is a value."""
    item = answer.items[at]
    assert isinstance(item, AnswerValue)
    return item


def file(answer: WireAnswer, at: int = 0) -> AnswerFile:
    """Returns an item, which is a file."""
    item = answer.items[at]
    assert isinstance(item, AnswerFile)
    return item


def types(columns: tuple[AnswerColumn, ...]) -> list[str]:
    """Returns the types of the cells of columns."""
    return [str(column.type) for column in columns]


def decoded(cell: Any, kind: pa.DataType) -> Any:
    """Returns the value of a cell, as docs/wire-format.md describes it. Moments and times are in nanoseconds."""
    is_ = pa.types
    if cell is None:
        return None
    if is_.is_dictionary(kind) or is_.is_run_end_encoded(kind):
        return decoded(cell, kind.value_type)
    if is_.is_integer(kind) or (is_.is_decimal(kind) and kind.scale <= 0):
        return int(cell)
    if is_.is_floating(kind):
        return float(cell)
    if is_.is_decimal(kind):
        return Decimal(cell)
    if is_.is_date(kind):
        return date.fromisoformat(cell)
    if is_.is_time(kind):
        return _nanoseconds(f"1970-01-01T{cell}")
    if is_.is_timestamp(kind):
        assert (kind.tz is None) == (re.search(r"[+-]\d\d:\d\d(:\d\d)?$", cell) is None)
        return _nanoseconds(cell)
    if is_.is_duration(kind):
        return float(cell)
    if is_.is_map(kind):
        return {key: decoded(one, kind.item_type) for key, one in cell.items()}
    if is_.is_struct(kind):
        return {name: decoded(one, kind.field(name).type) for name, one in cell.items()}
    if is_.is_nested(kind):
        return [decoded(one, kind.value_type) for one in cell]
    if not isinstance(cell, str) or is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return cell
    return base64.b64decode(cell, validate=True)


def expected(values: pa.Array | pa.ChunkedArray) -> list[Any]:
    """Returns the values of an Arrow array as `decoded` gives them, by Arrow's own conversion to Python."""
    kind = values.type
    if pa.types.is_timestamp(kind) or pa.types.is_time(kind):
        per_s = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        whole = values.cast(pa.int32() if kind.bit_width == 32 else pa.int64())
        return [None if one is None else one * per_s for one in whole.to_pylist()]
    if pa.types.is_duration(kind):
        per_s = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
        return [None if one is None else one / per_s for one in values.cast(pa.int64()).to_pylist()]
    return [_plain(one, kind) for one in values.to_pylist()]


def _plain(one: Any, kind: pa.DataType) -> Any:
    if isinstance(one, float) or type(one).__module__ == "numpy":
        return None if math.isnan(one) else float(one)
    if isinstance(one, datetime):
        local = one if one.tzinfo else one.replace(tzinfo=UTC)
        return (local - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROSECOND * 1000
    if isinstance(one, time):
        return ((datetime.combine(date.min, one) - datetime.min) // _MICROSECOND) * 1000
    if isinstance(one, timedelta):
        return one / timedelta(seconds=1)
    if isinstance(one, dict):
        return {name: _plain(value, kind.field(name).type) for name, value in one.items()}
    if isinstance(one, list) and pa.types.is_map(kind):
        return {str(key): _plain(value, kind.item_type) for key, value in one}
    if isinstance(one, list):
        return [_plain(value, kind.value_type) for value in one]
    return one


def _nanoseconds(text: str) -> int:
    """Returns a moment in nanoseconds; one without an offset as if it were UTC."""
    match = re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{6}|\d{9}))?([+-]\d\d:\d\d(?::\d\d)?)?", text)
    assert match is not None, text
    moment = datetime.fromisoformat(f"{match[1]}{match[3] or '+00:00'}")
    seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    return seconds * 10**9 + int((match[2] or "0").ljust(9, "0"))
