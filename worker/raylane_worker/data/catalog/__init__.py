"""Reads the Glue catalog: databases, tables, and the partitions that are registered."""

from __future__ import annotations

from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Final, Self, TypedDict

from botocore.exceptions import ClientError

from raylane_common.errors import CatalogRejected, CatalogUnavailable, TableChanged, TableNotFound, UnsupportedFormat
from raylane_common.telemetry.metrics import NO_METRICS
from raylane_common.wire.tables import TableRef
from raylane_worker.data.aws import OPEN_S, Service, aws_call, client_arguments, deadline_s, error_code
from raylane_worker.data.aws.counted import count_calls
from raylane_worker.data.aws.spans import traced_session
from raylane_worker.data.catalog.entries import check_apart, summarize, to_partition, to_source
from raylane_worker.data.catalog.pages import PAGE_SIZE, collect

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from types_aiobotocore_glue import GlueClient
    from types_aiobotocore_glue.type_defs import TableTypeDef

    from raylane_common.settings import AwsSettings
    from raylane_common.telemetry.metrics import Metrics
    from raylane_common.wire.sources import Column, Partition, TableSource
    from raylane_common.wire.tables import Listing, TableSummary

_GLUE: Final = Service("glue", CatalogUnavailable, CatalogRejected)
_NOT_FOUND: Final = "EntityNotFoundException"

# A job keeps the partitions of its tables in its record; this is about 20,000 of them.
_MAX_PARTITIONS_BYTES: Final = 1024 * 1024


class _Continuing(TypedDict, total=False):
    NextToken: str


class Catalog:
    """The Glue catalog over one client: an async context manager.

    Opening it and every method raise `CatalogUnavailable` if Glue does not answer in time or has a temporary failure,
    and `CatalogRejected`, which says what to change, if Glue refuses the request.
    """

    def __init__(self, aws: AwsSettings, metrics: Metrics = NO_METRICS) -> None:
        """`metrics` counts the requests."""
        self._aws = aws
        self._metrics = metrics
        self._stack = AsyncExitStack()
        self._client: GlueClient

    async def __aenter__(self) -> Self:
        async with aws_call(_GLUE, "open the Glue client", OPEN_S):
            client = traced_session().create_client("glue", **client_arguments(self._aws))
            self._client = await self._stack.enter_async_context(client)
            count_calls(self._client, self._metrics)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def databases(self, listing: Listing) -> tuple[tuple[str, ...], str | None]:
        """Returns one page of the names of databases, and the cursor of the next page.

        Raises `InvalidRequest` for a wrong cursor.
        """

        async def fetch(token: str | None) -> tuple[list[tuple[str, str]], str | None]:
            async with self._call("list databases"):
                answer = await self._client.get_databases(MaxResults=PAGE_SIZE, **_continuing(token))
            return [(found["Name"], found["Name"]) for found in answer["DatabaseList"]], answer.get("NextToken")

        names, cursor = await collect(listing, fetch, lambda _: 0)
        return tuple(names), cursor

    async def tables(self, database: str, listing: Listing) -> tuple[tuple[TableSummary, ...], str | None]:
        """Returns one page of the tables of the database, with those that cannot be selected, and the next cursor.

        Raises `TableNotFound` if there is no such database, and `InvalidRequest` for a wrong cursor.
        """

        async def fetch(token: str | None) -> tuple[list[tuple[str, TableTypeDef]], str | None]:
            async with self._call(f"list the tables of {database}"):
                try:
                    answer = await self._client.get_tables(
                        DatabaseName=database, MaxResults=PAGE_SIZE, **_continuing(token)
                    )
                except ClientError as error:
                    if error_code(error) == _NOT_FOUND:
                        raise _not_found("database", database) from error
                    raise
            return [(table["Name"], table) for table in answer["TableList"]], answer.get("NextToken")

        found, cursor = await collect(listing, fetch, _count_columns)
        return tuple(map(summarize, found)), cursor

    async def resolve(self, ref: TableRef, job_id: str) -> TableSource:
        """Returns the table as a source that the job `job_id` selected.

        Raises `TableNotFound`, and `UnsupportedFormat`, which says what Ray cannot read.
        """
        return to_source(await self._entry(ref), job_id)

    async def partitions(self, source: TableSource) -> tuple[Partition, ...]:
        """Returns the partitions that are registered now, sorted by their values; none if the table has no keys.

        Raises `TableNotFound`, `TableChanged` if the table has changed in the catalog since it was selected, and
        `UnsupportedFormat` if a partition cannot be read, or there are too many.
        """
        ref = TableRef(database=source.database, table=source.table)
        entry = await self._entry(ref)
        _check_unchanged(entry, source)
        if not source.partition_keys:
            return ()
        found: list[Partition] = []
        size, token = 0, None
        while True:
            async with self._call(f"list the partitions of {source.name}"):
                answer = await self._client.get_partitions(
                    DatabaseName=ref.database, TableName=ref.table, **_continuing(token)
                )
            for one in answer["Partitions"]:
                partition = to_partition(one, entry, source)
                size += len(partition.model_dump_json())
                found.append(partition)
            if size > _MAX_PARTITIONS_BYTES:
                raise UnsupportedFormat(
                    f"table {source.name} has more than {len(found)} registered partitions, too many for one job; "
                    "select a table with fewer",
                    details={"table": source.name},
                )
            token = answer.get("NextToken")
            if not token:
                check_apart(found, source)
                return tuple(sorted(found, key=lambda one: one.values))

    async def _entry(self, ref: TableRef) -> TableTypeDef:
        name = f"{ref.database}.{ref.table}"
        async with self._call(f"look up table {name}"):
            try:
                answer = await self._client.get_table(DatabaseName=ref.database, Name=ref.table)
            except ClientError as error:
                if error_code(error) == _NOT_FOUND:
                    raise _not_found("table", name) from error
                raise
        return answer["Table"]

    def _call(self, action: str) -> AbstractAsyncContextManager[None]:
        return aws_call(_GLUE, action, deadline_s(self._aws))


def _not_found(kind: str, name: str) -> TableNotFound:
    command = "databases" if kind == "database" else f"list {name.partition('.')[0]}"
    return TableNotFound(
        f"the catalog has no {kind} {name}; `raylane tables {command}` lists what it has", details={"missing": [name]}
    )


def _continuing(token: str | None) -> _Continuing:
    return {} if token is None else {"NextToken": token}


def _count_columns(table: TableTypeDef) -> int:
    return len(table.get("StorageDescriptor", {}).get("Columns", ()))


def _check_unchanged(entry: TableTypeDef, source: TableSource) -> None:
    now = to_source(entry, source.job_id)
    for what, was, found in (
        ("location", source.location, now.location),
        ("format", source.reading, now.reading),
        ("columns", _named_types(source.columns), _named_types(now.columns)),
        ("partition keys", _named_types(source.partition_keys), _named_types(now.partition_keys)),
    ):
        if was != found:
            raise TableChanged(
                f"the {what} of table {source.name} changed in the catalog since it was selected; select it again",
                details={"table": source.name, "changed": what},
            )


def _named_types(columns: Iterable[Column]) -> list[tuple[str, str]]:
    return [(column.name, column.native_type) for column in columns]
