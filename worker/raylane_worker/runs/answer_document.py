"""Reads the document in which a run wrote its answer. The run may be hostile, so nothing in it is trusted.

What is wrong is an `InvalidAnswer` that says where; no other exception leaves this module.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final, NoReturn

from pydantic import TypeAdapter, ValidationError

from raylane_common.counting import counted
from raylane_common.errors import InvalidAnswer
from raylane_common.wire.answer import (
    FILE_NAME,
    MAX_CHART_ROWS,
    MAX_INLINE_ROWS,
    Answer,
    AnswerChart,
    AnswerFile,
    AnswerTable,
    AnswerValue,
    KnownItem,
)
from raylane_common.wire.names import CellType, ChartKind
from raylane_worker.runs.answer_cells import SAFE_INTEGER, conforms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.answer import AnswerColumn

ANSWER_NAME: Final = "answer.json"
MAX_BYTES: Final = 4 * 1024 * 1024
"""A longer document is not an answer."""
# What a list or an object costs in memory and in Python's search for cycles, which holds up the event loop.
_BRACKET_BYTES: Final = 32
# How much longer records may write an answer than its document does: 9e15 is 9000000000000000.0 there.
_MAX_GROWTH: Final = 6
_MAX_ITEMS: Final = 1000
_MAX_COLUMNS: Final = 5000
_MAX_TITLE: Final = 300
_MAX_NOTE: Final = 2000
# What JSON writes for half of a character, which no UTF-8 can hold; most documents have nothing like it.
_MAY_BE_HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_AMOUNTS: Final = (CellType.INTEGER, CellType.NUMBER, CellType.DECIMAL, CellType.DURATION)
_COMPUTED: Final = {ChartKind.HISTOGRAM: ("start", "end", "count"), ChartKind.BOX: ("min", "q1", "median", "q3", "max")}
_COMPUTED_AXES: Final = {ChartKind.HISTOGRAM: ("x", "y"), ChartKind.BOX: ("y",)}
_ITEM: Final[TypeAdapter[KnownItem]] = TypeAdapter(KnownItem)


def read_answer(document: bytes) -> Answer:
    """Returns the answer. Its files are named and described as the run says; whether they exist is not checked.

    Raises `InvalidAnswer`.
    """
    if len(document) > MAX_BYTES:
        _refuse(f"it has more than {MAX_BYTES // 1024**2} MiB")
    if (document.count(b"[") + document.count(b"{")) * _BRACKET_BYTES > MAX_BYTES:
        _refuse(f"it has more than {MAX_BYTES // _BRACKET_BYTES:,} lists and objects")
    parsed = _parsed(document)
    if not isinstance(parsed, dict):
        _refuse("it is not a JSON object")
    items = _listed(parsed.get("items", []), "items", _MAX_ITEMS)
    notes = _listed(parsed.get("notes", []), "notes", _MAX_ITEMS)
    for number, note in enumerate(notes, 1):
        if not isinstance(note, str) or len(note) > _MAX_NOTE:
            _refuse(f"note {number} is not a text of at most {_MAX_NOTE:,} characters")
    read = tuple(_item(one, f"item {number}") for number, one in enumerate(items, 1))
    answer = Answer(items=read, notes=tuple(str(note) for note in notes))
    if len(document) * _MAX_GROWTH > MAX_BYTES and len(answer.model_dump_json()) > MAX_BYTES:
        _refuse(f"its numbers take more than {MAX_BYTES // 1024**2} MiB in full")
    return answer


def _parsed(document: bytes) -> JsonValue:
    try:
        text = document.decode("utf-8")
        found: JsonValue = _DECODER.decode(text)
        if _MAY_BE_HALF.search(document):
            json.dumps(found, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError as error:
        _refuse(f"it is not UTF-8 at byte {error.start:,}")
    except UnicodeEncodeError:
        _refuse("a text has half of a character")
    except RecursionError:
        _refuse("it is nested too deep")
    except ValueError as error:
        _refuse(f"it is not JSON as an answer has it: {str(error)[:200]}")
    return found


def _whole(text: str) -> int:
    number = int(text) if len(text) <= 17 else SAFE_INTEGER + 1
    if abs(number) > SAFE_INTEGER:
        raise ValueError("an integer beyond 2^53 must be a text")
    return number


def _fraction(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("a number is larger than any float")
    return number


def _constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key occurs twice in an object")
    return found


_DECODER: Final = json.JSONDecoder(
    parse_int=_whole, parse_float=_fraction, parse_constant=_constant, object_pairs_hook=_unique
)


def _listed(value: JsonValue, what: str, longest: int) -> list[JsonValue]:
    if not isinstance(value, list):
        _refuse(f"{what} is not a list")
    if len(value) > longest:
        _refuse(f"{what} has {counted(len(value), 'entry', 'entries')}; at most {longest:,} are allowed")
    return value


def _item(value: JsonValue, what: str) -> KnownItem:
    """Returns an item. Lengths and cells are checked first, because pydantic makes an object for each single error."""
    if not isinstance(value, dict):
        _refuse(f"{what} is not an object")
    for name in ("columns", "rows"):
        if isinstance(found := value.get(name), list):
            _listed(found, f"{name} of {what}", _MAX_COLUMNS if name == "columns" else MAX_CHART_ROWS)
    for name in ("title", "name", "unit"):
        if isinstance(text := value.get(name), str) and len(text) > _MAX_TITLE:
            _refuse(f"{name} of {what} has more than {_MAX_TITLE:,} characters")
    if isinstance(rows := value.get("rows"), list):
        width = len(columns) if isinstance(columns := value.get("columns"), list) else 0
        for number, row in enumerate(rows, 1):
            if not isinstance(row, list) or len(row) != width:
                _refuse(f"row {number} of {what} is not a list of {counted(width, 'cell')}")
    try:
        item = _ITEM.validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        _refuse(f"{what} is no part of an answer: {place[:200]}: {first['msg'][:200]}")
    _check(item, what)
    return item


def _check(item: KnownItem, what: str) -> None:
    match item:
        case AnswerValue():
            if not conforms(item.value, item.value_type):
                _refuse(f"{what} is not of type {item.value_type}")
        case AnswerFile():
            _check_file(item, what)
        case AnswerTable():
            _check_rows(item.columns, item.rows, what)
            _check_table(item, what)
        case AnswerChart():
            _check_rows(item.columns, item.rows, what)
            _check_chart(item, what)


def _check_rows(columns: Sequence[AnswerColumn], rows: Iterable[Sequence[JsonValue]], what: str) -> None:
    _check_names(columns, what)
    kinds = [column.type for column in columns]
    for number, row in enumerate(rows, 1):
        for column, cell, kind in zip(columns, row, kinds, strict=True):
            if not conforms(cell, kind):
                _refuse(f"row {number} of {what} has a value that is not of type {kind} in {column.name[:100]!r}")


def _check_names(columns: Sequence[AnswerColumn], what: str) -> None:
    if not columns:
        _refuse(f"{what} has no columns")
    if len({column.name for column in columns}) != len(columns):
        _refuse(f"{what} has two columns of one name")


def _check_table(table: AnswerTable, what: str) -> None:
    if len(table.rows) > MAX_INLINE_ROWS:
        _refuse(f"{what} has more than {MAX_INLINE_ROWS:,} rows in it")
    if table.total_rows < len(table.rows):
        _refuse(f"{what} has {counted(len(table.rows), 'row')}, but says {table.total_rows:,}")
    if table.file is None:
        if table.total_rows != len(table.rows):
            _refuse(
                f"{what} has {len(table.rows):,} of {counted(table.total_rows, 'row')}, and no file with all of them"
            )
        return
    _check_file(table.file, what)
    if table.file.rows != table.total_rows or table.file.columns != table.columns:
        _refuse(f"{what} and its file {table.file.name} are not the same table")


def _check_file(file: AnswerFile, what: str) -> None:
    if not FILE_NAME.fullmatch(file.name) or file.name == ANSWER_NAME:
        _refuse(f"{what} names a file that no answer writes: {file.name[:100]!r}")
    if file.rows < 0:
        _refuse(f"{what} has a file of {counted(file.rows, 'row')}")
    _check_names(file.columns, what)


def _check_chart(chart: AnswerChart, what: str) -> None:
    kinds = {column.name: column.type for column in chart.columns}
    axes = {"x": chart.x, "y": chart.y, "color": chart.color}
    # A histogram and a box plot have columns of their own in place of these.
    for axis in _COMPUTED_AXES.get(chart.kind, ()):
        del axes[axis]
    if chart.kind not in _COMPUTED and (chart.x is None or chart.y is None):
        _refuse(f"{what}, a {chart.kind} chart, has no x or no y")
    amounts = _COMPUTED.get(chart.kind, () if chart.kind is ChartKind.SCATTER else (str(chart.y),))
    for name in (*amounts, *(axis for axis in axes.values() if axis is not None)):
        if name not in kinds:
            _refuse(f"{what}, a {chart.kind} chart, has no column {name[:100]!r}")
    for name in amounts:
        if kinds[name] not in _AMOUNTS:
            _refuse(f"{what}, a {chart.kind} chart, needs numbers in {name[:100]!r}")


def invalid_answer(problem: str) -> InvalidAnswer:
    """Returns the error for an answer with this problem."""
    return InvalidAnswer(f"the run's {ANSWER_NAME} is not valid: {problem}", details={"problem": problem})


def _refuse(problem: str) -> NoReturn:
    raise invalid_answer(problem)
