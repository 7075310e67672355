"""The list of jobs: `GET /v1/jobs`."""

from __future__ import annotations

from typing import Annotated, ClassVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from raylane import arguments
from raylane.gateway.access.caller import Right
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.told import told_of_job
from raylane_common.rules import SessionId
from raylane_common.wire.base import JobKind
from raylane_common.wire.jobs import JobStatus, JobSummary

router: APIRouter = APIRouter(prefix="/v1/jobs", tags=["jobs"])

Limit = Annotated[int, Query(ge=1, le=arguments.MAX_LISTED, description="How many to list")]


class Jobs(BaseModel):
    """A page of jobs, latest first."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    jobs: tuple[JobSummary, ...]
    next_cursor: str | None = Field(description="For the next page; null after the last")
    complete: bool = Field(description="false if there are more unfinished jobs than are looked at, 20,000 of a state")


@router.get("", summary="List jobs")
async def list_jobs(
    gateway: GatewayDep,
    caller: CallerDep,
    session_id: Annotated[SessionId | None, Query(description="Without it, the right `operate` is needed")] = None,
    status: Annotated[JobStatus | None, Query()] = None,
    kind: Annotated[JobKind | None, Query()] = None,
    limit: Limit = 50,
    cursor: Annotated[str | None, Query(max_length=1000, description="`next_cursor` of the page before")] = None,
) -> Jobs:
    """Lists the jobs of a session as they were enqueued, or those of all sessions by their end or beginning.

    The latest come first. A cursor leads to the jobs after those of the page before, whatever was enqueued since.
    """
    caller.require(Right.OPERATE if session_id is None else Right.READ, session_id)
    page = await gateway.producer.operator.page(
        session_id=session_id, status=status, kind=kind, limit=limit, cursor=cursor
    )
    jobs = tuple(told_of_job(job, caller) for job in page.jobs)
    return Jobs(jobs=jobs, next_cursor=page.next_cursor, complete=page.complete)
