"""`raylane run`, `generate` and `rerun`."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import answer_options, awaiting, parameters, reading_options, runner
from raylane.cli.answers import show_result
from raylane.cli.upload_commands import show_warnings
from raylane_common.limits import MAX_CODE_VERSIONS
from raylane_common.wire.names import Engine, GeneratorName

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raylane.cli.terminal import Terminal
    from raylane.handle import JobHandle
    from raylane.producer import Producer
    from raylane_common.wire.generate import GenerateResult

app: typer.Typer = typer.Typer()

Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="What to compute, as a sentence.", show_default=False)]
Generator = Annotated[
    GeneratorName | None,
    typer.Option("--generator", help="What writes the code. Default: the worker's setting.", show_default=False),
]
MaxVersions = Annotated[
    int,
    typer.Option("--max-versions", metavar=f"1-{MAX_CODE_VERSIONS}", help="Maximum number of versions to write."),
]
EngineName = Annotated[
    Engine | None,
    typer.Option("--engine", help="How the code computes. Default: by the size of the sources.", show_default=False),
]
Continues = Annotated[
    str | None,
    typer.Option(
        "--continues",
        metavar="JOB",
        help='Change the question of this job, as in "only 2024", on the sources that it had read.',
        show_default=False,
    ),
]
KeepSources = Annotated[bool, typer.Option("--keep-sources", help="Keep the session's sources after the run.")]


@app.command()
@parameters.grouped
def run(
    file: parameters.Data,
    prompt: Prompt,
    session: parameters.Session = None,
    generator: Generator = None,
    max_versions: MaxVersions = MAX_CODE_VERSIONS,
    keep_sources: KeepSources = False,
    engine: EngineName = None,
    answer: answer_options.AnswerOptions = answer_options.ANSWER,
    reading: reading_options.ReadingOptions = reading_options.READING,
    jobs: parameters.JobsOptions = parameters.JOBS,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """Upload a file, write code that answers the prompt, and run it on Ray.

    This enqueues two jobs, one after the other. With --job-id X their ids are X-upload and X.
    """

    async def command(producer: Producer, terminal: Terminal) -> None:
        from raylane_common.errors import invalid_requests
        from raylane_common.wire.generate import GenerateRequest

        _check_order(file, prompt)
        session_id = runner.require_session(session)
        answer.check(as_json=waiting.as_json, waits=waiting.wait)
        # Checked before the upload, so that an invalid request stores nothing.
        with invalid_requests():
            GenerateRequest(prompt=prompt, generator=generator, max_versions=max_versions, engine=engine)
        until = awaiting.deadline(waiting.timeout_s)
        upload_options = jobs.options()
        if jobs.job_id is not None:
            upload_options["job_id"] = f"{jobs.job_id}-upload"
        upload = await awaiting.send(
            producer,
            terminal,
            lambda progress: producer.upload(
                file, session_id=session_id, reading=reading.options(), progress=progress, **upload_options
            ),
        )
        job = await producer.generate(
            prompt,
            session_id=session_id,
            execute=True,
            generator=generator,
            max_versions=max_versions,
            keep_sources=keep_sources,
            engine=engine,
            chart=not answer.no_chart,
            job_id=jobs.job_id,
            after=[upload],
            expires_s=jobs.expires_s,
            priority=jobs.priority,
        )
        if waiting.wait:
            # Messages name this job even while the upload is shown.
            terminal.job_id = job.id
            show_warnings(await awaiting.wait_for_result(producer, upload, until, terminal), terminal)
        else:
            await awaiting.note_missing_workers(producer, [upload.id], terminal)
        await awaiting.show_result_or_id(producer, job, waiting, until, terminal, _shown_with(answer))

    runner.execute(command, waiting)


def _check_order(file: str, prompt: str) -> None:
    """Raises `InvalidRequest` if the file was given as the prompt, and the prompt as the file."""
    with suppress(OSError, ValueError):  # a prompt need not be a path at all
        if not file.startswith("s3://") and not Path(file).exists() and Path(prompt).is_file():
            right = shlex.join(["raylane", "run", prompt, file])
            raise raylane.InvalidRequest.field("FILE", f"the file comes first, and then the prompt: {right}")


@app.command()
@parameters.grouped
def generate(
    prompt: Prompt,
    session: parameters.Session = None,
    execute: Annotated[bool, typer.Option("--run", help="Also run the code on Ray.")] = False,
    generator: Generator = None,
    max_versions: MaxVersions = MAX_CODE_VERSIONS,
    keep_sources: KeepSources = False,
    engine: EngineName = None,
    continues: Continues = None,
    answer: answer_options.AnswerOptions = answer_options.ANSWER,
    job: parameters.OneJobOptions = parameters.ONE_JOB,
    waiting: parameters.WaitOptions = parameters.NO_WAIT,
) -> None:
    """Write code that answers the prompt from the session's sources."""

    async def enqueue(producer: Producer) -> JobHandle[GenerateResult]:
        answer.check(as_json=waiting.as_json, waits=waiting.wait, runs=execute)
        return await producer.generate(
            prompt,
            session_id=runner.require_session(session),
            execute=execute,
            generator=generator,
            max_versions=max_versions,
            keep_sources=keep_sources,
            engine=engine,
            chart=not answer.no_chart,
            continues=continues,
            **job.options(),
        )

    runner.execute_job(enqueue, waiting, _shown_with(answer))


@app.command()
@parameters.grouped
def rerun(
    job: parameters.Job,
    answer: answer_options.AnswerOptions = answer_options.ANSWER,
    options: parameters.OneJobOptions = parameters.ONE_JOB,
    waiting: parameters.WaitOptions = parameters.NO_WAIT,
) -> None:
    """Run the code of a generate job again, on the sources that the job had read."""

    async def enqueue(producer: Producer) -> JobHandle[GenerateResult]:
        answer.check(as_json=waiting.as_json, waits=waiting.wait)
        return await producer.rerun(job, **options.options())

    runner.execute_job(enqueue, waiting, _shown_with(answer))


def _shown_with(
    options: answer_options.AnswerOptions,
) -> Callable[[Producer, str, GenerateResult, Terminal], Awaitable[None]]:
    async def show(producer: Producer, job_id: str, result: GenerateResult, terminal: Terminal) -> None:
        await show_result(producer, job_id, result, terminal, options)

    return show
