"""The Ray cluster and its runs, as a worker sees them: `/v1/cluster` and `/v1/runs`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from raylane.gateway.access.caller import Right
from raylane.gateway.access.jobs import session_of_run
from raylane.gateway.bodies import JsonBody
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.enqueueing import Accepted, IdempotencyKey, accepted, enqueue
from raylane.gateway.job_bodies import Options, RayJob
from raylane.gateway.looks import LOOK_S, NOT_YET, LookWaitS, look
from raylane.gateway.openapi import problems
from raylane_common.rules import SessionId, SubmissionId
from raylane_common.wire.jobs import ClusterRuns
from raylane_common.wire.ray import (
    RayClusterRequest,
    RayClusterResult,
    RayDeleteRequest,
    RayDeleteResult,
    RayEndpointsRequest,
    RayEndpointsResult,
    RayLogsRequest,
    RayLogsResult,
    RayRunRequest,
    RayRunResult,
    RayRunsRequest,
    RayRunsResult,
    RayStatusRequest,
    RayStatusResult,
    RayStopRequest,
    RayStopResult,
    RaySubmitRequest,
)

router: APIRouter = APIRouter(prefix="/v1", tags=["cluster"])

_LOOK: Final = NOT_YET | problems(502)
_ONE: Final = NOT_YET | problems(404, 502)


class Slots(BaseModel):
    """How many runs each Ray cluster may have at once, how many it has, and how many jobs wait for one."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True)

    clusters: tuple[ClusterRuns, ...]


class SubmitRun(Options):
    """A script to run on the cluster."""

    session_id: SessionId | None = Field(
        default=None, description="The session whose history has the job, and below whose prefix the script may write"
    )
    script: RaySubmitRequest


@router.get("/cluster", response_model=RayStatusResult, responses=_LOOK, summary="Get the cluster's state")
async def get_cluster(request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: LookWaitS = LOOK_S) -> Response:
    """Returns the cluster's version, the address that answered, and the state of every address."""
    caller.require(Right.OPERATE, None)
    return await look(gateway, request, RayStatusRequest(), wait_s)


@router.get(
    "/cluster/endpoints", response_model=RayEndpointsResult, responses=_LOOK, summary="List the cluster's addresses"
)
async def list_endpoints(
    request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: LookWaitS = LOOK_S
) -> Response:
    """Returns each address as a worker sees it, also if none of them answers."""
    caller.require(Right.OPERATE, None)
    return await look(gateway, request, RayEndpointsRequest(), wait_s)


@router.get("/cluster/nodes", response_model=RayClusterResult, responses=_LOOK, summary="List the cluster's nodes")
async def list_nodes(request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: LookWaitS = LOOK_S) -> Response:
    """Returns the cluster's health, its nodes and what is in use."""
    caller.require(Right.OPERATE, None)
    return await look(gateway, request, RayClusterRequest(), wait_s)


@router.get("/cluster/slots", summary="List the run slots")
async def list_slots(gateway: GatewayDep, caller: CallerDep) -> Slots:
    """Returns how many run slots each cluster has, how many are taken, and how many jobs wait for one."""
    caller.require(Right.OPERATE, None)
    return Slots(clusters=tuple(await gateway.producer.operator.cluster_runs()))


@router.get("/runs", response_model=RayRunsResult, responses=_LOOK, summary="List the cluster's runs")
async def list_runs(
    request: Request,
    gateway: GatewayDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=500, description="How many to list")] = 100,
    wait_s: LookWaitS = LOOK_S,
) -> Response:
    """Returns the runs of all jobs and of other programs, newest first."""
    caller.require(Right.OPERATE, None)
    return await look(gateway, request, RayRunsRequest(limit=limit), wait_s)


@router.post(
    "/runs",
    status_code=202,
    response_model=Accepted,
    responses=problems(415),
    summary="Run a script on the cluster",
)
async def submit_run(
    gateway: GatewayDep,
    caller: CallerDep,
    body: Annotated[SubmitRun, Depends(JsonBody(SubmitRun))],
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Enqueues a job that runs the script as it is. What it prints becomes events of the job."""
    options = {name: getattr(body, name) for name in Options.model_fields}
    job = RayJob(kind="ray", session_id=body.session_id, request=body.script, **options)
    return accepted(await enqueue(gateway, caller, job, idempotency_key))


@router.get("/runs/{submission_id}", response_model=RayRunResult, responses=_ONE, summary="Get a run")
async def get_run(
    submission_id: SubmissionId, request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: LookWaitS = LOOK_S
) -> Response:
    """Returns a run as Ray reports it."""
    session_id = await session_of_run(gateway.producer, caller, Right.READ, submission_id)
    return await look(gateway, request, RayRunRequest(submission_id=submission_id), wait_s, session_id)


@router.get("/runs/{submission_id}/logs", response_model=RayLogsResult, responses=_ONE, summary="Read a run's output")
async def read_logs(
    submission_id: SubmissionId, request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: LookWaitS = LOOK_S
) -> Response:
    """Returns the last 200 KiB of what a run printed."""
    session_id = await session_of_run(gateway.producer, caller, Right.READ, submission_id)
    return await look(gateway, request, RayLogsRequest(submission_id=submission_id), wait_s, session_id)


@router.post("/runs/{submission_id}/stop", response_model=RayStopResult, responses=_ONE, summary="Stop a run")
async def stop_run(
    submission_id: SubmissionId, request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: LookWaitS = LOOK_S
) -> Response:
    """Stops a run. To stop a job, cancel it: it might start its run again."""
    session_id = await session_of_run(gateway.producer, caller, Right.ASK, submission_id)
    return await look(gateway, request, RayStopRequest(submission_id=submission_id), wait_s, session_id, changes=True)


@router.delete(
    "/runs/{submission_id}", response_model=RayDeleteResult, responses=_ONE, summary="Delete a run that has ended"
)
async def delete_run(
    submission_id: SubmissionId, request: Request, gateway: GatewayDep, caller: CallerDep, wait_s: LookWaitS = LOOK_S
) -> Response:
    """Has the cluster forget a run that has ended."""
    caller.require(Right.OPERATE, None)
    return await look(gateway, request, RayDeleteRequest(submission_id=submission_id), wait_s, changes=True)
