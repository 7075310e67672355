"""The Ray cluster: `GET /ray/status`, `GET /ray/jobs`, its logs, and stopping a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel

from raylane.gateway.access.caller import Right
from raylane.gateway.access.jobs import session_of_run
from raylane.gateway.context import CallerDep, GatewayDep
from raylane.gateway.original._answers import TAG, Failure, OriginalRoute, failures, look_options, result_of
from raylane_common.errors import RayError

if TYPE_CHECKING:
    from raylane_common.ray.models import EndpointReport, RayRun

router: APIRouter = APIRouter(route_class=OriginalRoute, tags=[TAG], responses=failures(404, 502, 504))

_MAX_RUNS: Final = 500


class RayStatus(BaseModel):
    """Whether the cluster answers, and the address of its dashboard."""

    status: Literal["connected", "disconnected"]
    ray_version: str | None = None
    dashboard_url: str


class RayJob(BaseModel):
    """A run, with the names of Ray. Times are epoch milliseconds. Its environment is left out, which holds secrets."""

    type: str
    job_id: str | None
    submission_id: str | None
    status: str
    entrypoint: str
    message: str | None
    error_type: str | None
    start_time: int | None
    end_time: int | None
    metadata: dict[str, str] | None
    driver_exit_code: int | None


class RayJobs(BaseModel):
    """The newest 500 runs of the cluster, in every state, newest first."""

    success: Literal[True] = True
    jobs: list[RayJob]


class RayLogs(BaseModel):
    """What a run printed; only the last 200 KiB if it is `truncated`."""

    success: Literal[True] = True
    logs: str
    truncated: bool


class Stopped(BaseModel):
    """`success` says whether the run was stopped. If not, it had already ended, with this `status`."""

    success: bool
    status: str


@router.get("/ray/status", name="original_status", response_model_exclude_none=True)
async def status(request: Request, gateway: GatewayDep, caller: CallerDep) -> RayStatus:
    """Says whether a worker reaches the cluster."""
    caller.require(Right.OPERATE, None)
    cluster, options = gateway.producer.cluster, look_options(gateway)
    try:
        found = await result_of(await cluster.status(**options), gateway, request)
    except Failure as failure:
        if not isinstance(failure.error, RayError):
            raise
        endpoints = (await result_of(await cluster.endpoints(**options), gateway, request)).endpoints
        return RayStatus(status="disconnected", dashboard_url=_url(endpoints))
    return RayStatus(
        status="connected",
        ray_version=found.version.ray_version,
        dashboard_url=_url(found.endpoints, found.endpoint),
    )


@router.get("/ray/jobs", name="original_jobs")
async def jobs(request: Request, gateway: GatewayDep, caller: CallerDep) -> RayJobs:
    """Lists the runs of the cluster."""
    caller.require(Right.OPERATE, None)
    found = await result_of(
        await gateway.producer.cluster.runs(limit=_MAX_RUNS, **look_options(gateway)), gateway, request
    )
    return RayJobs(jobs=[_shown(run) for run in found.runs])


@router.get("/ray/jobs/{submission_id}/logs", name="original_logs")
async def logs(submission_id: str, request: Request, gateway: GatewayDep, caller: CallerDep) -> RayLogs:
    """Returns what a run printed. The web page of the original app calls this, although its server did not have it."""
    await session_of_run(gateway.producer, caller, Right.READ, submission_id)
    found = await result_of(
        await gateway.producer.cluster.logs(submission_id, **look_options(gateway)), gateway, request
    )
    return RayLogs(logs=found.logs, truncated=found.truncated)


@router.post("/ray/jobs/{submission_id}/stop", name="original_stop")
async def stop(submission_id: str, request: Request, gateway: GatewayDep, caller: CallerDep) -> Stopped:
    """Stops a run. Without the right `operate`, only one of the caller's own jobs."""
    await session_of_run(gateway.producer, caller, Right.ASK, submission_id)
    found = await result_of(await gateway.producer.cluster.stop(submission_id), gateway, request)
    return Stopped(success=found.stopped, status=found.run.status)


def _url(endpoints: tuple[EndpointReport, ...], name: str | None = None) -> str:
    named = [endpoint.url for endpoint in endpoints if name in (None, endpoint.name)]
    return named[0] if named else ""


def _shown(run: RayRun) -> RayJob:
    return RayJob(
        type=run.type,
        job_id=run.job_id,
        submission_id=run.submission_id,
        status=run.status,
        entrypoint=run.entrypoint,
        message=run.message,
        error_type=run.error_type,
        start_time=run.start_time_ms,
        end_time=run.end_time_ms,
        metadata=run.metadata,
        driver_exit_code=run.driver_exit_code,
    )
