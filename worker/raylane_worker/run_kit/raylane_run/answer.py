"""Takes the answer of a script: prints it for people, and writes it below the output prefix of the run for programs.

The script says `from raylane_run import answer` and calls its methods. docs/wire-format.md describes `answer.json`.
See docs/decisions/0039.
"""

from __future__ import annotations

import atexit
import json
import os
import re
import sys
import traceback
from typing import TYPE_CHECKING, Any, Final

from .printing import cell_text, line_text, show, table_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from .answer_columns import Rows
    from .cells import Json

_OUTPUT_VARIABLE: Final = "RAYLANE_OUTPUT_URI"
_LOCAL_VARIABLE: Final = "RAYLANE_LOCAL"
_ANSWER_NAME: Final = "answer.json"
_INLINE_ROWS: Final = 1000
# Of all tables together. A small table is always whole.
_INLINE_BYTES: Final = 1024 * 1024
_SMALL_BYTES: Final = 64 * 1024
# The worker reads no more.
_MAX_BYTES: Final = 3 * 1024 * 1024
_BRACKET_BYTES: Final = 32
_MAX_ITEMS: Final = 1000
_VALUE_BYTES: Final = 64 * 1024
_TITLE_CHARACTERS: Final = 300
_NOTE_CHARACTERS: Final = 2000
_FILE_NAME: Final = re.compile(r"[^\s./\\:\x00-\x1f\x7f][^/\\:\x00-\x1f\x7f]{0,199}\.(parquet|csv|json)")
_RESERVED: Final = re.compile(r"answer\.json|table-\d+\.parquet")


class Answer:
    """The answer of one script. Each method prints what it is given, and raises before anything is written.

    Rows are a DataFrame or Series, an Arrow table, a Ray Dataset, or a list of rows as dicts.
    """

    def __init__(self) -> None:
        self._items: list[str] = []
        self._notes: list[str] = []
        self._bytes = 0
        self._inline_bytes = _INLINE_BYTES
        self._tables = 0
        self._file_names: set[str] = set()
        self._is_written = False
        self._writes_at_exit = False

    def value(self, name: str, x: Any, unit: str | None = None) -> None:  # any object that is a value
        """Adds one value: a number, text, date or time, a list or dict of them, or None if there is none.

        Raises `TypeError` for other objects, and `ValueError` for more than 64 KiB.
        """
        from .answer_objects import to_value

        kind, cell = to_value(_single(name, x))
        text = json.dumps(cell, ensure_ascii=False)
        if len(text.encode()) > _VALUE_BYTES:
            problem = f"value {name!r} takes {len(text):,} characters, and an answer's value at most {_VALUE_BYTES:,}"
            raise ValueError(f"{problem}; give it to answer.file")
        unit = None if unit is None else _line(unit, _TITLE_CHARACTERS)
        name = _line(name, _TITLE_CHARACTERS)
        self._add({"type": "value", "name": name, "value": cell, "value_type": kind, "unit": unit})
        show(f"{line_text(name, _TITLE_CHARACTERS)}: {cell_text(cell)}{f' {cell_text(unit)}' if unit else ''}")

    def table(self, data: Any, title: str | None = None) -> None:  # any object that holds rows
        """Adds a table. The answer itself holds at most 1,000 of its rows; a longer one is also written as Parquet.

        Raises `TypeError` for an object that does not hold rows, and `ValueError` for rows that no answer can hold.
        """
        from .answer_rows import rows_of

        rows = rows_of(data)
        title = None if title is None else _line(title, _TITLE_CHARACTERS)
        inline = self._inline(rows)
        item: dict[str, Json] = {
            "type": "table",
            "title": title,
            "columns": [column.described for column in rows.columns],
            "rows": [*inline],
            "total_rows": rows.total,
        }
        if len(inline) < rows.total:
            self._tables += 1
            name = f"table-{self._tables}.parquet"
            self._write(rows, name)
            item["file"] = _file_item(rows, name)
        self._add(item)
        if title:
            show(line_text(title, _TITLE_CHARACTERS))
        show(table_text([(column.name, column.cells) for column in rows.columns], inline, rows.total))

    def chart(
        self,
        kind: str,
        data: Any = None,  # any object that holds rows
        x: str | None = None,
        y: str | None = None,
        color: str | None = None,
        title: str | None = None,
    ) -> None:
        """Adds a chart of the columns `x` and `y`, which `color` divides.

        The kinds "bar", "line", "scatter" and "pie" show at most 5,000 rows. "histogram" of `x` and "box" of `y` are
        computed from any number of rows whose values in these columns fit into memory.

        Raises `ValueError` for a column that is missing or of a type that the chart cannot show, and for too many rows;
        `TypeError` for an object that does not hold rows.
        """
        from .charts import chart_data

        if data is None:
            raise ValueError(f"{kind} chart: data= is missing; give the rows to draw")
        drawn = chart_data(kind, data, x, y, color)
        axes: dict[str, Json] = {
            axis: str(drawn.labels[name]["name"]) if name in drawn.labels else name
            for axis, name in (("x", x), ("y", y), ("color", color))
        }
        title = None if title is None else _line(title, _TITLE_CHARACTERS)
        self._add(
            {"type": "chart", "kind": kind, "title": title, **axes, "columns": [*drawn.columns], "rows": [*drawn.rows]}
        )
        if drawn.left_out:
            values = "infinite value" if drawn.left_out == 1 else "infinite values"
            self.note(f"The {kind} chart leaves out {drawn.left_out:,} {values} of {y or x}.")
        show(f"{kind} chart{f' {line_text(title, _TITLE_CHARACTERS)!r}' if title else ''}, {_rows(len(drawn.rows))}")

    def file(self, data: Any, name: str) -> None:  # any object that holds rows
        """Writes all rows as a file below the run's output prefix: "name.parquet", "name.csv" or "name.json".

        Raises `ValueError` for another name or one that is taken, and what `table` raises.
        """
        from .answer_rows import rows_of

        match = _FILE_NAME.fullmatch(name) if isinstance(name, str) else None
        if match is None or _whole(name) != name:
            raise ValueError(f"file name {name!r}: give a plain name that ends with .parquet, .csv or .json")
        if _RESERVED.fullmatch(name) or name in self._file_names:
            raise ValueError(f"file name {name!r} is taken; choose another one")
        rows = rows_of(data)
        self._file_names.add(name)
        is_written = self._write(rows, name)
        self._add(_file_item(rows, name))
        show(f"{name}: {_rows(rows.total)}{'' if is_written else ', not written'}")

    def note(self, text: str) -> None:
        """Adds a sentence for people about the answer."""
        note = _line(text, _NOTE_CHARACTERS)
        if len(self._notes) >= _MAX_ITEMS:
            raise ValueError(f"an answer has at most {_MAX_ITEMS:,} notes")
        self._grow(note)
        self._notes.append(note)
        self._write_at_exit()
        show(f"Note: {line_text(note, _NOTE_CHARACTERS)}")

    def finish(self) -> None:
        """Writes `answer.json`, once, if the run has an output prefix. The script must not add anything later."""
        prefix = _output_uri()
        if self._is_written or prefix is None:
            return
        self._is_written = True
        notes = json.dumps(self._notes, ensure_ascii=False)
        document = f'{{"items": [{", ".join(self._items)}], "notes": {notes}}}'
        _write_file(prefix, _ANSWER_NAME, lambda stream: stream.write(document.encode()))

    def _inline(self, rows: Rows) -> list[list[Json]]:
        """Returns the first rows, as many as the answer itself holds."""
        allowed = max(self._inline_bytes // 2, _SMALL_BYTES)
        found: list[list[Json]] = []
        taken = 0
        for row in rows.cells(_INLINE_ROWS):
            size = _size(json.dumps(row, ensure_ascii=False))
            if taken + size > allowed:
                break
            taken += size
            found.append(row)
        self._inline_bytes -= taken
        return found

    def _add(self, item: dict[str, Json]) -> None:
        if self._is_written:
            raise RuntimeError("the answer is already written; add to it before answer.finish()")
        if len(self._items) >= _MAX_ITEMS:
            raise ValueError(f"an answer has at most {_MAX_ITEMS:,} parts; put the values into one table")
        text = json.dumps(item, ensure_ascii=False, allow_nan=False)
        self._grow(text)
        self._items.append(text)
        self._write_at_exit()

    def _grow(self, text: str) -> None:
        size = _size(text)
        if self._bytes + size > _MAX_BYTES:
            limit = f"{_MAX_BYTES // 1024**2} MiB"
            raise ValueError(
                f"the answer takes more than {limit}; give fewer columns, or write a file with answer.file"
            )
        self._bytes += size

    def _write(self, rows: Rows, name: str) -> bool:
        """Writes all rows, if the run has an output prefix."""
        prefix = _output_uri()
        if prefix is None:
            return False
        from .answer_files import write_rows

        _write_file(prefix, name, lambda stream: write_rows(rows, name.rpartition(".")[2], stream))
        return True

    def _write_at_exit(self) -> None:
        if self._writes_at_exit or _output_uri() is None:
            return
        # At exit, Arrow closes S3. What is registered after that comes before it.
        from . import filesystem  # noqa: F401

        atexit.register(self._finish_at_exit)
        self._writes_at_exit = True

    def _finish_at_exit(self) -> None:
        if hasattr(sys, "last_type"):  # which is set if the script ends with an exception
            return
        try:
            self.finish()
        except Exception:
            # Python prints what is raised here and ends well, so the run would succeed without its answer.
            traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(1)


def _size(text: str) -> int:
    """Returns what a part of the answer counts: its bytes, and memory for each list and object."""
    return len(text.encode()) + 2 + (text.count("[") + text.count("{")) * _BRACKET_BYTES


def _single(name: str, x: Any) -> Any:
    """Returns the only value of a frame, a Series or an array; any other object as it is."""
    size = getattr(x, "size", None)
    if isinstance(size, int) and hasattr(x, "ndim") and hasattr(x, "to_numpy" if hasattr(x, "iloc") else "tolist"):
        if size != 1:
            raise TypeError(f"value {name!r}: a {type(x).__name__} with {size:,} values; give it to answer.table")
        if hasattr(x, "iloc"):
            return x.iloc[0] if x.ndim == 1 else x.iloc[0, 0]
        return x.reshape(-1)[0]
    return x


def _whole(text: str) -> str:
    from .cells import whole_text

    return whole_text(text)


def _line(text: Any, characters: int) -> str:
    """Returns a text for people that is not longer than this."""
    found = _whole(text if isinstance(text, str) else str(text))
    return found if len(found) <= characters else f"{found[: characters - 1]}…"


def _file_item(rows: Rows, name: str) -> dict[str, Json]:
    return {
        "type": "file",
        "name": name,
        "rows": rows.total,
        "columns": [column.described for column in rows.columns],
    }


def _output_uri() -> str | None:
    uri = os.environ.get(_OUTPUT_VARIABLE)
    return uri if uri and os.environ.get(_LOCAL_VARIABLE, "") in ("", "0") else None


def _write_file(prefix: str, name: str, write: Callable[[Any], object]) -> None:  # to a file of pyarrow, untyped
    """Lets `write` fill a file below the prefix, again if the bucket is in another region."""
    from . import filesystem

    def fill(files: Any, directory: str) -> None:
        if files.type_name == "local":
            files.create_dir(directory)
        with files.open_output_stream(f"{directory.rstrip('/')}/{name}") as stream:
            write(stream)

    filesystem.in_its_region(prefix, fill)


answer: Final = Answer()
"""The answer of this script."""


def _rows(number: int) -> str:
    return f"{number:,} row{'' if number == 1 else 's'}"
