"""`generate` jobs: write code for the session's sources, verify it, run it, and mend it with what went wrong.

The loop is here, in code: write → verify → run → feed what went wrong back, at most `max_versions` versions.
Each step is checkpointed before the next, so that another attempt of the job goes on where this one died.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from raylane_common.errors import NoSources, RayError, RunFailed, UnsupportedFormat, VerificationFailed
from raylane_common.ray.models import RayJobStatus
from raylane_common.wire.generate import Checkpoint, CodeVersion, GenerateResult, GeneratorName
from raylane_common.wire.sources import OpaqueSource
from raylane_worker.generation.agents.team import WritingTask, write_code
from raylane_worker.generation.providers.models import choose, make_model
from raylane_worker.generation.verify import verify
from raylane_worker.runs.run import RunOrder, is_small, run_to_end, stop_run, submission_id

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.ray.models import Run
    from raylane_common.wire.generate import GenerateRequest, Usage
    from raylane_common.wire.sources import Source
    from raylane_worker.context import JobContext


async def generate(request: GenerateRequest, ctx: JobContext) -> GenerateResult:
    """Code that passed verification and, with `execute`, ran to success.

    Raises `NoSources`, a `GenerationError` or a `RayError`; once no version is left, the last one's failure.
    """
    state = ctx.record.checkpoint or await _begin(request, ctx)
    while True:
        version = state.versions[-1] if state.versions else None
        if version is None or _is_spent(version):
            if version is not None:
                _raise_if_last(version, state, request)
            state = await _write_version(state, request, ctx)
        elif not request.execute or version.run is not None:
            return _result(state, version)
        else:
            run = await _run(version, state, request, ctx)
            state = await _keep(_with(state, version.model_copy(update={"run": run})), ctx)


async def stop_generate(request: GenerateRequest, ctx: JobContext) -> None:
    """Stops the run that a cancelled job may have started. The session keeps its sources unless the run had ended.

    Raises what `stop_run` raises, and `QueueUnavailable`.
    """
    state = ctx.record.checkpoint
    version = state.versions[-1] if state and state.versions else None
    if state is None or version is None or not request.execute or version.findings or version.run is not None:
        return
    job = await stop_run(submission_id(ctx.job_id, version.number, ctx.record.round), ctx)
    # A run that was stopped may have been stopped right here, by a worker that died before it could say so.
    if job is not None and job.status is not RayJobStatus.STOPPED:
        await _clear_sources(state, request, ctx)


async def _begin(request: GenerateRequest, ctx: JobContext) -> Checkpoint:
    """The job's snapshot: the sources it works on from now on, whatever happens to the session."""
    sources = await ctx.resources.sources.all(ctx.session_id)
    if not sources:
        raise NoSources(
            f"session {ctx.session_id} has no sources; upload a CSV or select a table first",
            details={"session_id": ctx.session_id},
        )
    chosen = choose(ctx.resources.settings, request.generator)
    return await _keep(
        Checkpoint(sources_used=tuple(sources), generator=chosen.generator, model=chosen.model_name), ctx
    )


async def _write_version(state: Checkpoint, request: GenerateRequest, ctx: JobContext) -> Checkpoint:
    settings = ctx.resources.settings
    chosen = choose(settings, state.generator)
    number, allowed = len(state.versions) + 1, _allowed(state, request)
    by = chosen.model_name or chosen.generator
    await ctx.progress("generating", f"version {number} by {by}", done=number - 1, total=allowed, unit="versions")
    draft = await write_code(
        WritingTask(
            job_id=ctx.job_id,
            prompt=request.prompt,
            sources=_sources(state),
            small=is_small(_sources(state), settings.ray.small_source_bytes),
            limits=settings.generation,
            previous=state.versions[-1] if state.versions else None,
        ),
        await asyncio.to_thread(make_model, chosen, settings),
        say=ctx.text,
    )
    await ctx.text(draft.code)
    await ctx.progress("verifying", f"version {number}", done=number, total=allowed, unit="versions")
    version = CodeVersion(number=number, code=draft.code, findings=tuple(verify(draft.code, _sources(state))))
    usage: Usage | None = draft.usage if state.usage is None or draft.usage is None else state.usage + draft.usage
    return await _keep(
        state.model_copy(
            update={
                "versions": (*state.versions, version),
                # The setting may have changed since the job began.
                "model": chosen.model_name,
                "interpreted_as": draft.interpreted_as,
                "usage": usage or state.usage,
            }
        ),
        ctx,
    )


async def _run(version: CodeVersion, state: Checkpoint, request: GenerateRequest, ctx: JobContext) -> Run:
    small = is_small(_sources(state), ctx.resources.settings.ray.small_source_bytes)
    try:
        run = await run_to_end(RunOrder(version.code, version.number, small), ctx)
    except RayError as error:
        if "run" in error.details:
            await _clear_sources(state, request, ctx)
        raise
    await _clear_sources(state, request, ctx)
    return run


async def _clear_sources(state: Checkpoint, request: GenerateRequest, ctx: JobContext) -> None:
    """A run has ended, well or badly: its sources leave the session. The snapshot stays for the versions to come."""
    if not request.keep_sources:
        await ctx.resources.sources.clear(ctx.session_id, state.sources_used)


def _sources(state: Checkpoint) -> tuple[Source, ...]:
    """The sources of the snapshot. Raises `UnsupportedFormat` for one that a newer version put into the session."""
    for source in state.sources_used:
        if isinstance(source, OpaqueSource):
            raise UnsupportedFormat(
                f"{source.name} is a source of type {source.type}, which this worker does not know; upgrade the worker",
                details={"source": source.name, "type": source.type},
            )
    return cast("tuple[Source, ...]", state.sources_used)


def _is_spent(version: CodeVersion) -> bool:
    return bool(version.findings) or (version.run is not None and version.run.status is not RayJobStatus.SUCCEEDED)


def _allowed(state: Checkpoint, request: GenerateRequest) -> int:
    """How many versions there may be. The template generator would only write the same code again."""
    return 1 if state.generator is GeneratorName.TEMPLATE else request.max_versions


def _raise_if_last(version: CodeVersion, state: Checkpoint, request: GenerateRequest) -> None:
    """Ends the job with the last version's failure."""
    allowed = _allowed(state, request)
    if len(state.versions) < allowed:
        return
    details: dict[str, JsonValue] = {"versions": len(state.versions)}
    if version.run is None:
        findings = "; ".join(f"line {finding.line}: {finding.message}" for finding in version.findings)
        details["findings"] = [finding.model_dump(mode="json") for finding in version.findings]
        raise VerificationFailed(f"version {version.number} of the code may not run: {findings}", details=details)
    details["run"] = version.run.model_dump(mode="json")
    raise RunFailed(
        f"run {version.run.submission_id} failed with exit code {version.run.exit_code} "
        f"(version {version.number} of {allowed}); its output says why",
        details=details,
    )


def _with(state: Checkpoint, version: CodeVersion) -> Checkpoint:
    return state.model_copy(update={"versions": (*state.versions[:-1], version)})


async def _keep(state: Checkpoint, ctx: JobContext) -> Checkpoint:
    await ctx.port.checkpoint(state)
    return state


def _result(state: Checkpoint, version: CodeVersion) -> GenerateResult:
    return GenerateResult(
        generator=state.generator,
        model=state.model,
        code=version.code,
        interpreted_as=state.interpreted_as,
        sources_used=state.sources_used,
        versions=state.versions,
        usage=state.usage,
        run=version.run,
    )
