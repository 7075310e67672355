"""`ray` jobs: look at the cluster, run a script on it, stop and forget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.errors import RunFailed
from raylane_common.ray.models import RayJob, RayJobStatus
from raylane_common.requests import (
    RayDeleteRequest,
    RayJobRequest,
    RayJobsRequest,
    RayLogsRequest,
    RayRequest,
    RayStatusRequest,
    RayStopRequest,
)
from raylane_common.results import (
    RayDeleteResult,
    RayJobResult,
    RayJobsResult,
    RayLogsResult,
    RayStatusResult,
    RayStopResult,
    RunResult,
)
from raylane_worker.runs import RunOrder, run_to_end

if TYPE_CHECKING:
    from raylane_common.results import Result
    from raylane_worker.context import JobContext

# A result stays in Redis for days, so what Ray lets grow without limit is cut here.
LOGS_BYTES: Final = 200 * 1024
_LISTED_TEXT_CHARACTERS: Final = 300


async def ray(request: RayRequest, ctx: JobContext) -> Result:
    """Does what the request's action says. Raises what `RayClient` raises, and `RunFailed` for a script that failed."""
    client = ctx.resources.ray
    match request:
        case RayStatusRequest():
            version = await client.version()
            return RayStatusResult(version=version, endpoint=version.endpoint, endpoints=client.endpoints())
        case RayJobsRequest(limit=limit):
            jobs = await client.jobs()
            return RayJobsResult(jobs=tuple(_brief(job) for job in jobs[:limit]), total=len(jobs))
        case RayJobRequest(submission_id=run_id):
            return RayJobResult(job=await client.job(run_id))
        case RayLogsRequest(submission_id=run_id):
            logs = await client.logs(run_id, max_bytes=LOGS_BYTES)
            return RayLogsResult(submission_id=run_id, logs=logs.text, truncated=logs.truncated)
        case RayStopRequest(submission_id=run_id):
            stopped = await client.stop(run_id)
            return RayStopResult(stopped=stopped, job=await client.job(run_id))
        case RayDeleteRequest(submission_id=run_id):
            return RayDeleteResult(deleted=await client.delete(run_id))
    run = await run_to_end(RunOrder(request.code, number=1, small=False), ctx)
    if run.status is not RayJobStatus.SUCCEEDED:
        raise RunFailed(
            f"run {run.submission_id} failed with exit code {run.exit_code}; its output says why",
            details={"run": run.model_dump(mode="json")},
        )
    return RunResult(run=run)


def _brief(job: RayJob) -> RayJob:
    """A job as a listing shows it: FAILED ones carry up to 20,000 characters of log in their message."""
    return job.model_copy(
        update={
            "entrypoint": job.entrypoint[:_LISTED_TEXT_CHARACTERS],
            "message": job.message[-_LISTED_TEXT_CHARACTERS:] if job.message else None,
        }
    )
