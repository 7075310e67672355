"""`raylane run`, `upload` and `generate`: the work that a session does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from raylane.cli import options, runner

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer

app = typer.Typer()

Prompt = Annotated[str, typer.Argument(metavar="PROMPT", help="What to compute, as a sentence.", show_default=False)]
Filename = Annotated[
    str | None, typer.Option("--filename", help="Another name for the file.", metavar="NAME", show_default=False)
]
Generator = Annotated[
    Literal["auto", "template", "agent"] | None,
    typer.Option("--generator", help="What writes the code. Left out: the worker's setting.", show_default=False),
]
MaxAttempts = Annotated[int, typer.Option("--max-attempts", metavar="1-5", help="Versions of the code at most.")]
KeepSources = Annotated[
    bool, typer.Option("--keep-sources", help="Leave the session's sources in place after the run.")
]


@app.command()
def run(
    file: options.File,
    prompt: Prompt,
    session: options.Session = None,
    generator: Generator = None,
    max_attempts: MaxAttempts = 5,
    keep_sources: KeepSources = False,
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Upload a CSV, write code that answers the prompt, and run it on Ray.

    With --job-id X the upload is job X-upload. With --no-wait only the upload is waited for.
    """
    call = options.Call(as_json, redis_url, wait, timeout)

    async def command(producer: Producer, terminal: Terminal) -> None:
        session_id = runner.need_session(session)
        deadline = runner.deadline(call)
        upload_id = None if job_id is None else f"{job_id}-upload"
        uploading = await producer.upload(file, session_id=session_id, job_id=upload_id)
        await runner.finish(producer, uploading, deadline, terminal)
        generating = await producer.generate(
            prompt,
            session_id=session_id,
            execute=True,
            generator=generator,
            max_attempts=max_attempts,
            keep_sources=keep_sources,
            job_id=job_id,
        )
        await runner.conclude(producer, generating, call, deadline, terminal)

    runner.run(command, call)


@app.command()
def upload(
    file: options.File,
    session: options.Session = None,
    filename: Filename = None,
    job_id: options.JobId = None,
    wait: options.Wait = False,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Upload a CSV of up to 8 MiB into the session."""
    runner.run_job(
        lambda producer: producer.upload(
            file, session_id=runner.need_session(session), filename=filename, job_id=job_id
        ),
        options.Call(as_json, redis_url, wait, timeout),
    )


@app.command()
def generate(
    prompt: Prompt,
    session: options.Session = None,
    execute: Annotated[bool, typer.Option("--run", help="Run the code on Ray, too.")] = False,
    generator: Generator = None,
    max_attempts: MaxAttempts = 5,
    keep_sources: KeepSources = False,
    job_id: options.JobId = None,
    wait: options.Wait = False,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Write code that answers the prompt from the session's sources."""
    runner.run_job(
        lambda producer: producer.generate(
            prompt,
            session_id=runner.need_session(session),
            execute=execute,
            generator=generator,
            max_attempts=max_attempts,
            keep_sources=keep_sources,
            job_id=job_id,
        ),
        options.Call(as_json, redis_url, wait, timeout),
    )
