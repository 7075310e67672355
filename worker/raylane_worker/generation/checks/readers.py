"""The dataset that a reader of Ray Data makes of the session's sources."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import text_of
from raylane_worker.generation.checks.values import Dataset, Text, texts

if TYPE_CHECKING:
    from raylane_worker.generation.checks.datasets import Arguments
    from raylane_worker.generation.checks.locations import Locations

# A CSV file takes several times its size as rows in the driver, which shares its node with other work.
_LARGE_BYTES: Final = 64 * 1024 * 1024


def read_dataset(call: ast.Call, arguments: Arguments, locations: Locations) -> tuple[Dataset, tuple[Text, ...] | None]:
    """Returns the dataset that a reader makes, and which of its columns it chooses; None if it takes all.

    The columns are unknown if the path is, or if an option may change them.
    """
    paths = texts(arguments.get(0, "paths")) or ()
    read = [source for text in paths if (source := locations.source(text.value)) is not None]
    is_large = any(source.data_bytes is None or source.data_bytes > _LARGE_BYTES for source in read)
    chosen = arguments.named.get("columns")
    options = next((one.value for one in call.keywords if one.arg == "read_options"), None)
    renamed = () if options is None else _column_names(options)
    if not read or renamed is None or "convert_options" in arguments.named or not arguments.is_complete:
        return Dataset(None, is_large), None
    columns, *others = map(locations.columns, read)
    if others or renamed:
        columns = columns.union(renamed, *others)
    if "include_paths" in arguments.named:
        columns |= {"path"}
    if "columns" in arguments.named and texts(chosen) is None:
        return Dataset(None, is_large), None
    return Dataset(columns, is_large), texts(chosen)


def _column_names(options: ast.expr) -> list[str] | None:
    """Returns the literal `column_names` of reading options; None if they are not literal."""
    match options:
        case ast.Call(keywords=[ast.keyword(arg="column_names", value=ast.List(elts=elements))]):
            names = [text_of(element) for element in elements]
            return None if None in names else [name for name in names if name is not None]
        case _:
            return None
