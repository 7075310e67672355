"""One run on Ray: ship, submit, follow, collect. Used by `generate` and by `ray` submit.

A run is found again under its submission id, so an attempt that takes over from a dead worker follows the same run
instead of starting a second one.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RayServerError, RunNotFound, RunNotStarted, RunStopped, RunTimeout
from raylane_common.ray.models import RayJob, RayJobStatus, RayLogs, Run
from raylane_common.ray.package import build_package
from raylane_worker.runs.output import stream_output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

    from pydantic import JsonValue

    from raylane_common.wire.sources import CsvSource, TableSource
    from raylane_worker.context import JobContext

logger = logging.getLogger("raylane.worker")

OUTPUT_TAIL_BYTES: Final = 16 * 1024
OUTPUT_VARIABLE: Final = "RAYLANE_OUTPUT_URI"
_STOP_PATIENCE_S: Final = 15.0
# A submission that was cut off may still be with Ray, whose first one takes up to 5 s.
_LATE_RUN_S: Final = 10.0
_LAST_OUTPUT_S: Final = 5.0
_SUBMITTING: Final = "submitting"
_RUNNING: Final = "running"

# Otherwise Ray's own progress would fill the tail of what the run prints. Its warnings and errors stay.
_QUIET: Final = {"RAY_LOGGER_LEVEL": "warning", "RAY_DATA_LOG_LEVEL": "WARNING"}
# For inputs of one block, Ray's default shuffle spends its time on starting actors (15 s where this needs 0.1 s).
_SMALL_DATA: Final = {"RAY_DATA_DEFAULT_SHUFFLE_STRATEGY": "sort_shuffle_pull_based"}


@dataclass(frozen=True)
class RunOrder:
    """Code to run, with what it needs beside it. `number` tells the runs of one job apart."""

    code: str
    number: int
    small: bool
    files: Mapping[str, str] = field(default_factory=dict)
    env_vars: Mapping[str, str] = field(default_factory=dict)
    pip: Sequence[str] = ()


def submission_id(job_id: str, number: int, round: int) -> str:
    """The run's name on the cluster, the same for every attempt of the job until it is put back to begin anew."""
    return f"rl-{job_id}-{number}r{round}" if round else f"rl-{job_id}-{number}"


def is_small(sources: Iterable[CsvSource | TableSource], limit_bytes: int) -> bool:
    """Whether all sizes are known and their sum is within the limit."""
    sizes = [source.size_bytes for source in sources]
    known = [size for size in sizes if size is not None]
    return bool(sizes) and len(known) == len(sizes) and sum(known) <= limit_bytes


async def run_to_end(order: RunOrder, ctx: JobContext) -> Run:
    """Ships the code, starts it unless it runs already, and follows it to its end: SUCCEEDED or FAILED.

    What it prints is streamed to the job's followers. Raises `RunTimeout` (the run is stopped), `RunNotStarted` (it is
    stopped, too), `RunStopped` (somebody else did), `RunLost`, and what `RayClient` raises. If this coroutine is
    cancelled the run goes on, for the next attempt of the job to find or for `stop_run`.
    """
    ray, settings = ctx.resources.ray, ctx.resources.settings.ray
    run_id = submission_id(ctx.job_id, order.number, ctx.record.round)
    if not _was_accepted(run_id, ctx):
        await _start(run_id, order, ctx)
    overdue = False
    async with _streamed(run_id, ctx):
        try:
            async with asyncio.timeout(settings.run_timeout_s) as deadline:
                job = await ray.wait(run_id, accepted=True)
        except TimeoutError:
            if not deadline.expired():
                raise
            overdue = True
            job = (await ray.stop(run_id, patience_s=_STOP_PATIENCE_S)).job
        except RunNotStarted:
            # Or it might begin when nobody waits for it any more.
            await ray.ask_to_stop(run_id)
            raise
    run = await _collect(run_id, job, ctx)
    if run.status is RayJobStatus.SUCCEEDED:
        return run
    details: dict[str, JsonValue] = {"run": run.model_dump(mode="json")}
    # An attempt that died after it had stopped an overdue run leaves the next one to tell why.
    if overdue or (run.status is RayJobStatus.STOPPED and _lasted_s(run) >= settings.run_timeout_s):
        raise RunTimeout(
            f"run {run_id} took longer than {settings.run_timeout_s:g} s (ray.run_timeout_s) and was stopped",
            details=details,
        )
    if run.status is RayJobStatus.STOPPED:
        raise RunStopped(f"run {run_id} was stopped before it ended", details=details)
    return run


async def stop_run(run_id: str, ctx: JobContext) -> RayJob | None:
    """Stops a run that a cancelled job may have started: the run as it ended, None if Ray has none.

    Raises the `RayError` that still stood in the way after 15 s, or `RayServerError` if the run had not ended by then.
    """
    progress = ctx.record.progress
    under_way = progress is not None and progress.stage == _SUBMITTING
    try:
        stop = await ctx.resources.ray.stop(
            run_id, patience_s=_STOP_PATIENCE_S, may_come_s=_LATE_RUN_S if under_way else 0
        )
    except RunNotFound:
        return None
    if not stop.job.status.is_final:
        raise RayServerError(
            f"run {run_id} has not ended {_STOP_PATIENCE_S:g} s after Ray was asked to stop it; look at it with "
            f"`raylane ray run {run_id}`",
            retryable=False,
            details={"submission_id": run_id, "status": stop.job.status},
        )
    return stop.job


def _was_accepted(run_id: str, ctx: JobContext) -> bool:
    """Whether an attempt before this one heard Ray take the run: if Ray has it no more, it must not be run again."""
    progress = ctx.record.progress
    return progress is not None and progress.stage == _RUNNING and progress.message.split(" ", 1)[0] == run_id


async def _start(run_id: str, order: RunOrder, ctx: JobContext) -> None:
    package = build_package({**order.files, "main.py": order.code})
    output_uri = _output_uri(run_id, ctx)
    await ctx.progress(_SUBMITTING, run_id)
    submission = await ctx.resources.ray.submit(
        submission_id=run_id,
        entrypoint="python main.py",
        package=package,
        env_vars={
            **_QUIET,
            **(_SMALL_DATA if order.small else {}),
            **order.env_vars,
            **({OUTPUT_VARIABLE: output_uri} if output_uri else {}),
        },
        pip=order.pip,
        metadata={
            "raylane_job_id": ctx.job_id,
            "raylane_session_id": ctx.record.session_id or "",
            # Ray takes a run for ours by this, so other code under the same id is refused and not followed.
            "raylane_package": package.name,
        },
    )
    await ctx.progress(_RUNNING, f"{run_id} via the {submission.endpoint} endpoint")


def _output_uri(run_id: str, ctx: JobContext) -> str | None:
    """Where the run may write files: a place of its own below its session's."""
    session_id = ctx.record.session_id
    bucket = ctx.resources.settings.storage.bucket
    return f"s3://{bucket}/sessions/{session_id}/runs/{run_id}/" if session_id else None


@asynccontextmanager
async def _streamed(run_id: str, ctx: JobContext) -> AsyncIterator[None]:
    """Streams the run's output during the block, and for a moment after it has ended well."""
    streaming = asyncio.create_task(stream_output(run_id, ctx), name=f"output of {run_id}")
    try:
        yield
        await asyncio.wait({streaming}, timeout=_LAST_OUTPUT_S)
    finally:
        streaming.cancel()
        [outcome] = await asyncio.gather(streaming, return_exceptions=True)
        if isinstance(outcome, Exception):
            logger.error("job %s: streaming the output of %s broke", ctx.job_id, run_id, exc_info=outcome)


async def _collect(run_id: str, job: RayJob, ctx: JobContext) -> Run:
    try:
        logs = await ctx.resources.ray.logs(run_id, max_bytes=OUTPUT_TAIL_BYTES)
    except RayServerError as error:
        if error.retryable:
            raise
        # What the run did is done, whether or not Ray can read what it printed.
        logs = RayLogs(text=f"({error.message})", truncated=True, endpoint=job.endpoint)
    return Run(
        submission_id=run_id,
        status=job.status,
        endpoint=logs.endpoint,
        exit_code=job.driver_exit_code,
        output_tail=logs.text,
        output_truncated=logs.truncated,
        message=None if job.status is RayJobStatus.SUCCEEDED or not job.message else job.message[-2000:],
        output_uri=_output_uri(run_id, ctx),
        started_at_ms=job.start_time_ms,
        ended_at_ms=job.end_time_ms,
    )


def _lasted_s(run: Run) -> float:
    """How long the run took by Ray's clock; 0 if Ray does not say."""
    if run.started_at_ms is None or run.ended_at_ms is None:
        return 0
    return (run.ended_at_ms - run.started_at_ms) / 1000
