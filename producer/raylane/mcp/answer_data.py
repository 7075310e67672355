"""An answer as a tool returns it: typed, in its order, and bounded, with the name of whatever is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from raylane.mcp.untrusted import as_json, shown_text, shown_value
from raylane_common.counting import counted
from raylane_common.wire.answer import AnswerChart, AnswerFile, AnswerTable, AnswerValue
from raylane_common.wire.names import CellType, ChartKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.answer import Answer, AnswerColumn, AnswerItem

MAX_CHARACTERS: Final = 40_000
"""The characters that the answer may take in one result, about 10,000 tokens: what common clients still show."""
MAX_CELL: Final = 1000
"""The characters of one cell. A longer one is cut, and says so."""
_SHORT_CELL: Final = 40
# Beside its cells, a table has the names of its columns, and a result has the names of its parts.
_MAX_COLUMNS: Final = 200
_MAX_NAME: Final = 200


class _Data(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


def absent(value: object) -> bool:
    """Returns whether a field is left out, because it has no value."""
    return value is None


class ColumnData(_Data):
    """One column of a table."""

    name: str
    type: CellType


class ValueData(_Data):
    """One value with its name; null if there is none."""

    type: Literal["value"] = "value"
    name: str
    value: JsonValue
    value_type: CellType
    unit: str | None = Field(default=None, exclude_if=absent)


class TableData(_Data):
    """Some rows of a table. `rest` says how to get all others."""

    type: Literal["table"] = "table"
    number: int = Field(description="The number of the table in the answer, from 1")
    title: str | None = Field(default=None, exclude_if=absent)
    columns: list[ColumnData]
    rows: list[list[JsonValue]] = Field(description="One cell for each column; null if there is no value")
    first_row: int = Field(description="The number of the first row here, from 1")
    total_rows: int
    rest: str | None = Field(default=None, exclude_if=absent, description="What is not here, and where it is")


class ChartData(_Data):
    """What a chart shows. `get_chart` draws it."""

    type: Literal["chart"] = "chart"
    number: int = Field(description="The number of the chart in the answer, from 1")
    kind: ChartKind
    title: str | None = Field(default=None, exclude_if=absent)
    x: str | None = Field(default=None, exclude_if=absent)
    y: str | None = Field(default=None, exclude_if=absent)
    color: str | None = Field(default=None, exclude_if=absent)
    rows: int


class FileData(_Data):
    """A file that the run wrote to S3."""

    type: Literal["file"] = "file"
    name: str
    s3_uri: str
    rows: int
    size_bytes: int


class NewerData(_Data):
    """A part of the answer that a newer version wrote, and that this version cannot read."""

    type: Literal["newer"] = "newer"
    written_as: str


ItemData = Annotated[ValueData | TableData | ChartData | FileData | NewerData, Field(discriminator="type")]


class AnswerData(_Data):
    """The answer of a run, in the order in which the code gave it."""

    items: list[ItemData]
    notes: list[str] = Field(default_factory=list, description="What the code says about the answer")
    left_out: str | None = Field(default=None, exclude_if=absent, description="Parts that are not here, if any")


def answer_data(
    answer: Answer, job_id: str, *, table: int | None = None, first_row: int = 1, max_rows: int
) -> AnswerData:
    """Returns an answer with up to `max_rows` rows of each table, in at most about `MAX_CHARACTERS` characters.

    With the number of a `table`, returns this table alone, from its row `first_row`.
    """
    room = _Room(MAX_CHARACTERS)
    items: list[ItemData] = []
    tables = charts = left_out = 0
    for item in answer.items:
        tables += isinstance(item, AnswerTable)
        charts += isinstance(item, AnswerChart)
        if table is not None and not (isinstance(item, AnswerTable) and tables == table):
            continue
        number = tables if isinstance(item, AnswerTable) else charts
        if room.left > 0:
            items.append(_item(item, number, job_id, first_row, max_rows, room))
        else:
            left_out += 1
    notes: list[str] = []
    for note in answer.notes if table is None else ():
        if room.left > 0:
            notes.append(room.text(note))
        else:
            left_out += 1
    said = (
        f"{counted(left_out, 'more item or note', 'more items or notes')}, in raylane://jobs/{job_id}/answer"
        if left_out
        else None
    )
    return AnswerData(items=items, notes=notes, left_out=said)


class _Room:
    """How many characters a result may still take. What is taken last may exceed it."""

    def __init__(self, characters: int) -> None:
        self.left = characters

    def text(self, text: str, limit: int = MAX_CELL) -> str:
        """Returns a text of the answer, shortened, and takes the room for it."""
        shown = shown_text(text, limit)
        self.left -= len(shown)
        return shown

    def name(self, text: str | None) -> str | None:
        """Returns the name of a column or a title, shortened, and takes the room for it."""
        return None if text is None else self.text(text, _MAX_NAME)

    def rows(self, rows: Sequence[Sequence[JsonValue]]) -> list[list[JsonValue]]:
        """Returns as many of the rows as there is room for, but always the first."""
        kept: list[list[JsonValue]] = []
        for row in rows:
            cells = [_cell(cell, MAX_CELL) for cell in row]
            if not kept and len(as_json(cells)) > self.left:
                cells = [_cell(cell, _SHORT_CELL) for cell in row]
            elif kept and len(as_json(cells)) > self.left:
                break
            self.left -= len(as_json(cells))
            kept.append(cells)
        return kept


def _item(item: AnswerItem, number: int, job_id: str, first_row: int, max_rows: int, room: _Room) -> ItemData:
    match item:
        case AnswerValue():
            value = _cell(item.value, MAX_CELL)
            room.left -= len(as_json(value))
            return ValueData(
                name=room.text(item.name), value=value, value_type=item.value_type, unit=room.name(item.unit)
            )
        case AnswerTable():
            return _table(item, number, job_id, first_row, max_rows, room)
        case AnswerChart():
            return ChartData(
                number=number,
                kind=item.kind,
                title=room.name(item.title),
                x=room.name(item.x),
                y=room.name(item.y),
                color=room.name(item.color),
                rows=len(item.rows),
            )
        case AnswerFile():
            return FileData(
                name=room.text(item.name), s3_uri=room.text(item.s3_uri), rows=item.rows, size_bytes=item.size_bytes
            )
        case _:
            return NewerData(written_as=room.text(item.type))


def _table(table: AnswerTable, number: int, job_id: str, first_row: int, max_rows: int, room: _Room) -> TableData:
    columns = [_column(column, room) for column in table.columns[:_MAX_COLUMNS]]
    start = first_row - 1
    rows = room.rows([row[: len(columns)] for row in table.rows[start : start + max_rows]])
    return TableData(
        number=number,
        title=room.name(table.title),
        columns=columns,
        rows=rows,
        first_row=first_row,
        total_rows=table.total_rows,
        rest=_rest(table, number, job_id, start, start + len(rows)),
    )


def _rest(table: AnswerTable, number: int, job_id: str, start: int, end: int) -> str | None:
    """Returns where the other rows and columns are; None if there are none."""
    parts = []
    if end < len(table.rows):
        parts.append(f"from row {end + 1}: get_answer with table={number}, first_row={end + 1}")
    if start and len(table.rows):
        parts.append(f"before row {start + 1}: get_answer with table={number}, first_row=1")
    if table.total_rows > len(table.rows):
        beyond = f"rows {len(table.rows) + 1} to {table.total_rows}"
        where = f"all rows are in {shown_text(table.file.s3_uri or table.file.name, MAX_CELL)}" if table.file else ""
        parts.append(f"{beyond}: {where or 'they were not kept'}")
    if len(table.columns) > _MAX_COLUMNS:
        more = len(table.columns) - _MAX_COLUMNS
        parts.append(f"{more} more columns: in raylane://jobs/{job_id}/answer")
    return "; ".join(parts) or None


def _column(column: AnswerColumn, room: _Room) -> ColumnData:
    return ColumnData(name=room.text(column.name, _MAX_NAME), type=column.type)


def _cell(cell: JsonValue, limit: int) -> JsonValue:
    """Returns a cell: numbers and truth values as they are, texts shortened, long nested values as shortened JSON."""
    match cell:
        case str():
            return shown_text(cell, limit)
        case list() | dict():
            text = as_json(cell)
            return shown_value(cell) if len(text) <= limit else shown_text(text, limit)
        case _:
            return cell
