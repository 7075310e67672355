"""`generate` jobs: write code for the session's sources, verify it, run it, and rewrite it if that fails.

The loop is in this module, not in a prompt: write → verify → run → feed back, for at most `max_versions` versions. Each
step is checkpointed before the next, so that the job's next attempt continues where this one ended. Verification is no
such step: each attempt verifies the code that it runs or returns. See docs/decisions/0003, 0004, 0024 and 0036.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

from raylane_common.errors import (
    InvalidAnswer,
    NoAnswer,
    NoSources,
    RayError,
    RunFailed,
    UnsupportedFormat,
    VerificationFailed,
)
from raylane_common.ray.models import RunStatus
from raylane_common.telemetry import tracing
from raylane_common.wire.generate import (
    Checkpoint,
    CodeVersion,
    GenerateChecksRequest,
    GenerateRequest,
    GenerateResult,
    GeneratorName,
)
from raylane_common.wire.sources import OpaqueSource
from raylane_worker.context import Handler
from raylane_worker.doctor.examine import examine
from raylane_worker.generation.generators import GeneratorChoice, choose_generator, make_generator
from raylane_worker.generation.port import WritingTask
from raylane_worker.generation.verify import verify_in_thread
from raylane_worker.importing import import_in_thread
from raylane_worker.run_kit import source_file
from raylane_worker.runs.answer import collect_answer
from raylane_worker.runs.engine import choose_engine, is_small, reserved
from raylane_worker.runs.failed import reason
from raylane_worker.runs.named import submission_id
from raylane_worker.runs.run import RunOrder, may_have_started, run_to_end, stop_run
from raylane_worker.runs.table_sizes import table_bytes
from raylane_worker.runs.tables import registered_partitions

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import JsonValue

    from raylane_common.telemetry.tracing import Attributes
    from raylane_common.wire.answer import Answer
    from raylane_common.wire.generate import AnyGenerateRequest, AnyGenerateResult, Finding, Usage
    from raylane_common.wire.names import Engine
    from raylane_common.wire.sources import AnySource, Source
    from raylane_worker.context import JobContext
    from raylane_worker.generation.port import Generator

_NOT_GIVEN: Final = (
    "the script ended without an answer; reach answer.value, answer.table, answer.chart or answer.file on every path"
)
_EMPTY: Final = (
    "the answer is empty: it has no rows, or only missing values. Find the cause: filters, the spelling of values, the "
    "keys of a join; the profile has the shapes of texts and the range of dates. If it really is empty, give the same "
    "answer again, with an answer.note that says why"
)


async def handle(request: AnyGenerateRequest, ctx: JobContext) -> AnyGenerateResult:
    """Performs the request's action. Raises what `generate` raises."""
    match request:
        case GenerateRequest():
            return await generate(request, ctx)
        case GenerateChecksRequest():
            return await examine(request, ctx)
        case _:
            assert_never(request)


async def clean_up(request: AnyGenerateRequest, ctx: JobContext) -> None:
    """Stops what a cancelled job may have started. Raises what `stop_generate` raises."""
    if isinstance(request, GenerateRequest):
        await stop_generate(request, ctx)


async def generate(request: GenerateRequest, ctx: JobContext) -> GenerateResult:
    """Returns code that passed verification and, with `execute`, ran successfully, with its answer.

    Raises `NoSources`, `SourceReplaced`, a `CatalogError`, a `GenerationError` or a `RayError`. If the last allowed
    version fails, raises its failure.
    """
    state = ctx.record.checkpoint or await _begin(request, ctx)
    generator: Generator | None = None
    while True:
        version = state.versions[-1] if state.versions else None
        if version is None or _has_failed(version):
            if version is not None:
                _raise_if_last(version, state, request)
                if version.run is not None:
                    # Writing the next version may take minutes, in which another job can use the slot.
                    await ctx.port.free_run_slot()
            # Each attempt chooses the model again, because the settings may have changed.
            chosen = choose_generator(ctx.resources.settings, state.generator)
            if generator is None:
                resources = ctx.resources
                generator = await import_in_thread(make_generator, chosen, resources.settings, resources.metrics)
            state = await _write_version(generator, chosen, state, request, ctx)
        elif version.run is not None:
            return _result(state, version)
        elif findings := await _verify(version, state):
            await _stop_earlier_run(state, ctx)
            state = await _keep(_with_last(state, version.model_copy(update={"findings": tuple(findings)})), ctx)
        elif not request.execute:
            return _result(state, version)
        else:
            state = await _keep(await _run(version, state, request, ctx), ctx)


async def stop_generate(request: GenerateRequest, ctx: JobContext) -> None:
    """Stops the run that a cancelled job may have started. If the run had already ended, its sources are removed.

    Raises what `stop_run` raises, and `QueueUnavailable`.
    """
    state = ctx.record.checkpoint
    version = state.versions[-1] if state and state.versions else None
    if state is None or version is None or not request.execute or version.findings or version.run is not None:
        return
    job = await stop_run(_run_id(state, ctx), ctx)
    # STOPPED does not mean that the run had ended: an earlier call, whose worker then died, may have stopped it.
    if job is not None and job.status is not RunStatus.STOPPED:
        await _clear_sources(state, request, ctx)


async def _begin(request: GenerateRequest, ctx: JobContext) -> Checkpoint:
    """Writes the sources to the checkpoint, and the code if it is given. The job uses only these from now on."""
    if given := request.rerun:
        state = await _snapshot(given.sources_used, given.engine, GeneratorChoice(given.generator, given.model), ctx)
        versions = (CodeVersion(number=1, code=given.code),)
        return await _keep(state.model_copy(update={"interpreted_as": given.interpreted_as, "versions": versions}), ctx)
    chosen = choose_generator(ctx.resources.settings, request.generator)
    if request.continues is not None:
        return await _keep(await _snapshot(request.continues.sources_used, request.engine, chosen, ctx), ctx)
    sources = await ctx.resources.sources.all(ctx.session_id)
    return await _keep(await _snapshot(sources, request.engine, chosen, ctx), ctx)


async def _snapshot(
    sources: Iterable[AnySource], engine: Engine | None, chosen: GeneratorChoice, ctx: JobContext
) -> Checkpoint:
    """Returns the checkpoint of a job that has written nothing yet. Raises `NoSources` if there are no sources."""
    known = _known_sources(sources)
    if not known:
        raise NoSources(
            f"session {ctx.session_id} has no sources; upload a file or select a table first",
            details={"session_id": ctx.session_id},
        )
    partitions = await registered_partitions(known, ctx)
    sizes = await table_bytes(known, partitions, ctx)
    return Checkpoint(
        sources_used=known,
        engine=choose_engine(known, sizes, engine, ctx.resources.settings.ray),
        partitions=partitions,
        table_bytes=sizes,
        generator=chosen.name,
        model=chosen.model,
    )


async def _write_version(
    generator: Generator, chosen: GeneratorChoice, state: Checkpoint, request: GenerateRequest, ctx: JobContext
) -> Checkpoint:
    number, allowed = len(state.versions) + 1, _allowed_versions(state, request)
    await ctx.progress("generating", f"version {number} by {chosen}", done=number - 1, total=allowed, unit="versions")
    sources = _known_sources(state.sources_used)
    task = WritingTask(
        job_id=ctx.job_id,
        prompt=request.prompt,
        sources=sources,
        engine=state.engine,
        chart=request.chart,
        continues=request.continues,
        previous=state.versions[-1] if state.versions else None,
    )
    attributes: Attributes = {
        "raylane.version": number,
        "raylane.generator": chosen.name,
        "gen_ai.request.model": chosen.model,
    }
    with tracing.span("write version", attributes) as span:
        span.set_content({"raylane.prompt": request.prompt})
        draft = await generator.write(task, ctx.text)
        span.set_content({"raylane.code": draft.code})
        if draft.usage is not None:
            span.set(
                {
                    "gen_ai.usage.input_tokens": draft.usage.input_tokens,
                    "gen_ai.usage.output_tokens": draft.usage.output_tokens,
                }
            )
    await ctx.text(draft.code)
    await ctx.progress("verifying", f"version {number}", done=number, total=allowed, unit="versions")
    version = CodeVersion(number=number, code=draft.code)
    usage: Usage | None = draft.usage if state.usage is None or draft.usage is None else state.usage + draft.usage
    return await _keep(
        state.model_copy(
            update={
                "versions": (*state.versions, version),
                "model": chosen.model,
                "interpreted_as": draft.interpreted_as,
                "question": draft.question,
                "usage": usage or state.usage,
            }
        ),
        ctx,
    )


async def _verify(version: CodeVersion, state: Checkpoint) -> list[Finding]:
    with tracing.span("verify version", {"raylane.version": version.number}) as span:
        findings = await verify_in_thread(version.code, _known_sources(state.sources_used), state.engine)
        if findings:
            span.set({"raylane.rules": [finding.rule for finding in findings]})
            span.failed("findings")
        return findings


async def _stop_earlier_run(state: Checkpoint, ctx: JobContext) -> None:
    """Stops the run of the last version if an earlier attempt, whose checks accepted the code, may have started it.

    Raises what `stop_run` raises.
    """
    run_id = _run_id(state, ctx)
    if may_have_started(run_id, ctx):
        await stop_run(run_id, ctx)
        await ctx.port.free_run_slot()


def _run_id(state: Checkpoint, ctx: JobContext) -> str:
    """Returns the submission id for the last version."""
    return submission_id(ctx.job_id, len(state.versions), ctx.record.round)


async def _run(version: CodeVersion, state: Checkpoint, request: GenerateRequest, ctx: JobContext) -> Checkpoint:
    """Runs the last version. Returns the state with its run, and its answer or what is wrong with it."""
    if not may_have_started(_run_id(state, ctx), ctx):
        await ctx.resources.sources.check_current(ctx.session_id, state.sources_used)
    sources, settings = _known_sources(state.sources_used), ctx.resources.settings.ray
    small, kept = (
        is_small(sources, state.table_bytes, settings),
        reserved(state.engine, sources, state.table_bytes, settings),
    )
    try:
        order = RunOrder(
            version.code,
            len(state.versions),
            generated=True,
            engine=state.engine,
            small=small,
            described=source_file(sources, state.partitions, state.engine, small=small),
            num_cpus=kept.num_cpus,
            memory_bytes=kept.memory_bytes,
        )
        run = await run_to_end(order, ctx)
    except RayError as error:
        if "run" in error.details:
            await _clear_sources(state, request, ctx)
        raise
    await _clear_sources(state, request, ctx)
    # It may have read the new bytes as the snapshot says, which gives the answer of neither upload.
    await ctx.resources.sources.check_current(ctx.session_id, state.sources_used)
    if run.status is not RunStatus.SUCCEEDED:
        return _with_last(state, version.model_copy(update={"run": run}))
    answer: Answer | None = None
    try:
        answer = await collect_answer(run, ctx)
        doubt = _doubt(answer, state, request)
    except InvalidAnswer as error:
        doubt = error.message
    ended = _with_last(state, version.model_copy(update={"run": run, "doubt": doubt}))
    return ended.model_copy(update={"answer": answer})


def _doubt(answer: Answer | None, state: Checkpoint, request: GenerateRequest) -> str | None:
    """Returns what is wrong with an answer; None if it is taken. An empty one is questioned once."""
    if answer is None or not (answer.items or answer.notes):
        return _NOT_GIVEN
    was_questioned = any(version.doubt == _EMPTY for version in state.versions)
    is_last = len(state.versions) >= _allowed_versions(state, request)
    return None if was_questioned or is_last or not answer.is_empty else _EMPTY


async def _clear_sources(state: Checkpoint, request: GenerateRequest, ctx: JobContext) -> None:
    """Removes the sources of a run that has ended from the session. Further versions still use the snapshot."""
    if not request.keep_sources:
        await ctx.resources.sources.clear(ctx.session_id, state.sources_used)


def _known_sources(sources: Iterable[AnySource]) -> tuple[Source, ...]:
    """Returns the sources. Raises `UnsupportedFormat` if a newer version of Raylane wrote one of them."""
    known: list[Source] = []
    for source in sources:
        if isinstance(source, OpaqueSource):
            raise UnsupportedFormat(
                f"source {source.name} is of type {source.type}, which this worker does not know; upgrade the worker",
                details={"source": source.name, "type": source.type},
            )
        known.append(source)
    return tuple(known)


def _has_failed(version: CodeVersion) -> bool:
    has_failed_run = version.run is not None and version.run.status is not RunStatus.SUCCEEDED
    return bool(version.findings) or has_failed_run or version.doubt is not None


def _allowed_versions(state: Checkpoint, request: GenerateRequest) -> int:
    """Returns how many versions the job may have: only one with templates, which would write the same code again."""
    is_fixed = state.generator is GeneratorName.TEMPLATE or request.rerun is not None
    return 1 if is_fixed else request.max_versions


def _raise_if_last(version: CodeVersion, state: Checkpoint, request: GenerateRequest) -> None:
    """Raises the failure of the version if it is the last one that the job may write."""
    allowed = _allowed_versions(state, request)
    if len(state.versions) < allowed:
        return
    details: dict[str, JsonValue] = {"versions": len(state.versions)}
    if version.run is None:
        findings = "; ".join(
            finding.message if finding.line is None else f"line {finding.line}: {finding.message}"
            for finding in version.findings
        )
        details["findings"] = [finding.model_dump(mode="json") for finding in version.findings]
        raise VerificationFailed(f"version {version.number} of the code may not run: {findings}", details=details)
    details["run"] = version.run.model_dump(mode="json")
    if version.doubt is not None:
        kind = NoAnswer if version.doubt == _NOT_GIVEN else InvalidAnswer
        raise kind(f"version {version.number} of {allowed} ran, but {version.doubt}", details=details)
    raise RunFailed(
        f"run {version.run.submission_id} failed with exit code {version.run.exit_code} "
        f"(version {version.number} of {allowed}); {reason(version.run, state.engine)}",
        details=details,
    )


def _with_last(state: Checkpoint, version: CodeVersion) -> Checkpoint:
    """Returns the state with its last version replaced."""
    return state.model_copy(update={"versions": (*state.versions[:-1], version)})


async def _keep(state: Checkpoint, ctx: JobContext) -> Checkpoint:
    await ctx.port.checkpoint(state)
    return state


def _result(state: Checkpoint, version: CodeVersion) -> GenerateResult:
    return GenerateResult(
        generator=state.generator,
        model=state.model,
        engine=state.engine,
        answer=state.answer,
        code=version.code,
        interpreted_as=state.interpreted_as,
        question=state.question,
        sources_used=state.sources_used,
        versions=state.versions,
        usage=state.usage,
        run=version.run,
    )


HANDLER: Final = Handler(handle, clean_up=clean_up)
