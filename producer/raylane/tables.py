"""Actions on the table catalog, as `producer.tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common import checks
from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.wire.tables import (
    DatabasesResult,
    DeselectedTablesResult,
    DeselectTablesRequest,
    ListDatabasesRequest,
    ListTablesRequest,
    SelectedTablesResult,
    SelectTablesRequest,
    TablesResult,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Unpack

    from raylane.handle import JobHandle
    from raylane.options import Enqueuer, JobOptions


class TableActions:
    """Actions on the table catalog, as `producer.tables`. Each method takes the options of a job (see `JobOptions`)."""

    def __init__(self, jobs: Enqueuer) -> None:
        self._jobs = jobs

    async def databases(
        self,
        *,
        pattern: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[DatabasesResult]:
        """Lists the catalog's databases: up to `limit` names, at most 1,000, that match `pattern`, such as `sales_*`.

        `cursor` is the `next_cursor` of the page before. Raises `InvalidRequest` for a wrong argument.

        Example:
            job = await producer.tables.databases()
            result = await job.result(timeout_s=60)
            print(result.databases)
        """
        with invalid_requests():
            request = ListDatabasesRequest(pattern=pattern, limit=limit, cursor=cursor)
        return await self._jobs.enqueue(request, DatabasesResult, options)

    async def list(
        self,
        database: str,
        *,
        pattern: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
        **options: Unpack[JobOptions],
    ) -> JobHandle[TablesResult]:
        """Lists the tables of one database: up to `limit`, at most 1,000, whose names match `pattern`.

        `cursor` is the `next_cursor` of the page before. The job fails with `TableNotFound` if the database does not
        exist. Raises `InvalidRequest` for a wrong argument.

        Example:
            job = await producer.tables.list("shop", pattern="order*")
            result = await job.result(timeout_s=60)
            print([table.table for table in result.tables if table.supported])
        """
        with invalid_requests():
            request = ListTablesRequest(database=database, pattern=pattern, limit=limit, cursor=cursor)
        return await self._jobs.enqueue(request, TablesResult, options)

    async def select(
        self, session_id: str, tables: Iterable[tuple[str, str]], **options: Unpack[JobOptions]
    ) -> JobHandle[SelectedTablesResult]:
        """Adds tables to the sources of the session `session_id`: all of them, or none.

        `tables` are up to 100 pairs `(database, table)`. Raises `InvalidRequest` for anything else. The job fails with
        `TableNotFound` or `UnsupportedFormat`.

        Example:
            job = await producer.tables.select("ada", [("shop", "orders"), ("shop", "items")])
            result = await job.result(timeout_s=60)
            print([source.name for source in result.sources])
        """
        with invalid_requests():
            # Validated as a whole, so that an error names the position in the list.
            request = SelectTablesRequest.model_validate({"tables": _refs(tables)})
        return await self._jobs.enqueue(request, SelectedTablesResult, options, session_id=session_id)

    async def deselect(
        self, session_id: str, tables: Iterable[tuple[str, str]], **options: Unpack[JobOptions]
    ) -> JobHandle[DeselectedTablesResult]:
        """Removes tables from the sources of the session `session_id`: all of them, or none.

        `tables` are up to 100 pairs `(database, table)`. Raises `InvalidRequest` for anything else. The job fails with
        `TableNotFound` if the session does not have one of them.

        Example:
            job = await producer.tables.deselect("ada", [("shop", "items")])
            await job.result(timeout_s=60)
        """
        with invalid_requests():
            request = DeselectTablesRequest.model_validate({"tables": _refs(tables)})
        return await self._jobs.enqueue(request, DeselectedTablesResult, options, session_id=session_id)


def _refs(tables: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    refs = []
    for index, name in enumerate(checks.listed("tables", tables, "pairs (database, table)")):
        if not isinstance(name, tuple) or len(name) != 2:
            raise InvalidRequest.field(f"tables.{index}", "must be a pair (database, table)")
        refs.append({"database": name[0], "table": name[1]})
    return refs
