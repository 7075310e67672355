"""The queue as its operator sees it: lanes, workers, and dead letters."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field

from raylane.gateway.access.caller import Right
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.openapi import problems
from raylane.gateway.routes.listing import Limit
from raylane_common.errors import ErrorInfo
from raylane_common.rules import SessionId
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import JobSummary, LaneOverview, WorkerOverview

router: APIRouter = APIRouter(prefix="/v1", tags=["operation"])

_FROZEN = ConfigDict(frozen=True)
ErrorCode = Annotated[str, Field(min_length=1, max_length=100)]


class Lanes(BaseModel):
    """All lanes."""

    model_config: ClassVar[ConfigDict] = _FROZEN

    lanes: tuple[LaneOverview, ...]


class Workers(BaseModel):
    """The living workers of all lanes."""

    model_config: ClassVar[ConfigDict] = _FROZEN

    workers: tuple[WorkerOverview, ...]


class DeadLetters(BaseModel):
    """Dead letters, newest first. `complete` is false if there are more than are looked at."""

    model_config: ClassVar[ConfigDict] = _FROZEN

    jobs: tuple[JobSummary, ...]
    complete: bool


class DeadFilter(BaseModel):
    """Which dead letters; all of them without a filter."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    kind: JobKind | None = None
    code: ErrorCode | None = Field(default=None, description="Code of the error", examples=["storage_unavailable"])
    session_id: SessionId | None = None


class RequeuedJob(BaseModel):
    """The outcome for one dead letter; `error` is null if the job was requeued."""

    model_config: ClassVar[ConfigDict] = _FROZEN

    id: str
    error: ErrorInfo | None


class RequeuedJobs(BaseModel):
    """The outcome for each dead letter, in the order in which they were requeued."""

    model_config: ClassVar[ConfigDict] = _FROZEN

    requeued: tuple[RequeuedJob, ...]


@router.get("/lanes", summary="List the lanes")
async def list_lanes(gateway: GatewayDep, caller: CallerDep) -> Lanes:
    """Returns how many jobs each lane has in each state, how many end in a second, and its workers."""
    caller.require(Right.OPERATE, None)
    return Lanes(lanes=tuple(await gateway.producer.operator.lanes()))


@router.get("/workers", summary="List the workers")
async def list_workers(gateway: GatewayDep, caller: CallerDep) -> Workers:
    """Returns the living workers, their lanes and their versions."""
    caller.require(Right.OPERATE, None)
    return Workers(workers=tuple(await gateway.producer.operator.workers()))


@router.get("/dead-letters", summary="List the dead letters")
async def list_dead_letters(
    gateway: GatewayDep,
    caller: CallerDep,
    kind: Annotated[JobKind | None, Query()] = None,
    code: Annotated[ErrorCode | None, Query(description="Code of the error")] = None,
    session_id: Annotated[SessionId | None, Query()] = None,
    limit: Limit = 50,
) -> DeadLetters:
    """Returns the jobs that failed although they were not at fault, and can be requeued."""
    caller.require(Right.OPERATE, None)
    found = await gateway.producer.operator.dead_letters(kind=kind, code=code, session_id=session_id, limit=limit)
    return DeadLetters(jobs=tuple(found), complete=found.complete)


@router.post("/dead-letters/requeue", responses=problems(415), summary="Requeue dead letters")
async def requeue_dead_letters(
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[DeadFilter, Depends(JsonBody(DeadFilter, optional=True))],
) -> RequeuedJobs:
    """Requeues those that match, at most the newest 10,000, each after the jobs that it depends on."""
    caller.require(Right.OPERATE, None)
    outcomes = await gateway.producer.operator.requeue_dead(kind=body.kind, code=body.code, session_id=body.session_id)
    return RequeuedJobs(
        requeued=tuple(
            RequeuedJob(id=outcome.id, error=outcome.error.info() if outcome.error else None) for outcome in outcomes
        )
    )
