"""Column names in code exist in the sources that it reads, or are made by the code itself."""

from __future__ import annotations

import ast
import difflib
import re
from typing import TYPE_CHECKING, Final

from raylane_common.wire.generate import Finding
from raylane_common.wire.sources import Column, CsvSource, TableSource
from raylane_worker.generation.checks.script import Script, argument, line_of, text_of, texts_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# After these nobody knows the columns.
_UNKNOWN_FROM_HERE: Final = frozenset(
    {"flat_map", "from_arrow", "from_items", "from_numpy", "from_pandas", "map", "map_batches", "map_groups", "range"}
)
# Methods of Dataset whose first argument names columns, and the name of that argument.
_METHODS: Final = {
    "drop_columns": "cols",
    "groupby": "key",
    "max": "on",
    "mean": "on",
    "min": "on",
    "select_columns": "cols",
    "sort": "key",
    "std": "on",
    "sum": "on",
    "unique": "column",
}
_NEW_COLUMN: Final = {"add_column": "col", "alias": "name", "with_column": "column_name"}
# What an aggregate without an alias is called.
_AGGREGATE_NAME: Final = re.compile(r"\w+\(.*\)", re.DOTALL)
_SHOWN_COLUMNS: Final = 20


def check_columns(script: Script, read: Sequence[CsvSource | TableSource]) -> Iterator[Finding]:
    """Findings about literals that name a column which neither the sources read nor the code has."""
    if not read:
        return
    columns = {column.name for source in read for column in _columns(source)}
    created, unknown_from = _created(script)
    for call in script.calls:
        if _position(call) >= unknown_from or not script.runs_on_driver(call):
            continue
        for literal in _named(script, call):
            name = str(literal.value)
            if name not in columns and name not in created and not _AGGREGATE_NAME.fullmatch(name):
                yield Finding(rule="unknown_column", message=_message(name, columns, read), line=line_of(literal))


def _columns(source: CsvSource | TableSource) -> Iterator[Column]:
    yield from source.columns
    if isinstance(source, TableSource):
        yield from source.partition_keys


def _created(script: Script) -> tuple[set[str], tuple[int, int]]:
    """The columns that the code makes, and the place from which on their names cannot be told."""
    names: set[str] = {"path"}
    unknown_from = (10**9, 0)
    for call in script.calls:
        if not isinstance(call.func, ast.Attribute | ast.Name) or not script.runs_on_driver(call):
            continue
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        made = [one.value for one in call.keywords if one.arg == "alias_name"]
        if method in _NEW_COLUMN:
            made.append(argument(call, 0, _NEW_COLUMN[method]) or call)
        elif method == "rename_columns":
            made += _new_names(call)
        texts = [text for node in made if (text := text_of(node)) is not None]
        names.update(texts)
        if method in _UNKNOWN_FROM_HERE or len(texts) < len(made):
            unknown_from = min(unknown_from, _position(call))
    return names, unknown_from


def _new_names(call: ast.Call) -> list[ast.expr]:
    """The names that a call of `rename_columns` gives; the call itself if they are not written out."""
    match argument(call, 0, "names"):
        case ast.Dict(values=values):
            return values
        case ast.List(elts=items):
            return items
        case _:
            return [call]


def _named(script: Script, call: ast.Call) -> list[ast.Constant]:
    """The literals by which a call names columns."""
    origin = script.origin(call)
    if origin == "ray.data.expressions.col":
        return texts_of(argument(call, 0, "name"))
    if origin.startswith("ray.data.aggregate."):
        return texts_of(argument(call, 0, "on"))
    if isinstance(call.func, ast.Attribute):
        if call.func.attr in _METHODS:
            return texts_of(argument(call, 0, _METHODS[call.func.attr]))
        mapping = argument(call, 0, "names") if call.func.attr == "rename_columns" else None
        if isinstance(mapping, ast.Dict):
            return [key for key in mapping.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    return []


def _position(call: ast.Call) -> tuple[int, int]:
    """Where the called name ends, which orders the links of a chain of calls."""
    return call.func.end_lineno or 0, call.func.end_col_offset or 0


def _message(name: str, columns: set[str], read: Sequence[CsvSource | TableSource]) -> str:
    sources = ", ".join(source.name for source in read)
    nearest = difflib.get_close_matches(name, columns, n=3, cutoff=0.4)
    hint = f"the nearest are {', '.join(map(repr, nearest))}; " if nearest else ""
    shown = ", ".join(map(repr, sorted(columns)[:_SHOWN_COLUMNS])) + (" …" if len(columns) > _SHOWN_COLUMNS else "")
    return f"there is no column {name!r} in {sources}; {hint}the columns are {shown}"
