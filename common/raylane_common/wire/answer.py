"""The answer of a run: values, tables, charts and files, typed.

The kit writes it as JSON below the run's output prefix, the worker validates it, and the record and the result keep it.
docs/wire-format.md says how each type of cell is written.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal

from pydantic import ConfigDict, Field, JsonValue

from raylane_common.counting import counted
from raylane_common.errors import InvalidRequest
from raylane_common.model import Model
from raylane_common.showing import Bundled, Shown
from raylane_common.wire.names import CellType as CellType
from raylane_common.wire.names import ChartKind as ChartKind

if TYPE_CHECKING:
    import pandas as pd

MAX_INLINE_ROWS: Final = 1000
"""Rows of a table that an answer holds itself. All rows of a longer table are in its file."""
MAX_CHART_ROWS: Final = 5000
"""Rows of a chart. The kit refuses longer ones."""
FILE_NAME: Final = re.compile(r"[^\s./\\:\x00-\x1f\x7f][^/\\:\x00-\x1f\x7f]{0,199}\.(parquet|csv|json)")
"""The names that a file of an answer may have. The kit has the same rule, because it imports nothing of Raylane."""
RESERVED_FILE_NAME: Final = re.compile(r"answer\.json|table-\d+\.parquet")
"""The names that the kit gives to files itself."""


class AnswerColumn(Model):
    """One column of a table, chart or file of an answer."""

    name: str
    type: CellType
    native_type: str = Field(default="", description="The type's name in Arrow")


class AnswerFile(Shown, Model):
    """A file that a run wrote: on its own, or with all rows of a table."""

    type: Literal["file"] = "file"
    name: str = Field(description="Its name below the output prefix of the run")
    s3_uri: str = Field(default="", description="Where it is")
    rows: int = Field(ge=0)
    columns: tuple[AnswerColumn, ...]
    size_bytes: int = Field(default=0, ge=0)


class AnswerValue(Shown, Model):
    """One value with its name; None if there is none."""

    type: Literal["value"] = "value"
    name: str
    value: JsonValue
    value_type: CellType
    unit: str | None = None


class AnswerTable(Shown, Model):
    """A table with its first rows. If these are not all, `file` has all of them as Parquet."""

    type: Literal["table"] = "table"
    title: str | None = None
    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[JsonValue, ...], ...]
    total_rows: int = Field(ge=0)
    file: AnswerFile | None = None

    def to_pandas(self, *, partial: bool = False) -> pd.DataFrame:
        """Returns the table as a frame of pandas.

        Raises `InvalidRequest` if the answer does not hold all rows, unless its first ones are enough (`partial`), and
        `MissingPackage` without the extra `[pandas]`.
        """
        from raylane_common.wire.frames import frame_of  # with pandas

        if len(self.rows) < self.total_rows and not partial:
            held = f"the answer holds {len(self.rows):,} of {counted(self.total_rows, 'row')}"
            hint = "producer.to_pandas(job) gets all, and to_pandas(partial=True) gives these"
            raise InvalidRequest.field("partial", f"{held}; {hint}")
        return frame_of(self.columns, self.rows)


class AnswerChart(Bundled, Model):
    """A chart with the data that it shows.

    `x`, `y` and `color` name columns. A histogram has the columns `start`, `end` and `count`, one row for each bin;
    a box plot has those of `x` and `color`, and `min`, `q1`, `median`, `q3` and `max` of `y`, one row for each box.
    """

    type: Literal["chart"] = "chart"
    kind: ChartKind
    title: str | None = None
    x: str | None = None
    y: str | None = None
    color: str | None = None
    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[JsonValue, ...], ...]

    def to_pandas(self) -> pd.DataFrame:
        """Returns what the chart shows as a frame. Raises `MissingPackage` without the extra `[pandas]`."""
        from raylane_common.wire.frames import frame_of  # with pandas

        return frame_of(self.columns, self.rows)


class OpaqueItem(Model):
    """A part of an answer of a newer version that this version cannot read. It keeps all fields, as attributes."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="allow")

    type: str


KnownItem = Annotated[AnswerValue | AnswerTable | AnswerChart | AnswerFile, Field(discriminator="type")]
AnswerItem = Annotated[KnownItem | OpaqueItem, Field(union_mode="left_to_right")]


class Answer(Shown, Model):
    """What a run found, in the order in which the script gave it. `notes` explain it to people."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    items: tuple[AnswerItem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it has no items, or only missing values, and tables, charts and files without rows."""
        return all(map(_is_empty, self.items))

    @property
    def files(self) -> tuple[AnswerFile, ...]:
        """The files that the run wrote: those given as files, and those with all rows of a long table."""
        found = (item.file if isinstance(item, AnswerTable) else item for item in self.items)
        return tuple(file for file in found if isinstance(file, AnswerFile))

    @property
    def tables(self) -> tuple[AnswerTable, ...]:
        """The tables, in their order."""
        return tuple(item for item in self.items if isinstance(item, AnswerTable))

    def table(self, number: int = 1) -> AnswerTable:
        """Returns one of the tables, counted from 1. Raises `InvalidRequest` that says how many there are."""
        tables = self.tables
        if isinstance(number, int) and 1 <= number <= len(tables):
            return tables[number - 1]
        if not tables:
            raise InvalidRequest.field("table", "the answer has no table")
        count = f"{len(tables)} tables" if len(tables) > 1 else "one table"
        raise InvalidRequest.field("table", f"there is no table {number}, because the answer has {count}")

    def to_pandas(self, table: int = 1, *, partial: bool = False) -> pd.DataFrame:
        """Returns one of the tables, counted from 1, as a frame of pandas. Without tables, one row with the values.

        Raises what `AnswerTable.to_pandas` raises, and `InvalidRequest` if the answer has no such table.

        Example:
            job = await producer.generate("mean of amount by region", session_id="ada", execute=True)
            result = await job.result(timeout_s=300)
            print(result.answer.to_pandas())
        """
        values = [item for item in self.items if isinstance(item, AnswerValue)]
        if table != 1 or not values or self.tables:
            return self.table(table).to_pandas(partial=partial)
        from raylane_common.wire.frames import frame_of  # with pandas

        columns = [AnswerColumn(name=item.name, type=item.value_type) for item in values]
        return frame_of(columns, [[item.value for item in values]])


def _is_empty(item: AnswerItem) -> bool:
    match item:
        case AnswerValue():
            return item.value is None or item.value in ([], {})
        case AnswerTable():
            is_whole = len(item.rows) == item.total_rows
            return is_whole and all(cell is None for row in item.rows for cell in row)
        case AnswerChart() | AnswerFile():
            return not item.rows
        case _:
            return False
