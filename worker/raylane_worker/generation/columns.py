"""The columns of a source of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.wire.sources import TableSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.wire.sources import Column, Source


def named_columns(source: Source) -> Iterator[tuple[str, Column]]:
    """Yields the names of each column: its own, and the one that it has in the file if no other column is called so."""
    columns = columns_of(source)
    taken = {column.name for column in columns}
    for column in columns:
        yield column.name, column
        if column.original_name is not None and column.original_name not in taken:
            yield column.original_name, column


def columns_of(source: Source) -> tuple[Column, ...]:
    """Returns all columns that Ray's reader yields, partition keys last."""
    return source.columns + (source.partition_keys if isinstance(source, TableSource) else ())
