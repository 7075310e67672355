"""Actions on the table catalog, as `producer.tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common import checks
from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.wire.tables import (
    DatabasesResult,
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

    async def databases(self, **options: Unpack[JobOptions]) -> JobHandle[DatabasesResult]:
        """Lists the catalog's databases.

        Example:
            job = await producer.tables.databases()
            result = await job.result(timeout_s=60)
            print(result.databases)
        """
        return await self._jobs.enqueue(ListDatabasesRequest(), DatabasesResult, options)

    async def list(self, database: str, **options: Unpack[JobOptions]) -> JobHandle[TablesResult]:
        """Lists the tables of one database. The job fails with `TableNotFound` if the database does not exist.

        Example:
            job = await producer.tables.list("shop")
            result = await job.result(timeout_s=60)
            print([table.table for table in result.tables if table.supported])
        """
        with invalid_requests():
            request = ListTablesRequest(database=database)
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
        names = checks.listed("tables", tables, "pairs (database, table)")
        refs = []
        for index, name in enumerate(names):
            if not isinstance(name, tuple) or len(name) != 2:
                raise InvalidRequest.field(f"tables.{index}", "must be a pair (database, table)")
            refs.append({"database": name[0], "table": name[1]})
        with invalid_requests():
            # Validated as a whole, so that an error names the position in the list.
            request = SelectTablesRequest.model_validate({"tables": refs})
        return await self._jobs.enqueue(request, SelectedTablesResult, options, session_id=session_id)
