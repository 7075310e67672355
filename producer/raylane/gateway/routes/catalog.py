"""The table catalog, as a worker sees it: `/v1/catalog`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query
from starlette.requests import Request
from starlette.responses import Response

from raylane.gateway.access.caller import Right
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.looks import LOOK_S, NOT_YET, LookWaitS, look
from raylane.gateway.openapi import problems
from raylane_common.errors import invalid_requests
from raylane_common.rules import CatalogName, SessionId
from raylane_common.wire.tables import DatabasesResult, ListDatabasesRequest, ListTablesRequest, TablesResult

router: APIRouter = APIRouter(prefix="/v1/catalog", tags=["catalog"])

Session = Annotated[
    SessionId | None, Query(description="The session for which the caller looks; without it, `operate` is needed")
]
Pattern = Annotated[str | None, Query(min_length=1, max_length=255, description="Which names: `*` matches any text")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many to list")]
# Servers take addresses of up to 64 KiB, and a character may need twelve of them.
Cursor = Annotated[str | None, Query(max_length=5000, description="`next_cursor` of the page before")]


@router.get(
    "/databases", response_model=DatabasesResult, responses=NOT_YET | problems(502), summary="List the databases"
)
async def list_databases(
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    session_id: Session = None,
    pattern: Pattern = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    wait_s: LookWaitS = LOOK_S,
) -> Response:
    """Returns the names of the catalog's databases, sorted. It needs the right `ask`, as selecting a table does."""
    caller.require(Right.ASK, session_id)
    with invalid_requests():
        asked = ListDatabasesRequest(pattern=pattern, limit=limit, cursor=cursor)
    return await look(gateway, request, asked, wait_s, session_id)


@router.get(
    "/databases/{database}/tables",
    response_model=TablesResult,
    responses=NOT_YET | problems(404, 502),
    summary="List the tables of a database",
)
async def list_tables(
    database: Annotated[CatalogName, Path()],
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    session_id: Session = None,
    pattern: Pattern = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    wait_s: LookWaitS = LOOK_S,
) -> Response:
    """Returns the tables of one database with their columns, and whether each can be selected."""
    caller.require(Right.ASK, session_id)
    with invalid_requests():
        asked = ListTablesRequest(database=database, pattern=pattern, limit=limit, cursor=cursor)
    return await look(gateway, request, asked, wait_s, session_id)
