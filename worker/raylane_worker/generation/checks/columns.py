"""Checks that every column that a script names exists in the sources that it reads, or is created by the script."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import AstScript, argument, finding_at, quote, text_of, texts_of
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.nearest import NearestNames

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.generate import Finding
    from raylane_common.wire.sources import Source

# After these methods the columns are unknown.
_MAKES_COLUMNS_UNKNOWN: Final = frozenset(
    {"flat_map", "from_arrow", "from_items", "from_numpy", "from_pandas", "map", "map_batches", "map_groups", "range"}
)
# Methods of Dataset whose first argument names columns, with the keyword of that argument.
_COLUMN_ARGUMENTS: Final = {
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
_NEW_COLUMN_ARGUMENTS: Final = {"add_column": "col", "alias": "name", "with_column": "column_name"}
# The name of an aggregate without an alias, such as `mean(wind)`.
_DEFAULT_AGGREGATE_NAME: Final = re.compile(r"\w+\(.*\)", re.DOTALL)
# A wide table has hundreds of columns; the nearest names are listed separately.
_MAX_LISTED_COLUMNS: Final = 20
_MAX_LISTED_SOURCES: Final = 5


def check_columns(script: AstScript, sources: Sequence[Source]) -> Iterator[Finding]:
    """Yields a finding for each literal that names an unknown column. `sources` are those that the script reads."""
    if not sources:
        return
    columns = {column.name for source in sources for column in columns_of(source)}
    nearest, listed = NearestNames(sorted(columns)), _listed(columns, sources)
    created, unknown_from = _created_columns(script)
    for call in script.calls:
        if _position(call) >= unknown_from or not script.runs_on_driver(call):
            continue
        for literal in _column_literals(script, call):
            name = str(literal.value)
            if name not in columns and name not in created and not _DEFAULT_AGGREGATE_NAME.fullmatch(name):
                yield finding_at("unknown_column", literal, _message(name, nearest, listed))


def _created_columns(script: AstScript) -> tuple[set[str], tuple[int, int]]:
    """Returns the columns that the script creates, and the position after which column names are unknown."""
    names: set[str] = {"path"}
    unknown_from = (10**9, 0)
    for call in script.calls:
        if not isinstance(call.func, ast.Attribute | ast.Name) or not script.runs_on_driver(call):
            continue
        method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
        made = [one.value for one in call.keywords if one.arg == "alias_name"]
        if method in _NEW_COLUMN_ARGUMENTS:
            made.append(argument(call, 0, _NEW_COLUMN_ARGUMENTS[method]) or call)
        elif method == "rename_columns":
            made += _new_names(call)
        texts = [text for node in made if (text := text_of(node)) is not None]
        names.update(texts)
        if method in _MAKES_COLUMNS_UNKNOWN or len(texts) < len(made):
            unknown_from = min(unknown_from, _position(call))
    return names, unknown_from


def _new_names(call: ast.Call) -> list[ast.expr]:
    """Returns the new names in a call of `rename_columns`, or the call itself if they are not literals."""
    match argument(call, 0, "names"):
        case ast.Dict(values=values):
            return values
        case ast.List(elts=items):
            return items
        case _:
            return [call]


def _column_literals(script: AstScript, call: ast.Call) -> list[ast.Constant]:
    """Returns the literals of a call that name columns."""
    origin = script.origin(call)
    if origin == "ray.data.expressions.col":
        return texts_of(argument(call, 0, "name"))
    if origin.startswith("ray.data.aggregate."):
        return texts_of(argument(call, 0, "on"))
    if isinstance(call.func, ast.Attribute):
        if call.func.attr in _COLUMN_ARGUMENTS:
            return texts_of(argument(call, 0, _COLUMN_ARGUMENTS[call.func.attr]))
        mapping = argument(call, 0, "names") if call.func.attr == "rename_columns" else None
        if isinstance(mapping, ast.Dict):
            return [key for key in mapping.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
    return []


def _position(call: ast.Call) -> tuple[int, int]:
    """Returns where the name of the called method ends. This puts the calls of a chain in order."""
    return call.func.end_lineno or 0, call.func.end_col_offset or 0


def _message(name: str, nearest: NearestNames, listed: str) -> str:
    likely = nearest.find(name)
    hint = f"the nearest are {', '.join(map(quote, likely))}; " if likely else ""
    return f"there is no column {quote(name)}; {hint}{listed}"


def _listed(columns: set[str], sources: Sequence[Source]) -> str:
    """Returns the names of the sources and their first columns, for all messages of one script."""
    names = ", ".join(quote(source.name) for source in sources[:_MAX_LISTED_SOURCES])
    shown = ", ".join(map(quote, sorted(columns)[:_MAX_LISTED_COLUMNS]))
    return f"the columns of {names} are {shown}{' …' if len(columns) > _MAX_LISTED_COLUMNS else ''}"
