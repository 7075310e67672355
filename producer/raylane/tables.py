"""The table catalog, as `producer.tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    """The table catalog, as `producer.tables`."""

    def __init__(self, jobs: Enqueuer) -> None:
        self._jobs = jobs

    async def databases(self, **options: Unpack[JobOptions]) -> JobHandle[DatabasesResult]:
        """Lists the catalog's databases."""
        return await self._jobs.enqueue(ListDatabasesRequest(), DatabasesResult, options)

    async def list(self, database: str, **options: Unpack[JobOptions]) -> JobHandle[TablesResult]:
        """Lists the tables of one database. The job fails with `TableNotFound` if there is no such database."""
        with invalid_requests():
            request = ListTablesRequest(database=database)
        return await self._jobs.enqueue(request, TablesResult, options)

    async def select(
        self, session_id: str, tables: Iterable[tuple[str, str]], **options: Unpack[JobOptions]
    ) -> JobHandle[SelectedTablesResult]:
        """Puts tables, each as `(database, table)`, into the session: all of them, or none."""
        names = list(tables)
        for index, name in enumerate(names):
            if not isinstance(name, tuple) or len(name) != 2:
                raise InvalidRequest.field(f"tables.{index}", "must be a pair (database, table)")
        refs = [{"database": database, "table": table} for database, table in names]
        with invalid_requests():
            # Validated as a whole, so that an error names the place in the list.
            request = SelectTablesRequest.model_validate({"tables": refs})
        return await self._jobs.enqueue(request, SelectedTablesResult, options, session_id=session_id)
