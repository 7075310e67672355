"""One run on Ray: ship, submit, follow, collect. Used by `generate` and by `ray` submit.

A run is found again under its submission id, so an attempt that takes over from a dead worker follows the same run
instead of starting a second one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RayError, RayJobNotFound, RayServerError, RunStopped, RunTimeout
from raylane_common.ray.models import RayJob, RayJobStatus, Run
from raylane_common.ray.package import build_package

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue

    from raylane_common.sources import CsvSource, TableSource
    from raylane_worker.context import JobContext

OUTPUT_TAIL_BYTES: Final = 16 * 1024
_FIRST_POLL_S: Final = 0.2
_OUTAGE_PATIENCE_S: Final = 60.0
_LONGEST_COURTESY_S: Final = 20.0
_STOP_PATIENCE_S: Final = 15.0
# A submission that was cut off may still be with Ray, whose first one takes up to 5 s.
_LATE_RUN_S: Final = 10.0
_SUBMITTING: Final = "submitting"

# Otherwise Ray's own progress would fill the tail of what the run prints. Its warnings and errors stay.
_QUIET: Final = {"RAY_LOGGER_LEVEL": "warning", "RAY_DATA_LOG_LEVEL": "WARNING"}
# For inputs of one block, Ray's default shuffle spends its time on starting actors (15 s where this needs 0.1 s).
_SMALL_DATA: Final = {"RAY_DATA_DEFAULT_SHUFFLE_STRATEGY": "sort_shuffle_pull_based"}


@dataclass(frozen=True)
class RunOrder:
    """Code to run. `number` tells the runs of one job apart."""

    code: str
    number: int
    small: bool


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

    Raises `RunTimeout` (the run is stopped), `RunStopped` (somebody else did), and what `RayClient` raises. If this
    coroutine is cancelled the run goes on, for the next attempt of the job to find or for `stop_run`.
    """
    ray, settings = ctx.resources.ray, ctx.resources.settings.ray
    run_id = submission_id(ctx.job_id, order.number, ctx.record.round)
    package = build_package({"main.py": order.code})
    await ctx.progress(_SUBMITTING, run_id)
    submission = await ray.submit(
        submission_id=run_id,
        entrypoint="python main.py",
        package=package,
        env_vars=_QUIET | (_SMALL_DATA if order.small else {}),
        metadata={
            "raylane_job_id": ctx.job_id,
            "raylane_session_id": ctx.record.session_id or "",
            # Ray takes a run for ours by this, so other code under the same id is refused and not followed.
            "raylane_package": package.name,
        },
    )
    await ctx.progress("running", f"{run_id} via the {submission.endpoint} endpoint")
    overdue = False
    try:
        async with asyncio.timeout(settings.run_timeout_s) as deadline:
            job = await _follow(run_id, ctx)
    except TimeoutError:
        if not deadline.expired():
            raise
        overdue = True
        job = await _stop(run_id, ctx)
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
        job = await _stop(run_id, ctx, may_come_s=_LATE_RUN_S if under_way else 0)
    except RayJobNotFound:
        return None
    if not job.status.is_final:
        raise RayServerError(
            f"run {run_id} has not ended {_STOP_PATIENCE_S:g} s after Ray was asked to stop it; look at it with "
            f"`raylane ray job {run_id}`",
            retryable=False,
            details={"submission_id": run_id, "status": job.status},
        )
    return job


async def _follow(run_id: str, ctx: JobContext) -> RayJob:
    """Asks until the run has ended; a cluster that is away for less than a minute does not end the attempt."""
    pause_s, longest_s = _FIRST_POLL_S, ctx.resources.settings.ray.poll_interval_s
    loop = asyncio.get_running_loop()
    last_answer_at = loop.time()
    while True:
        try:
            job = await ctx.resources.ray.job(run_id)
            last_answer_at = loop.time()
            if job.status.is_final:
                return job
        except RayError as error:
            if not error.retryable or loop.time() - last_answer_at > _OUTAGE_PATIENCE_S:
                raise
            pause_s = max(pause_s, min(error.retry_after_s or 0, _LONGEST_COURTESY_S))
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, longest_s)


async def _stop(run_id: str, ctx: JobContext, *, may_come_s: float = 0) -> RayJob:
    """Asks Ray to stop the run until it has ended, or for 15 s: then it is returned as it is.

    Asks again because a run whose supervisor is only starting does not hear it. An unknown run is waited for during
    `may_come_s`, then `RayJobNotFound` is raised.
    """
    ray, loop = ctx.resources.ray, asyncio.get_running_loop()
    comes_until = loop.time() + may_come_s
    give_up_at = loop.time() + _STOP_PATIENCE_S
    pause_s, longest_s = _FIRST_POLL_S, ctx.resources.settings.ray.poll_interval_s
    while True:
        try:
            job = await ray.job(run_id)
            if job.status.is_final or loop.time() > give_up_at:
                return job
            await ray.stop(run_id)
        except RayJobNotFound:
            if loop.time() >= comes_until:
                raise
            give_up_at = loop.time() + _STOP_PATIENCE_S
        except RayError as error:
            if not error.retryable or loop.time() > give_up_at:
                raise
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, longest_s)


async def _collect(run_id: str, job: RayJob, ctx: JobContext) -> Run:
    logs = await ctx.resources.ray.logs(run_id, max_bytes=OUTPUT_TAIL_BYTES)
    return Run(
        submission_id=run_id,
        status=job.status,
        endpoint=logs.endpoint,
        exit_code=job.driver_exit_code,
        output_tail=logs.text,
        output_truncated=logs.truncated,
        message=None if job.status is RayJobStatus.SUCCEEDED or not job.message else job.message[-2000:],
        started_at_ms=job.start_time_ms,
        ended_at_ms=job.end_time_ms,
    )


def _lasted_s(run: Run) -> float:
    """How long the run took by Ray's clock; 0 if Ray does not say."""
    if run.started_at_ms is None or run.ended_at_ms is None:
        return 0
    return (run.ended_at_ms - run.started_at_ms) / 1000
