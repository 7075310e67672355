"""Reads the Glue catalog: the location, format, dialect and columns of tables."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from aiobotocore.session import get_session
from botocore.exceptions import ClientError

from raylane_common.errors import CatalogRejected, CatalogUnavailable, TableNotFound, UnsupportedFormat
from raylane_common.wire.sources import Column, ColumnType, TableFormat, TableSource, readable_uri
from raylane_common.wire.tables import TableSummary
from raylane_worker.data.aws import OPEN_S, Service, aws_call, client_arguments, deadline_s, error_code

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from types_aiobotocore_glue import GlueClient
    from types_aiobotocore_glue.type_defs import ColumnOutputTypeDef, TableTypeDef

    from raylane_common.settings import AwsSettings
    from raylane_common.wire.tables import TableRef

_GLUE: Final = Service("glue", CatalogUnavailable, CatalogRejected)
_NOT_FOUND: Final = "EntityNotFoundException"

_LAZY_SIMPLE_SERDE: Final = "org.apache.hadoop.hive.serde2.lazy.lazysimpleserde"
_OPEN_CSV_SERDE: Final = "org.apache.hadoop.hive.serde2.opencsvserde"
_TEXT: Final = frozenset({TableFormat.CSV, TableFormat.JSON})
_CSV: Final = frozenset({TableFormat.CSV})
_JSON: Final = frozenset({TableFormat.JSON})
_PARQUET: Final = frozenset({TableFormat.PARQUET})
_INPUT_FORMATS: Final = {
    "org.apache.hadoop.mapred.textinputformat": _TEXT,
    "org.apache.hadoop.hive.ql.io.parquet.mapredparquetinputformat": _PARQUET,
}
_SERDES: Final = {
    _LAZY_SIMPLE_SERDE: _CSV,
    _OPEN_CSV_SERDE: _CSV,
    "org.apache.hadoop.hive.ql.io.parquet.serde.parquethiveserde": _PARQUET,
    "org.apache.hadoop.hive.serde2.jsonserde": _JSON,
    "org.apache.hive.hcatalog.data.jsonserde": _JSON,
    "org.openx.data.jsonserde.jsonserde": _JSON,
}
_CLASSIFICATIONS: Final = {"csv": _CSV, "json": _JSON, "parquet": _PARQUET, "glueparquet": _PARQUET}
# Their directories also contain deleted and replaced rows, which only their own readers can skip.
_LAKE_FORMATS: Final = frozenset({"delta", "hudi", "iceberg"})
_HIVE_TYPES: Final = {
    **dict.fromkeys(("tinyint", "smallint", "int", "integer", "bigint", "long"), ColumnType.INTEGER),
    **dict.fromkeys(("float", "double", "double precision", "real", "decimal", "numeric"), ColumnType.NUMBER),
    **dict.fromkeys(("string", "char", "varchar"), ColumnType.STRING),
    **dict.fromkeys(("timestamp", "timestamp with local time zone"), ColumnType.TIMESTAMP),
    "boolean": ColumnType.BOOLEAN,
    "date": ColumnType.DATE,
}
_LOCATION: Final = re.compile(r"s3[an]?://([^/]+)(?:/(.*))?")
_ESCAPED: Final = {r"\t": "\t", r"\001": "\x01", r"\u0001": "\x01"}


class _CsvDialect(NamedTuple):
    delimiter: str
    has_header: bool


class Catalog:
    """The Glue catalog over one client: an async context manager.

    Opening it and every method raise `CatalogUnavailable` if Glue does not answer in time or has a temporary failure,
    and `CatalogRejected`, which says what to change, if Glue refuses the request.
    """

    def __init__(self, aws: AwsSettings) -> None:
        self._aws = aws
        self._stack = AsyncExitStack()
        self._client: GlueClient

    async def __aenter__(self) -> Self:
        async with aws_call(_GLUE, "open the Glue client", OPEN_S):
            client = get_session().create_client("glue", **client_arguments(self._aws))
            self._client = await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def databases(self) -> tuple[str, ...]:
        """Returns the names of all databases, sorted."""
        async with self._call("list databases"):
            pages = self._client.get_paginator("get_databases").paginate()
            return tuple(sorted([found["Name"] async for page in pages for found in page["DatabaseList"]]))

    async def tables(self, database: str) -> tuple[TableSummary, ...]:
        """Returns all tables of the database, sorted by name, including those that cannot be selected.

        Raises `TableNotFound` if there is no such database.
        """
        async with self._call(f"list the tables of {database}"):
            try:
                pages = self._client.get_paginator("get_tables").paginate(DatabaseName=database)
                found = [table async for page in pages for table in page["TableList"]]
            except ClientError as error:
                if error_code(error) == _NOT_FOUND:
                    raise _not_found("database", database) from error
                raise
        return tuple(sorted((_summary(table) for table in found), key=lambda summary: summary.table))

    async def resolve(self, ref: TableRef, job_id: str) -> TableSource:
        """Returns the table as a source that the job `job_id` selected.

        Raises `TableNotFound`, and `UnsupportedFormat`, which says what Ray cannot read.
        """
        name = f"{ref.database}.{ref.table}"
        async with self._call(f"look up table {name}"):
            try:
                answer = await self._client.get_table(DatabaseName=ref.database, Name=ref.table)
            except ClientError as error:
                if error_code(error) == _NOT_FOUND:
                    raise _not_found("table", name) from error
                raise
        return _source(answer["Table"], job_id)

    def _call(self, action: str) -> AbstractAsyncContextManager[None]:
        return aws_call(_GLUE, action, deadline_s(self._aws))


def _not_found(kind: str, name: str) -> TableNotFound:
    return TableNotFound(f"no {kind} {name} in the catalog", details={"missing": [name]})


def _summary(table: TableTypeDef) -> TableSummary:
    reason = None
    try:
        _source(table, job_id="")
    except UnsupportedFormat as error:
        reason = error.message
    descriptor = table.get("StorageDescriptor", {})
    return TableSummary(
        database=table.get("DatabaseName", ""),
        table=table["Name"],
        location=descriptor.get("Location") or None,
        columns=_columns(descriptor.get("Columns", ())),
        partition_keys=_columns(table.get("PartitionKeys", ())),
        supported=reason is None,
        reason=reason,
    )


def _source(table: TableTypeDef, job_id: str) -> TableSource:
    descriptor = table.get("StorageDescriptor", {})
    table_format = _format(table)
    dialect = _csv_dialect(table) if table_format is TableFormat.CSV else _CsvDialect(",", True)
    return TableSource(
        database=table.get("DatabaseName", ""),
        table=table["Name"],
        location=_location(table),
        format=table_format,
        delimiter=dialect.delimiter,
        has_header=dialect.has_header,
        columns=_columns(descriptor.get("Columns", ())),
        partition_keys=_columns(table.get("PartitionKeys", ())),
        size_bytes=_size_bytes(table),
        job_id=job_id,
    )


def _location(table: TableTypeDef) -> str:
    location = table.get("StorageDescriptor", {}).get("Location", "")
    match = _LOCATION.fullmatch(location)
    if match is None:
        problem = f"is at {location!r}, which is not on S3" if location else "has no location"
        raise _unsupported(table, problem)
    bucket, prefix = match[1], (match[2] or "").strip("/")
    return readable_uri(f"s3://{bucket}/" + (f"{prefix}/" if prefix else ""))


def _format(table: TableTypeDef) -> TableFormat:
    """Returns the only format that fits everything that the catalog states. Never guesses from names or by default."""
    if table.get("TableType") == "VIRTUAL_VIEW":
        raise _unsupported(table, "is a view")
    parameters, descriptor = table.get("Parameters", {}), table.get("StorageDescriptor", {})
    for name in ("table_type", "spark.sql.sources.provider", "classification"):
        if parameters.get(name, "").lower() in _LAKE_FORMATS:
            raise _unsupported(table, f"has the table format {parameters[name]}")
    stated = (
        ("input format", descriptor.get("InputFormat", ""), _INPUT_FORMATS),
        ("SerDe", descriptor.get("SerdeInfo", {}).get("SerializationLibrary", ""), _SERDES),
        ("classification", parameters.get("classification", ""), _CLASSIFICATIONS),
    )
    possible = frozenset(TableFormat)
    for what, value, known in stated:
        if value:
            formats = known.get(value.lower())
            if formats is None:
                raise _unsupported(table, f"has {what} {value}")
            possible &= formats
    if len(possible) != 1:
        listed = ", ".join(f"{what} {value or '(none)'}" for what, value, _ in stated)
        raise _unsupported(table, f"does not say which format it has: {listed}")
    return next(iter(possible))


def _csv_dialect(table: TableTypeDef) -> _CsvDialect:
    serde = table.get("StorageDescriptor", {}).get("SerdeInfo", {})
    library = serde.get("SerializationLibrary", "").lower()
    options = {**table.get("Parameters", {}), **serde.get("Parameters", {})}
    if library == _OPEN_CSV_SERDE:
        delimiter = options.get("separatorChar", ",")
        if options.get("quoteChar", '"') != '"':
            raise _unsupported(table, f"has the quote character {options['quoteChar']!r}")
    elif library == _LAZY_SIMPLE_SERDE:
        delimiter = _hive_byte(
            options.get("field.delim") or options.get("delimiter") or options.get("serialization.format") or "\x01"
        )
    else:
        delimiter = options.get("delimiter", ",")
    delimiter = _ESCAPED.get(delimiter, delimiter)
    if len(delimiter) != 1 or not delimiter.isascii() or delimiter in '"\r\n\0':
        raise _unsupported(table, f"has the field separator {delimiter!r}, which is not one ASCII character")
    skipped = options.get("skip.header.line.count", "0")
    if skipped not in ("0", "1") or options.get("skip.footer.line.count", "0") != "0":
        raise _unsupported(table, "has files with a footer or with more than one header line")
    return _CsvDialect(delimiter, has_header=skipped == "1")


def _hive_byte(value: str) -> str:
    """Returns the separator that Hive uses for a value: it reads digits as a character code, so '1' is Ctrl-A."""
    return chr(int(value)) if value.isascii() and value.isdigit() and int(value) < 128 else value


def _columns(columns: Iterable[ColumnOutputTypeDef]) -> tuple[Column, ...]:
    return tuple(_column(column["Name"], column.get("Type", "unknown")) for column in columns)


def _column(name: str, hive_type: str) -> Column:
    base = re.split(r"[(<]", hive_type.strip().lower())[0].strip()
    return Column(name=name, type=_HIVE_TYPES.get(base, ColumnType.OTHER), native_type=hive_type)


def _size_bytes(table: TableTypeDef) -> int | None:
    parameters = table.get("Parameters", {})
    # A crawler writes `sizeKey`; Hive writes `totalSize`.
    size = parameters.get("sizeKey") or parameters.get("totalSize") or ""
    return int(size) if size.isascii() and size.isdigit() else None


def _unsupported(table: TableTypeDef, problem: str) -> UnsupportedFormat:
    name = f"{table.get('DatabaseName', '')}.{table['Name']}"
    return UnsupportedFormat(
        f"table {name} {problem}; only csv, parquet and json on S3 can be read", details={"table": name}
    )
