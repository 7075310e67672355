"""Sessions: select tables, reset, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from raylane import arguments
from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, Gateway, GatewayDep
from raylane.gateway.original._answers import TAG, OriginalRoute, failures, result_of
from raylane.gateway.original._output import NO_OUTPUT, printed_by
from raylane.gateway.told import told_of_job
from raylane_common.errors import InvalidRequest, NotFound
from raylane_common.ray.models import RunStatus
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.names import JobKind
from raylane_common.wire.sources import FileSource, OpaqueSource, TableSource

if TYPE_CHECKING:
    from raylane.history import HistoryEntry

router: APIRouter = APIRouter(route_class=OriginalRoute, tags=[TAG], responses=failures())

# The records of all of them are read at once, and each may hold up to 1 MiB of code.
_MAX_HISTORY: Final = 200
# Of one request to select or deselect some.
_MAX_TABLES: Final = 100
_FRAMEWORK: Final = "ray"


class TableName(BaseModel):
    """One table of the catalog."""

    database: str
    table: str


class SelectedTable(TableName):
    """A table that is a source of the session, and where its files are."""

    location: str


class SelectBody(BaseModel):
    """The tables that the session shall have, and no others. `session_id` is that of the path."""

    tables: list[TableName]
    session_id: str | None = None


class Selected(BaseModel):
    """The tables that are now sources of the session."""

    success: Literal[True] = True
    selected_tables: list[SelectedTable]


class Done(BaseModel):
    """The sources are no longer there."""

    success: Literal[True] = True
    message: str


class Conversation(BaseModel):
    """A question, and the code that was written for it. `timestamp` is in epoch seconds."""

    type: Literal["generation"] = "generation"
    prompt: str
    generated_code: str
    timestamp: float
    framework: str = _FRAMEWORK
    job_id: str


class Execution(BaseModel):
    """A run of code, and what it printed or why it failed. `timestamp` is in epoch seconds."""

    code: str
    result: str
    timestamp: float
    success: bool
    framework: str = _FRAMEWORK
    job_id: str


class History(BaseModel):
    """What was asked and what ran in the session, oldest first."""

    success: Literal[True] = True
    session_id: str
    conversation_history: list[Conversation]
    execution_results: list[Execution]


@router.post(
    "/sessions/{session_id}/select-tables", name="original_select_tables", responses=failures(404, 415, 502, 504)
)
async def select_tables(
    session_id: str,
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[SelectBody, Depends(JsonBody(SelectBody))],
) -> Selected:
    """Makes these tables sources of the session, all or none, and removes the tables that it had before."""
    session_id = arguments.session_id(session_id)
    caller.require(Right.ASK, session_id)
    if body.session_id not in (None, session_id):
        raise InvalidRequest.field("session_id", "must be the same as in the path")
    tables, asked = gateway.producer.tables, [(table.database, table.table) for table in body.tables]
    wanted: tuple[TableSource, ...] = ()
    if asked:
        result = await result_of(await tables.select(session_id, asked), gateway, None)
        wanted = tuple(source for source in result.sources if isinstance(source, TableSource))
    kept = {source.name for source in wanted}
    before = [source for source in await gateway.producer.sources(session_id) if isinstance(source, TableSource)]
    gone = [(source.database, source.table) for source in before if source.name not in kept]
    for start in range(0, len(gone), _MAX_TABLES):
        await result_of(await tables.deselect(session_id, gone[start : start + _MAX_TABLES]), gateway, None)
    return Selected(
        selected_tables=[
            SelectedTable(database=source.database, table=source.table, location=source.location) for source in wanted
        ]
    )


@router.post("/sessions/{session_id}/reset", name="original_reset")
async def reset(session_id: str, gateway: GatewayDep, caller: CallerDep) -> Done:
    """Removes the sources of the session. Its history stays, as in the original app, and its files stay on S3."""
    await _remove(arguments.session_id(session_id), (FileSource, TableSource, OpaqueSource), gateway, caller)
    return Done(message="Session reset")


@router.post("/sessions/{session_id}/clear-csv", name="original_clear_csv")
async def clear_csv(session_id: str, gateway: GatewayDep, caller: CallerDep) -> Done:
    """Removes the files from the sources of the session, and keeps its tables. The files stay on S3."""
    await _remove(arguments.session_id(session_id), (FileSource,), gateway, caller)
    return Done(message="CSV cleared")


@router.get("/history/{session_id}", name="original_history")
async def history(session_id: str, gateway: GatewayDep, caller: CallerDep) -> History:
    """Returns what was asked and what ran in the session: of its newest 200 jobs, oldest first."""
    session_id = arguments.session_id(session_id)
    caller.require(Right.READ, session_id)
    newest = await gateway.producer.history(session_id, limit=_MAX_HISTORY)
    entries = [told_of_job(entry, caller) for entry in reversed(newest)]
    return History(
        session_id=session_id,
        conversation_history=[one for one in map(_conversation, entries) if one is not None],
        execution_results=[one for one in map(_execution, entries) if one is not None],
    )


async def _remove(
    session_id: str, types: tuple[type[FileSource | TableSource | OpaqueSource], ...], gateway: Gateway, caller: Caller
) -> None:
    caller.require(Right.ASK, session_id)
    for source in await gateway.producer.sources(session_id):
        if isinstance(source, types):
            try:
                await gateway.producer.remove(session_id, source.name)
            except NotFound:
                # Usually another request, or the end of a run, has removed it.
                if source in await gateway.producer.sources(session_id):
                    raise


def _conversation(entry: HistoryEntry) -> Conversation | None:
    is_written = entry.kind == JobKind.GENERATE and not entry.was_given and entry.status is JobStatus.SUCCEEDED
    if not is_written or entry.code is None:
        return None
    return Conversation(prompt=entry.what, generated_code=entry.code, timestamp=_seconds(entry), job_id=entry.job_id)


def _execution(entry: HistoryEntry) -> Execution | None:
    if entry.code is None or not entry.status.is_final:
        return None
    if entry.run is not None:
        succeeded = entry.status is JobStatus.SUCCEEDED and entry.run.status is RunStatus.SUCCEEDED
        result = printed_by(entry.run) or (NO_OUTPUT if succeeded else "")
    elif entry.was_given:
        succeeded, result = False, ""
    else:
        return None
    return Execution(
        code=entry.code,
        result=result or (entry.error.message if entry.error else ""),
        timestamp=_seconds(entry),
        success=succeeded,
        job_id=entry.job_id,
    )


def _seconds(entry: HistoryEntry) -> float:
    return (entry.finished_at or entry.at) / 1000
