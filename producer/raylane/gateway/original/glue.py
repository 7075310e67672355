"""The table catalog: `GET /glue/databases` and `GET /glue/tables/{database}`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel

from raylane.gateway.access.caller import Right
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.original._answers import TAG, OriginalRoute, failures, look_options, result_of
from raylane_common.rules import SessionId

if TYPE_CHECKING:
    from raylane_common.wire.tables import TableSummary

router: APIRouter = APIRouter(route_class=OriginalRoute, tags=[TAG], responses=failures(404, 502, 504))

ForSession = Annotated[
    SessionId | None, Query(description="The session for which the caller looks; without it, `operate` is needed")
]
_PAGE: Final = 1000
# As many as the original app shows.
_SHOWN_COLUMNS: Final = 5


class Databases(BaseModel):
    """The names of all databases."""

    success: Literal[True] = True
    databases: list[str]


class TableColumn(BaseModel):
    """A column, with its type as the catalog names it."""

    name: str
    type: str


class Table(BaseModel):
    """A table with its first five columns. `location` is empty if it has none."""

    name: str
    location: str
    columns: list[TableColumn]


class Tables(BaseModel):
    """All tables of a database."""

    success: Literal[True] = True
    tables: list[Table]


@router.get("/glue/databases", name="original_databases")
async def databases(
    request: Request, gateway: GatewayDep, caller: CallerDep, session_id: ForSession = None
) -> Databases:
    """Lists all databases of the catalog."""
    caller.require(Right.ASK, session_id)
    names: list[str] = []
    cursor: str | None = None
    while True:
        job = await gateway.producer.tables.databases(limit=_PAGE, cursor=cursor, **look_options(gateway))
        page = await result_of(job, gateway, request)
        names += page.databases
        cursor = page.next_cursor
        if cursor is None:
            return Databases(databases=names)


@router.get("/glue/tables/{database}", name="original_tables")
async def tables(
    database: str, request: Request, gateway: GatewayDep, caller: CallerDep, session_id: ForSession = None
) -> Tables:
    """Lists all tables of a database."""
    caller.require(Right.ASK, session_id)
    found: list[Table] = []
    cursor: str | None = None
    while True:
        job = await gateway.producer.tables.list(database, limit=_PAGE, cursor=cursor, **look_options(gateway))
        page = await result_of(job, gateway, request)
        found += map(_shown, page.tables)
        cursor = page.next_cursor
        if cursor is None:
            return Tables(tables=found)


def _shown(table: TableSummary) -> Table:
    columns = [TableColumn(name=one.name, type=one.native_type) for one in table.columns[:_SHOWN_COLUMNS]]
    return Table(name=table.table, location=table.location or "", columns=columns)
