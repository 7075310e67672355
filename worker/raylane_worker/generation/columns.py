"""The columns of a source of any type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.wire.sources import TableSource

if TYPE_CHECKING:
    from raylane_common.wire.sources import Column, Source


def columns_of(source: Source) -> tuple[Column, ...]:
    """Returns all columns that Ray's reader yields, partition keys last."""
    return source.columns + (source.partition_keys if isinstance(source, TableSource) else ())
