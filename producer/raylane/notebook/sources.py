"""Sources of a session in a notebook: where they are, and what is known of their columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.notebook import html
from raylane_common.wire.sources import FileSource, TableSource

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import AnySource, Column

_MAX_COLUMNS: Final = 100


def source_pieces(source: AnySource) -> Iterator[str]:
    """Yields the pieces of a source."""
    match source:
        case FileSource():
            yield html.facts(
                [
                    ("file", source.name),
                    ("location", source.s3_uri),
                    ("rows", f"{source.rows:,}"),
                    ("bytes", f"{source.size_bytes:,}"),
                    ("prepared copy", source.prepared.s3_uri if source.prepared else None),
                ]
            )
            yield columns_table(source.columns)
            yield from (html.note(f"warning: {warning}") for warning in source.warnings)
        case TableSource():
            keys = ", ".join(column.name for column in source.partition_keys)
            yield html.facts([("table", source.name), ("location", source.location), ("partitioned by", keys)])
            yield columns_table((*source.columns, *source.partition_keys))
        case _:
            yield html.note(f"{source.name}: a newer version wrote it; upgrade to see it")


def sources_table(sources: Sequence[AnySource]) -> str:
    """Returns the sources of a session as a table."""
    return html.table(["source", "type", "rows", "columns"], [_row(source) for source in sources])


def _row(source: AnySource) -> list[str]:
    rows = f"{source.rows:,}" if isinstance(source, FileSource) else ""
    columns = source.columns if isinstance(source, FileSource | TableSource) else ()
    return [source.name, source.type, rows, ", ".join(column.name for column in columns)]


def columns_table(columns: Sequence[Column]) -> str:
    """Returns the columns with their types, and what their profile says."""
    rows = [_column(column) for column in columns[:_MAX_COLUMNS]]
    shown = html.table(["column", "type", "missing", "different", "from", "to"], rows)
    more = len(columns) - _MAX_COLUMNS
    return shown + html.note(f"… {more:,} more columns") if more > 0 else shown


def _column(column: Column) -> list[str]:
    profile = column.profile
    if profile is None:
        return [column.name, column.type, "", "", "", ""]
    about = "" if profile.distinct_is_exact else "about "
    ends = ["" if end is None else str(end) for end in (profile.min, profile.max)]
    return [column.name, column.type, f"{profile.nulls:,}", f"{about}{profile.distinct:,}", *ends]


def preview_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """Returns the first rows of a file, whose cells are texts."""
    shown = columns[:_MAX_COLUMNS]
    return html.table([column.name for column in shown], [[*row[: len(shown)]] for row in rows])
