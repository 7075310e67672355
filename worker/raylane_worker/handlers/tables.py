"""`tables` jobs: list databases and tables of the catalog, add tables to a session, and remove them.

Everything is safe to repeat: a session has one field per table, so selecting again writes the same fields. A job that
removes tables notes that in its progress first, so that its next attempt does not miss the tables that are gone.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, assert_never

from raylane_common.counting import counted
from raylane_common.errors import TableNotFound
from raylane_common.wire.sources import TableSource
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
from raylane_worker.context import Handler

if TYPE_CHECKING:
    from raylane_common.wire.tables import AnyTablesResult, TableRef, TablesRequest
    from raylane_worker.context import JobContext

# A selection has up to 100 tables; Glue throttles an account that sends them all at once.
_LOOKUPS_AT_ONCE: Final = 8
_DESELECTING: Final = "deselecting"


async def tables(request: TablesRequest, ctx: JobContext) -> AnyTablesResult:
    """Performs the request's action.

    Raises `TableNotFound`, `UnsupportedFormat`, `SessionFull`, `CatalogUnavailable`, `CatalogRejected` and what
    `JobPort` raises.
    """
    match request:
        case ListDatabasesRequest():
            await ctx.progress("listing", "databases")
            names, cursor = await (await ctx.catalog()).databases(request)
            return DatabasesResult(databases=names, next_cursor=cursor)
        case ListTablesRequest(database=database):
            await ctx.progress("listing", f"tables of {database}")
            tables, cursor = await (await ctx.catalog()).tables(database, request)
            return TablesResult(tables=tables, next_cursor=cursor)
        case SelectTablesRequest():
            return await _select(request, ctx)
        case DeselectTablesRequest():
            return await _deselect(request, ctx)
        case _:
            assert_never(request)


async def _select(request: SelectTablesRequest, ctx: JobContext) -> SelectedTablesResult:
    """Adds all tables of the request to the session in one step, or none if one of them cannot be used."""
    refs = tuple(dict.fromkeys(request.tables))
    await ctx.progress("resolving", counted(len(refs), "table"))
    catalog = await ctx.catalog()
    slots = asyncio.Semaphore(_LOOKUPS_AT_ONCE)

    async def look_up(ref: TableRef) -> TableSource | None:
        async with slots:
            try:
                return await catalog.resolve(ref, ctx.job_id)
            except TableNotFound:
                return None  # one error names all missing tables

    try:
        async with asyncio.TaskGroup() as group:
            lookups = [group.create_task(look_up(ref)) for ref in refs]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from failures
    found = [(ref, lookup.result()) for ref, lookup in zip(refs, lookups, strict=True)]
    if missing := [f"{ref.database}.{ref.table}" for ref, source in found if source is None]:
        raise TableNotFound(
            f"the catalog has no tables {', '.join(missing)}; `raylane tables list DATABASE` lists what it has",
            details={"missing": [*missing]},
        )
    sources = tuple(source for _, source in found if source is not None)
    await ctx.resources.sources.put(ctx.session_id, sources, ctx.resources.settings.sessions)
    return SelectedTablesResult(sources=sources)


async def _deselect(request: DeselectTablesRequest, ctx: JobContext) -> DeselectedTablesResult:
    """Removes all tables of the request from the session, or none if the session does not have one of them."""
    refs = tuple(dict.fromkeys(request.tables))
    began = ctx.record.progress is not None and ctx.record.progress.stage == _DESELECTING
    wanted = {f"{ref.database}.{ref.table}" for ref in refs}
    found = await ctx.resources.sources.all(ctx.session_id)
    tables = [source for source in found if isinstance(source, TableSource) and source.name in wanted]
    missing = sorted(wanted.difference(source.name for source in tables))
    if missing and not began:
        raise TableNotFound(
            f"the session has no tables {', '.join(missing)}; `raylane sources` lists what it has",
            details={"missing": [*missing]},
        )
    await ctx.progress(_DESELECTING, counted(len(refs), "table"))
    await ctx.resources.sources.clear(ctx.session_id, tables)
    return DeselectedTablesResult(tables=refs)


HANDLER: Final = Handler(tables)
