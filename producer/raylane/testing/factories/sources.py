"""Sources of a session for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.testing.factories.made import made
from raylane_common.errors import InvalidRequest
from raylane_common.wire.names import ColumnType
from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, FileSource, TableSource

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS: Final = {"region": "string", "amount": "number"}
"""The columns of everything that is made here, unless a test names others."""
_ARROW: Final = {
    ColumnType.INTEGER: "int64",
    ColumnType.NUMBER: "double",
    ColumnType.BOOLEAN: "bool",
    ColumnType.DATE: "date32[day]",
    ColumnType.TIME: "time64[us]",
    ColumnType.TIMESTAMP: "timestamp[us]",
}


def make_columns(types: Mapping[str, ColumnType | str] | None = None) -> tuple[Column, ...]:
    """Returns columns: `make_columns({"region": "string", "amount": "number"})`, which is the default.

    Raises `InvalidRequest` for an unknown type.

    Example:
        source = make_source(columns=make_columns({"city": "string", "founded": "date"}))
        print(source.columns[1].type)
    """
    found = []
    for name, kind in (COLUMNS if types is None else types).items():
        if kind not in set(ColumnType):
            raise InvalidRequest.field(f"columns.{name}", f"must be one of {', '.join(ColumnType)}, not {kind!r}")
        column_type = ColumnType(kind)
        found.append(made(Column, {"native_type": _ARROW.get(column_type, "string")}, {"name": name, "type": kind}))
    return tuple(found)


def make_source(filename: str = "sales.csv", *, session_id: str = "ada", **fields: object) -> FileSource:
    """Returns a file of a session. `fields` are those of `FileSource`. Raises `InvalidRequest` for a wrong one.

    Example:
        source = make_source("cities.csv", rows=1461)
        print(source.s3_uri, source.rows)
    """
    defaults = {
        "filename": filename,
        "s3_uri": s3_uri(session_id, filename),
        "size_bytes": 42,
        "rows": 2,
        "columns": make_columns(),
        "job_id": "upload-1",
    }
    return made(FileSource, defaults, fields)


def make_table_source(name: str = "shop.orders", **fields: object) -> TableSource:
    """Returns a table of a session, by its name `database.table`. `fields` are those of `TableSource`.

    Raises `InvalidRequest` for a wrong one.

    Example:
        table = make_table_source("lake.events")
        print(table.location)
    """
    database, _, table = name.partition(".")
    defaults = {
        "database": database,
        "table": table,
        "location": f"s3://warehouse/{database}/{table}/",
        "reading": TableReading(serde=SerDe.PARQUET),
        "columns": make_columns(),
        "job_id": "select-1",
    }
    return made(TableSource, defaults, fields)


def s3_uri(session_id: str, filename: str) -> str:
    """Returns where a worker puts an uploaded file."""
    return f"s3://raylane/sessions/{session_id}/csv/{filename}"
