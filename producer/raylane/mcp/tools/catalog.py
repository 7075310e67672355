"""`list_tables`: what the catalog has, to be added to a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, TypeVar

from pydantic import Field

from raylane.gateway.access.caller import Right
from raylane.mcp.results import CatalogData, CatalogListing, TableLine
from raylane.mcp.tool import Arguments, Reply, SessionId, Tool
from raylane.mcp.untrusted import shown_text
from raylane_common.counting import counted
from raylane_common.errors import WaitTimeout

if TYPE_CHECKING:
    from raylane.handle import JobHandle
    from raylane.mcp.call import Call
    from raylane_common.wire.tables import TableSummary

_LOOK_S: Final = 20.0
# Nobody waits for a look of this age. Otherwise looks would pile up where no worker is.
_STALE_S: Final = 60.0
_MOST: Final = 100
_MOST_COLUMNS: Final = 50
_MAX_NAME: Final = 255
_MAX_REASON: Final = 500

ResultT = TypeVar("ResultT")


class CatalogArguments(Arguments):
    """What to list."""

    session_id: SessionId
    database: Annotated[
        str | None, Field(min_length=1, max_length=_MAX_NAME, description="Whose tables; leave it out for databases")
    ] = None
    pattern: Annotated[
        str | None, Field(min_length=1, max_length=_MAX_NAME, description="Which names: `*` matches any text")
    ] = None
    cursor: Annotated[str | None, Field(max_length=65_536, description="`next_cursor` of the page before")] = None


async def _list_tables(call: Call, given: CatalogArguments) -> Reply[CatalogListing]:
    # The catalog belongs to no session; whoever may add any table to one may look for it.
    call.session(given.session_id, Right.ASK)
    tables = call.producer.tables
    if given.database is None:
        looking = await tables.databases(pattern=given.pattern, limit=_MOST, cursor=given.cursor, expires_s=_STALE_S)
        found = await _seen(call, looking)
        names = [shown_text(name, _MAX_NAME) for name in found.databases]
        listing = CatalogListing(next_cursor=found.next_cursor, data=CatalogData(databases=names))
        return Reply(f"{counted(len(names), 'database')}.", listing)
    job = await tables.list(given.database, pattern=given.pattern, limit=_MOST, cursor=given.cursor, expires_s=_STALE_S)
    page = await _seen(call, job)
    lines = [_line(table) for table in page.tables]
    return Reply(
        f"{counted(len(lines), 'table')}.", CatalogListing(next_cursor=page.next_cursor, data=CatalogData(tables=lines))
    )


async def _seen(call: Call, looking: JobHandle[ResultT]) -> ResultT:
    """Returns what a look finds. Raises `WaitTimeout` that says whether anybody is looking."""
    wait_s = min(_LOOK_S, call.scope.wait_timeout_s)
    try:
        return await looking.result(wait_s)
    except WaitTimeout as error:
        takers = await looking.workers()
        reason = "" if takers.workers else f"; no worker takes jobs of the lane {takers.lane} now"
        raise WaitTimeout(f"the catalog was not read in {wait_s:g} s{reason}; call list_tables again") from error


def _line(table: TableSummary) -> TableLine:
    columns = (*table.columns, *table.partition_keys)
    more = len(columns) - _MOST_COLUMNS
    return TableLine(
        name=shown_text(f"{table.database}.{table.table}", 2 * _MAX_NAME),
        columns=[shown_text(f"{column.name} {column.type}", _MAX_NAME) for column in columns[:_MOST_COLUMNS]],
        more_columns=more if more > 0 else None,
        unsupported=None if table.supported else shown_text(table.reason or "unknown", _MAX_REASON),
    )


TOOLS: Final = (
    Tool(
        "list_tables",
        "List the tables of the catalog",
        "Lists the databases of the AWS Glue catalog, or the tables of one of them with their columns. add_tables adds "
        "tables to a session.",
        CatalogArguments,
        CatalogListing,
        _list_tables,
        reads=True,
    ),
)
