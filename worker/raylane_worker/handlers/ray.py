"""`ray` jobs: inspect the cluster, run a script on it, stop runs and delete them.

Everything is safe to repeat: inspecting changes nothing, stopping is idempotent, a submitted run is found again by its
id, and before a run is deleted the record says that it existed.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, assert_never

from raylane_common.errors import InvalidAnswer, InvalidRequest, RayError, RunFailed, RunNotFound
from raylane_common.ray.models import RayRun, RunStatus
from raylane_common.wire.ray import (
    RayChecksRequest,
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
    RaySubmitResult,
)
from raylane_common.wire.sources import OpaqueSource
from raylane_worker.context import Handler
from raylane_worker.doctor.examine import examine
from raylane_worker.run_kit import source_file
from raylane_worker.runs.answer import collect_answer
from raylane_worker.runs.engine import choose_engine, is_small
from raylane_worker.runs.failed import reason
from raylane_worker.runs.named import submission_id
from raylane_worker.runs.run import RunOrder, run_to_end, stop_run
from raylane_worker.runs.table_sizes import table_bytes
from raylane_worker.runs.tables import registered_partitions

if TYPE_CHECKING:
    from raylane_common.ray.client import RayClient
    from raylane_common.wire.ray import AnyRayResult
    from raylane_worker.context import JobContext

# A result stays in Redis for days, so texts that Ray lets grow without limit are cut here.
LOGS_BYTES: Final = 200 * 1024
_LISTED_TEXT_CHARACTERS: Final = 300

# A `ray` job has at most one run; a `generate` job numbers its runs like its versions.
_RUN_NUMBER: Final = 1
_DELETING: Final = "deleting"


async def ray(request: RayRequest, ctx: JobContext) -> AnyRayResult:
    """Performs the request's action.

    Raises what `RayClient` raises, `RunFailed` if the script failed, and what `collect_answer` raises.
    """
    client = ctx.resources.ray
    match request:
        case RayStatusRequest():
            version = await client.version()
            return RayStatusResult(version=version, endpoint=version.endpoint, endpoints=client.endpoints())
        case RayRunsRequest(limit=limit):
            jobs = await client.jobs()
            return RayRunsResult(runs=tuple(_shortened(job) for job in jobs[:limit]), total=len(jobs))
        case RayRunRequest(submission_id=run_id):
            return RayRunResult(run=await client.job(run_id))
        case RayLogsRequest(submission_id=run_id):
            logs = await client.logs(run_id, max_bytes=LOGS_BYTES)
            return RayLogsResult(submission_id=run_id, logs=logs.text, truncated=logs.truncated)
        case RayStopRequest(submission_id=run_id):
            stop = await client.stop(run_id)
            return RayStopResult(stopped=stop.stopped, run=stop.run)
        case RayDeleteRequest(submission_id=run_id):
            return RayDeleteResult(deleted=await _delete(run_id, ctx))
        case RayEndpointsRequest():
            return await _endpoints(client)
        case RayClusterRequest():
            return await _cluster(client)
        case RaySubmitRequest():
            return await _submit(request, ctx)
        case RayChecksRequest():
            return await examine(request, ctx)
        case _:
            assert_never(request)


async def stop_ray(request: RayRequest, ctx: JobContext) -> None:
    """Stops the run that a cancelled `submit` may have started. Raises what `stop_run` raises."""
    if isinstance(request, RaySubmitRequest):
        await stop_run(submission_id(ctx.job_id, _RUN_NUMBER, ctx.record.round), ctx)


async def _submit(request: RaySubmitRequest, ctx: JobContext) -> RaySubmitResult:
    order = RunOrder(
        request.code,
        _RUN_NUMBER,
        files=request.files,
        env_vars=request.env_vars,
        pip=request.pip,
        num_cpus=request.num_cpus,
        memory_bytes=request.memory_bytes,
    )
    if order.uses_kit:
        order = replace(order, described=await _described_sources(ctx))
    run = await run_to_end(order, ctx)
    if run.status is not RunStatus.SUCCEEDED:
        raise RunFailed(
            f"run {run.submission_id} failed with exit code {run.exit_code}; {reason(run)}",
            details={"run": run.model_dump(mode="json")},
        )
    try:
        answer = await collect_answer(run, ctx) if order.uses_kit else None
    except InvalidAnswer as error:
        # Its output may say why.
        error.details["run"] = run.model_dump(mode="json")
        raise
    return RaySubmitResult(run=run, answer=answer)


async def _described_sources(ctx: JobContext) -> dict[str, str]:
    """Returns the files that describe the session's sources to the kit."""
    stored = await ctx.resources.sources.all(ctx.record.session_id) if ctx.record.session_id else []
    sources = [source for source in stored if not isinstance(source, OpaqueSource)]
    settings = ctx.resources.settings.ray
    partitions = await registered_partitions(sources, ctx)
    sizes = await table_bytes(sources, partitions, ctx)
    return source_file(
        sources,
        partitions,
        choose_engine(sources, sizes, None, settings),
        small=is_small(sources, sizes, settings),
    )


async def _cluster(client: RayClient) -> RayClusterResult:
    health = await client.health()
    # Without its control store the head cannot list nodes or report its status.
    nodes = await client.nodes() if health.gcs_ok else ()
    status = await client.cluster_status() if health.gcs_ok else None
    return RayClusterResult(health=health, nodes=tuple(nodes), status=status.text if status else "")


async def _endpoints(client: RayClient) -> RayEndpointsResult:
    problem = None
    try:
        # One request updates the state of the endpoints. That all are down is a result here, not an error.
        await client.version()
    except (RayError, InvalidRequest) as error:
        problem = str(error)
    return RayEndpointsResult(endpoints=client.endpoints(), problem=problem)


async def _delete(run_id: str, ctx: JobContext) -> bool:
    """Deletes a run. If it existed in an earlier attempt and is gone now, this job has deleted it.

    Raises `RunNotFound` if there was no such run.
    """
    progress = ctx.record.progress
    if progress is None or progress.stage != _DELETING:
        await ctx.resources.ray.job(run_id)
        await ctx.progress(_DELETING, run_id)
    try:
        return await ctx.resources.ray.delete(run_id)
    except RunNotFound:
        return True


def _shortened(job: RayRun) -> RayRun:
    """Returns the run with long texts cut, for a list: failed runs contain up to 20,000 characters of their log."""
    return job.model_copy(
        update={
            "entrypoint": job.entrypoint[:_LISTED_TEXT_CHARACTERS],
            "message": job.message[-_LISTED_TEXT_CHARACTERS:] if job.message else None,
        }
    )


HANDLER: Final = Handler(ray, clean_up=stop_ray)
