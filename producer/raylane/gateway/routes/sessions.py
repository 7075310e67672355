"""Sessions: their sources, and what was done in them: `/v1/sessions/{session_id}`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from raylane.gateway.access.caller import Right
from raylane.gateway.access.sources import remove
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.enqueueing import Accepted, accepted
from raylane.gateway.openapi import problems
from raylane.gateway.routes.listing import Limit
from raylane.gateway.told import told_of_job
from raylane.history import HistoryEntry
from raylane_common.rules import JobId, SessionId, Text
from raylane_common.wire.sources import AnySource

router: APIRouter = APIRouter(prefix="/v1", tags=["sessions"])

_FROZEN = ConfigDict(frozen=True)


class Sources(BaseModel):
    """The files and tables that the next questions of a session may read, sorted by type and name."""

    model_config: ClassVar[ConfigDict] = _FROZEN

    sources: tuple[AnySource, ...]


class History(BaseModel):
    """The jobs of a session with their code, runs and answers, newest first."""

    model_config: ClassVar[ConfigDict] = _FROZEN

    entries: tuple[HistoryEntry, ...]


class Reset(BaseModel):
    """What was removed."""

    model_config: ClassVar[ConfigDict] = _FROZEN

    sources: int = Field(description="How many sources the session had")


@router.get("/sessions/{session_id}/sources", summary="List the sources of a session")
async def list_sources(session_id: SessionId, gateway: GatewayDep, caller: CallerDep) -> Sources:
    """Returns the present sources of a session; none for a session that nobody has used."""
    caller.require(Right.READ, session_id)
    return Sources(sources=tuple(await gateway.producer.sources(session_id)))


@router.delete(
    "/sessions/{session_id}/sources/{name}",
    status_code=204,
    response_class=Response,
    responses=problems(404),
    summary="Remove a source from a session",
)
async def remove_source(
    session_id: SessionId,
    name: Annotated[Text, Path(max_length=600, examples=["sales.csv", "shop.orders"])],
    gateway: GatewayDep,
    caller: CallerDep,
) -> None:
    """Removes a file by its name, or a table as `database.table`. The file itself stays on S3."""
    await remove(gateway.producer, caller, session_id, name)


@router.post(
    "/sessions/{session_id}/reset",
    response_model=Reset,
    responses={202: {"model": Accepted, "description": "With `purge`: the job that deletes the files"}},
    summary="Remove all sources of a session",
)
async def reset_session(
    session_id: SessionId,
    gateway: GatewayDep,
    caller: CallerDep,
    purge: Annotated[bool, Query(description="Also delete everything that the session has on S3")] = False,
) -> Response:
    """Removes the sources and the history of a session. Its jobs stay readable by their ids."""
    caller.require(Right.ASK, session_id)
    if purge:
        return accepted((await gateway.producer.reset(session_id, purge=True)).id)
    removed = Reset(sources=await gateway.producer.reset(session_id))
    return Response(removed.model_dump_json(), media_type="application/json")


@router.get("/sessions/{session_id}/history", summary="Get the history of a session")
async def get_history(session_id: SessionId, gateway: GatewayDep, caller: CallerDep, limit: Limit = 50) -> History:
    """Returns the last jobs of a session with the code that they wrote, its run, and the answer."""
    caller.require(Right.READ, session_id)
    entries = await gateway.producer.history(session_id, limit=limit)
    return History(entries=tuple(told_of_job(entry, caller) for entry in entries))


@router.post("/jobs/{job_id}/restore", responses=problems(404, 409), summary="Restore the sources of a job")
async def restore_sources(job_id: JobId, gateway: GatewayDep, caller: CallerDep) -> Sources:
    """Makes what a `generate` job has read the sources of its session again, and returns these sources.

    It needs the rights `ask` and `read`.
    """
    caller.require(Right.READ, (await gateway.job(caller, Right.ASK, job_id)).session_id)
    return Sources(sources=tuple(await gateway.producer.restore(job_id)))
