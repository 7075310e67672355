"""`ray` jobs: look at the cluster, run a script on it, stop and forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest, RayError, RunFailed, RunNotFound
from raylane_common.ray.models import RayJob, RayJobStatus
from raylane_common.wire.ray import (
    RayClusterRequest,
    RayClusterResult,
    RayDeleteRequest,
    RayDeleteResult,
    RayEndpointsRequest,
    RayEndpointsResult,
    RayLogsRequest,
    RayLogsResult,
    RayRequest,
    RayRunRequest,
    RayRunResult,
    RayRunsRequest,
    RayRunsResult,
    RayStatusRequest,
    RayStatusResult,
    RayStopRequest,
    RayStopResult,
    RaySubmitRequest,
    RunResult,
)
from raylane_worker.runs.run import RunOrder, run_to_end, stop_run, submission_id

if TYPE_CHECKING:
    from raylane_common.ray.client import RayClient
    from raylane_common.wire.kinds import Result
    from raylane_worker.context import JobContext

# A result stays in Redis for days, so what Ray lets grow without limit is cut here.
LOGS_BYTES: Final = 200 * 1024
_LISTED_TEXT_CHARACTERS: Final = 300

_NUMBER: Final = 1
_DELETING: Final = "deleting"


async def ray(request: RayRequest, ctx: JobContext) -> Result:
    """Does what the request's action says. Raises what `RayClient` raises, and `RunFailed` for a script that failed."""
    client = ctx.resources.ray
    match request:
        case RayStatusRequest():
            version = await client.version()
            return RayStatusResult(version=version, endpoint=version.endpoint, endpoints=client.endpoints())
        case RayRunsRequest(limit=limit):
            jobs = await client.jobs()
            return RayRunsResult(runs=tuple(_brief(job) for job in jobs[:limit]), total=len(jobs))
        case RayRunRequest(submission_id=run_id):
            return RayRunResult(run=await client.job(run_id))
        case RayLogsRequest(submission_id=run_id):
            logs = await client.logs(run_id, max_bytes=LOGS_BYTES)
            return RayLogsResult(submission_id=run_id, logs=logs.text, truncated=logs.truncated)
        case RayStopRequest(submission_id=run_id):
            stop = await client.stop(run_id)
            return RayStopResult(stopped=stop.stopped, run=stop.job)
        case RayDeleteRequest(submission_id=run_id):
            return RayDeleteResult(deleted=await _delete(run_id, ctx))
        case RayEndpointsRequest():
            return await _endpoints(client)
        case RayClusterRequest():
            health = await client.health()
            # Without its control store the head answers nothing else.
            nodes = await client.nodes() if health.gcs_ok else ()
            status = await client.cluster_status() if health.gcs_ok else None
            return RayClusterResult(health=health, nodes=tuple(nodes), status=status.text if status else "")
    run = await run_to_end(
        RunOrder(request.code, _NUMBER, small=False, files=request.files, env_vars=request.env_vars, pip=request.pip),
        ctx,
    )
    if run.status is not RayJobStatus.SUCCEEDED:
        raise RunFailed(
            f"run {run.submission_id} failed with exit code {run.exit_code}; its output says why",
            details={"run": run.model_dump(mode="json")},
        )
    return RunResult(run=run)


async def stop_ray(request: RayRequest, ctx: JobContext) -> None:
    """Stops the run that a cancelled `submit` may have started. Raises what `stop_run` raises."""
    if isinstance(request, RaySubmitRequest):
        await stop_run(submission_id(ctx.job_id, _NUMBER, ctx.record.round), ctx)


async def _endpoints(client: RayClient) -> RayEndpointsResult:
    problem = None
    try:
        # So that none of them is unknown; that they may all be down is what is asked for.
        await client.version()
    except (RayError, InvalidRequest) as error:
        problem = str(error)
    return RayEndpointsResult(endpoints=client.endpoints(), problem=problem)


async def _delete(run_id: str, ctx: JobContext) -> bool:
    """Deletes a job of the cluster that was there when this was begun: if it is gone then, it is we who deleted it."""
    progress = ctx.record.progress
    if progress is None or progress.stage != _DELETING:
        await ctx.resources.ray.job(run_id)
        await ctx.progress(_DELETING, run_id)
    try:
        return await ctx.resources.ray.delete(run_id)
    except RunNotFound:
        return True


def _brief(job: RayJob) -> RayJob:
    """A job as a listing shows it: FAILED ones carry up to 20,000 characters of log in their message."""
    return job.model_copy(
        update={
            "entrypoint": job.entrypoint[:_LISTED_TEXT_CHARACTERS],
            "message": job.message[-_LISTED_TEXT_CHARACTERS:] if job.message else None,
        }
    )
