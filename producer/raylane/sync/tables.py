"""Actions on the table catalog, as `producer.tables`.

Written by docs/generate_sync.py from tables.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from raylane.sync.handle import JobHandle
from raylane.sync.twin import Twin
from raylane.tables import TableActions as AsyncTableActions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane.options import JobOptions
    from raylane_common.wire.tables import DatabasesResult, DeselectedTablesResult, SelectedTablesResult, TablesResult


class TableActions(Twin[AsyncTableActions]):
    """Actions on the table catalog, as `producer.tables`. Each method takes the options of a job (see `JobOptions`)."""

    def databases(
        self, *, pattern: str | None = None, limit: int = 100, cursor: str | None = None, **options: Unpack[JobOptions]
    ) -> JobHandle[DatabasesResult]:
        """Lists the catalog's databases: up to `limit` names, at most 1,000, that match `pattern`, such as `sales_*`.

        `cursor` is the `next_cursor` of the page before. Raises `InvalidRequest` for a wrong argument.

        Example:
            job = producer.tables.databases()
            result = job.result(timeout_s=60)
            print(result.databases)
        """
        return JobHandle(
            self._call(self._async.databases, pattern=pattern, limit=limit, cursor=cursor, **options), self._use
        )

    def list(
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
            job = producer.tables.list("shop", pattern="order*")
            result = job.result(timeout_s=60)
            print([table.table for table in result.tables if table.supported])
        """
        return JobHandle(
            self._call(self._async.list, database, pattern=pattern, limit=limit, cursor=cursor, **options), self._use
        )

    def select(
        self, session_id: str, tables: Iterable[tuple[str, str]], **options: Unpack[JobOptions]
    ) -> JobHandle[SelectedTablesResult]:
        """Adds tables to the sources of the session `session_id`: all of them, or none.

        `tables` are up to 100 pairs `(database, table)`. Raises `InvalidRequest` for anything else. The job fails with
        `TableNotFound` or `UnsupportedFormat`.

        Example:
            job = producer.tables.select("ada", [("shop", "orders"), ("shop", "items")])
            result = job.result(timeout_s=60)
            print([source.name for source in result.sources])
        """
        return JobHandle(self._call(self._async.select, session_id, tables, **options), self._use)

    def deselect(
        self, session_id: str, tables: Iterable[tuple[str, str]], **options: Unpack[JobOptions]
    ) -> JobHandle[DeselectedTablesResult]:
        """Removes tables from the sources of the session `session_id`: all of them, or none.

        `tables` are up to 100 pairs `(database, table)`. Raises `InvalidRequest` for anything else. The job fails with
        `TableNotFound` if the session does not have one of them.

        Example:
            job = producer.tables.deselect("ada", [("shop", "items")])
            job.result(timeout_s=60)
        """
        return JobHandle(self._call(self._async.deselect, session_id, tables, **options), self._use)
