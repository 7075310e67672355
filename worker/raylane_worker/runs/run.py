"""One run on Ray: ships the code, submits it, follows the run until it ends, and collects its output.

The submission id follows from the job or is in its record. So an attempt that takes over from a dead worker finds the
run that this worker started, and does not start a second one. See docs/decisions/0007 and 0040.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RayServerError, RunNotFound, RunNotStarted, RunStopped, RunTimeout, StorageError
from raylane_common.logs import get_logger
from raylane_common.ray.models import RayLogs, RayRun, Run, RunStatus
from raylane_common.ray.package import build_package
from raylane_common.telemetry import tracing
from raylane_common.wire.names import Engine
from raylane_worker.run_kit import LAUNCHER, kit_files
from raylane_worker.runs import variables
from raylane_worker.runs.left import left, naming
from raylane_worker.runs.line import wait_for_slot
from raylane_worker.runs.named import RUNNING, SUBMITTING, NamedRun, submission_id
from raylane_worker.runs.output import stream_output
from raylane_worker.runs.waiting import report_waiting
from raylane_worker.runs.warm import is_unused

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from pydantic import JsonValue

    from raylane_common.telemetry.tracing import Span
    from raylane_worker.context import JobContext, TakenRun

logger = get_logger("raylane.worker")

# A result stays in Redis for days. Errors and final figures are at the end of what a run prints.
OUTPUT_TAIL_BYTES: Final = 16 * 1024
# Ray takes about 4 s to stop a run, and ignores a stop while the run's supervisor is still starting.
_STOP_TIMEOUT_S: Final = 15.0
# An interrupted submission may still reach Ray, and Ray takes up to 5 s for the first one of a cluster.
_LATE_RUN_S: Final = 10.0
# The stream normally ends when the run does. A result that is ready should not wait long for a stream that hangs.
_LAST_OUTPUT_S: Final = 5.0
# The message of a failed run repeats up to 20,000 characters of its log.
_MESSAGE_CHARACTERS: Final = 2000


@dataclass(frozen=True)
class RunOrder:
    """Code to run as `main.py`, and what it needs.

    `number` distinguishes the runs of one job. `generated` says that a generator wrote the code: the kit starts it, and
    pandas code gets columns of NumPy (docs/decisions/0025); a user's code runs as Ray runs it. `small` selects Ray
    Data's settings for small sources, for the engine `distributed`. `files` are text files for the directory of the
    code, by path. If the code uses the kit, that is added, and `described`, the files that describe the sources to it.
    `env_vars` are added to the run's environment. `pip` lists requirements that Ray installs for the run. `num_cpus`
    and `memory_bytes` are reserved for the script itself; None means the setting.
    """

    code: str
    number: int
    generated: bool = False
    engine: Engine = Engine.DISTRIBUTED
    small: bool = False
    files: Mapping[str, str] = field(default_factory=dict)
    described: Mapping[str, str] = field(default_factory=dict)
    env_vars: Mapping[str, str] = field(default_factory=dict)
    pip: Sequence[str] = ()
    num_cpus: float | None = None
    memory_bytes: int | None = None

    @property
    def uses_kit(self) -> bool:
        """Whether the code can read sources and give an answer. Any other code needs neither S3 nor the catalog."""
        return self.generated or any(LAUNCHER in text for text in (self.code, *self.files.values()))


async def run_to_end(order: RunOrder, ctx: JobContext) -> Run:
    """Ships and starts the code unless its run already exists. Returns the run once it is SUCCEEDED or FAILED.

    Waits for a run slot first. Shows the job's followers what the run prints and what it waits for. Raises
    `GivesWay` if the job has to wait and others need its place in the lane, `RunTimeout` and `RunNotStarted` after
    stopping the run, `RunStopped` if somebody else stopped it, `RunLost`, and what `RayClient` raises. If this
    coroutine is cancelled, the run continues: the job's next attempt follows it, or `stop_run` stops it.
    """
    named = NamedRun.of(submission_id(ctx.job_id, order.number, ctx.record.round), ctx)
    with tracing.span("run", {"raylane.run.number": order.number, "raylane.run.engine": order.engine}) as span:
        run, overdue = await _started_and_followed(named, order, ctx)
        _tell_end(run, ctx, span)
        return _good(run, ctx, overdue=overdue)


async def _started_and_followed(named: NamedRun, order: RunOrder, ctx: JobContext) -> tuple[Run, bool]:
    """Returns the run once it has ended, and whether it was overdue and therefore stopped."""
    handed_over_at_ms: int | None = None
    if not named.was_accepted and not named.is_warm:
        async with naming(named.run_id, was_sent=named.was_sent):
            with tracing.span("run slot"):
                await wait_for_slot(ctx)
            warm = None if named.was_sent else await _warm_run(order, ctx)
            if warm is None:
                await _start(named.run_id, order, ctx)
            else:
                named = NamedRun(named.own_id, warm.submission_id)
                handed_over_at_ms = int(time.time() * 1000)
                await _hand_over(warm, named, order, ctx)
    run, overdue = await _follow(named, ctx)
    if named.is_warm:
        was_handed_over = handed_over_at_ms is not None
        if _left_warm(run, ctx, was_handed_over=was_handed_over):
            async with naming(named.own_id, was_sent=False):
                await _start(named.own_id, order, ctx)
            return await _follow(NamedRun(named.own_id, named.own_id), ctx)
        # Ray's own start is that of the wait.
        run = run.model_copy(update={"started_at_ms": handed_over_at_ms})
    return run, overdue


def _tell_end(run: Run, ctx: JobContext, span: Span) -> None:
    """Says in the log and in the trace how the run has ended."""
    span.set(
        {
            "raylane.run.submission_id": run.submission_id,
            "raylane.run.status": run.status,
            "raylane.run.exit_code": run.exit_code,
            "raylane.ray.endpoint": run.endpoint,
        }
    )
    ended = f"ended as {run.status}" if run.status.is_final else f"is {run.status} and was asked to stop"
    lasted_s, trace_id = _lasted_s(run), tracing.trace_id()
    if lasted_s:
        ended += f" after {lasted_s:.1f} s"
    if trace_id:
        ended += f", trace {trace_id}"
    logger.info("job %s: run %s %s", ctx.job_id, run.submission_id, ended)


def _good(run: Run, ctx: JobContext, *, overdue: bool) -> Run:
    """Returns the run if it has succeeded or failed by itself. Raises `RunTimeout` or `RunStopped`."""
    if run.status is RunStatus.SUCCEEDED:
        return run
    details: dict[str, JsonValue] = {"run": run.model_dump(mode="json")}
    # The previous attempt may have stopped an overdue run and then died before it could raise.
    timeout_s = ctx.resources.settings.ray.run_timeout_s
    if overdue or (run.status is RunStatus.STOPPED and _lasted_s(run) >= timeout_s):
        stopped = "was stopped" if run.status.is_final else "was asked to stop"
        raise RunTimeout(
            f"run {run.submission_id} took longer than {timeout_s:g} s (ray.run_timeout_s) and {stopped}",
            details=details if run.status.is_final else details | left(run.submission_id),
        )
    if run.status is RunStatus.STOPPED:
        raise RunStopped(f"run {run.submission_id} was stopped before it ended", details=details)
    return run


def may_have_started(own_id: str, ctx: JobContext) -> bool:
    """Returns whether an earlier attempt may have submitted the run with this id, or given its code to a warm run."""
    named = NamedRun.of(own_id, ctx)
    return named.was_accepted or named.was_sent


async def stop_run(own_id: str, ctx: JobContext) -> RayRun | None:
    """Stops a run that a cancelled job may have started. Returns its final state, or None if nothing has run.

    Raises the last `RayError` if Ray still fails after 15 s, and `RayServerError` if the run has not ended by then.
    Both name the run.
    """
    named = NamedRun.of(own_id, ctx)
    run_id = named.run_id
    try:
        async with naming(run_id, was_sent=True):
            stop = await ctx.resources.ray.stop(
                run_id, timeout_s=_STOP_TIMEOUT_S, appear_timeout_s=_LATE_RUN_S if named.was_sent else 0
            )
    except RunNotFound:
        return None
    if not stop.run.status.is_final:
        raise RayServerError(
            f"run {run_id} has not ended {_STOP_TIMEOUT_S:g} s after Ray was asked to stop it; check it with "
            f"`raylane ray run {run_id}`",
            retryable=False,
            details={"status": stop.run.status, **left(run_id)},
        )
    return None if named.is_warm and is_unused(stop.run.status, stop.run.driver_exit_code) else stop.run


async def _warm_run(order: RunOrder, ctx: JobContext) -> TakenRun | None:
    """Returns a run that waits for a script such as this one; None if there is none."""
    is_plain = order.generated and order.engine is Engine.LOCAL and not (order.files or order.env_vars or order.pip)
    warm = ctx.resources.warm
    return await warm.take(order.num_cpus, order.memory_bytes) if is_plain and warm is not None else None


async def _hand_over(warm: TakenRun, named: NamedRun, order: RunOrder, ctx: JobContext) -> None:
    output_uri = _output_uri(named.run_id, ctx)
    # From now on every attempt follows this run, which has the code or ends without it.
    await ctx.progress(SUBMITTING, named.label)
    environment = {**variables.trace(), **({variables.OUTPUT: output_uri} if output_uri else {})}
    try:
        with tracing.span("run submit", {"raylane.run.is_warm": True}):
            await warm.hand_over({**order.described, "main.py": order.code}, environment)
    except StorageError as error:
        logger.warning("job %s: %s may not get its code: %s", ctx.job_id, named.run_id, error)
    await ctx.progress(RUNNING, f"{named.label} in a warm run")


def _left_warm(run: Run, ctx: JobContext, *, was_handed_over: bool) -> bool:
    """Lets the script of a warm run that has ended be deleted. Returns whether the run has ended without it."""
    unused, warm = is_unused(run.status, run.exit_code), ctx.resources.warm
    if warm is not None:
        warm.ended(run.submission_id)
        if unused and was_handed_over:
            warm.was_unused(run.submission_id)
    return unused


async def _start(run_id: str, order: RunOrder, ctx: JobContext) -> None:
    # The user's files win: a script may bring a module that is called like the kit.
    own = {**order.files, "main.py": order.code}
    package = build_package({**order.described, **(kit_files() if order.uses_kit else {}), **own})
    output_uri = _output_uri(run_id, ctx)
    settings = ctx.resources.settings.ray
    env_vars = {
        **variables.QUIET,
        **(variables.PLAIN_PANDAS if order.generated else {}),
        **(variables.SMALL_DATA if order.small and order.engine is Engine.DISTRIBUTED else {}),
        # The state of one context says nothing of another.
        **({} if variables.TRACE in order.env_vars else variables.trace()),
        **order.env_vars,
        **({variables.OUTPUT: output_uri} if output_uri else {}),
    }
    await ctx.progress(SUBMITTING, run_id)
    with tracing.span("run submit", {"raylane.run.package_bytes": len(package.data)}):
        submission = await ctx.resources.ray.submit(
            submission_id=run_id,
            entrypoint=f"python -m {LAUNCHER}" if order.generated else "python main.py",
            package=package,
            env_vars=env_vars,
            pip=order.pip,
            metadata={
                "raylane_job_id": ctx.job_id,
                "raylane_session_id": ctx.record.session_id or "",
                # `submit` uses it to recognise its own run. A run of other code with the same id is refused, not
                # followed. Between two attempts the sources of a session may change, and a deploy the kit, but the run
                # is the same.
                "raylane_package": build_package(own).name,
            },
            num_cpus=settings.entrypoint_num_cpus if order.num_cpus is None else order.num_cpus,
            memory_bytes=settings.entrypoint_memory_bytes if order.memory_bytes is None else order.memory_bytes,
        )
    await ctx.progress(RUNNING, f"{run_id} via the {submission.endpoint} endpoint")


def _output_uri(run_id: str, ctx: JobContext) -> str | None:
    """Returns the S3 prefix, below that of the session, where the run may write files; None without a session."""
    session_id = ctx.record.session_id
    bucket = ctx.resources.settings.storage.bucket
    return f"s3://{bucket}/sessions/{session_id}/runs/{run_id}/" if session_id else None


async def _follow(named: NamedRun, ctx: JobContext) -> tuple[Run, bool]:
    """Returns the run once it has ended, and whether it was overdue and therefore stopped."""
    ray, run_id = ctx.resources.ray, named.run_id
    overdue = False
    async with naming(run_id, was_sent=True), _followed(named, ctx):
        with tracing.span("run wait"):
            try:
                async with asyncio.timeout(ctx.resources.settings.ray.run_timeout_s) as deadline:
                    job = await ray.wait(run_id, accepted=True)
            except TimeoutError:
                if not deadline.expired():
                    raise
                overdue = True
                job = (await ray.stop(run_id, timeout_s=_STOP_TIMEOUT_S)).run
            except RunNotStarted:
                # Otherwise the run may start later, when no job waits for it.
                await ray.ask_to_stop(run_id)
                raise
        with tracing.span("run collect"):
            return await _collect(run_id, job, ctx), overdue


@asynccontextmanager
async def _followed(named: NamedRun, ctx: JobContext) -> AsyncIterator[None]:
    """Shows the job's followers during the block what the run prints and waits for.

    Streams the output for up to 5 s after the block unless it raised.
    """
    run_id = named.run_id

    async def report(what: str) -> None:
        await ctx.progress(RUNNING, f"{named.label} {what}")

    # Both ask Ray again and again, which is no step of the run.
    beside = tracing.apart()
    streaming = asyncio.create_task(stream_output(run_id, ctx), name=f"output of {run_id}", context=beside)
    reporting = asyncio.create_task(
        report_waiting(ctx.resources.ray, run_id, report), name=f"waiting of {run_id}", context=beside
    )
    try:
        yield
        reporting.cancel()
        await asyncio.wait({streaming}, timeout=_LAST_OUTPUT_S)
    finally:
        for task in (streaming, reporting):
            task.cancel()
        for outcome in await asyncio.gather(streaming, reporting, return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.error("job %s: following run %s failed", ctx.job_id, run_id, exc_info=outcome)


async def _collect(run_id: str, job: RayRun, ctx: JobContext) -> Run:
    try:
        logs = await ctx.resources.ray.logs(run_id, max_bytes=OUTPUT_TAIL_BYTES)
    except RayServerError as error:
        if error.retryable:
            raise
        # The run has ended even if Ray cannot read its output.
        logs = RayLogs(text=f"({error.message})", truncated=True, endpoint=job.endpoint)
    return Run(
        submission_id=run_id,
        status=job.status,
        endpoint=logs.endpoint,
        exit_code=job.driver_exit_code,
        output_tail=logs.text,
        output_truncated=logs.truncated,
        message=None if job.status is RunStatus.SUCCEEDED or not job.message else job.message[-_MESSAGE_CHARACTERS:],
        output_uri=_output_uri(run_id, ctx),
        started_at_ms=job.start_time_ms,
        ended_at_ms=job.end_time_ms,
    )


def _lasted_s(run: Run) -> float:
    """Returns how long the run took by Ray's clock, in seconds; 0 if Ray does not say."""
    if run.started_at_ms is None or run.ended_at_ms is None:
        return 0
    return (run.ended_at_ms - run.started_at_ms) / 1000
