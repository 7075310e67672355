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
MaxVersions = Annotated[int, typer.Option("--max-versions", metavar="1-5", help="Versions of the code at most.")]
KeepSources = Annotated[
    bool, typer.Option("--keep-sources", help="Leave the session's sources in place after the run.")
]


@app.command()
@options.grouped
def run(
    file: options.File,
    prompt: Prompt,
    session: options.Session = None,
    generator: Generator = None,
    max_versions: MaxVersions = 5,
    keep_sources: KeepSources = False,
    order: options.Order = options.ORDER,
    call: options.Call = options.WAIT,
) -> None:
    """Upload a CSV, write code that answers the prompt, and run it on Ray.

    These are two jobs, the second after the first: with --job-id X they are X-upload and X.
    """

    async def command(producer: Producer, terminal: Terminal) -> None:
        session_id = runner.need_session(session)
        deadline = runner.deadline(call.timeout_s)
        before = order.options()
        if order.job_id is not None:
            before["job_id"] = f"{order.job_id}-upload"
        uploading = await producer.upload(file, session_id=session_id, **before)
        generating = await producer.generate(
            prompt,
            session_id=session_id,
            execute=True,
            generator=generator,
            max_versions=max_versions,
            keep_sources=keep_sources,
            job_id=order.job_id,
            after=[uploading],
            expires_s=order.expires_s,
            priority=order.priority,
        )
        if call.wait:
            # The job that stands for the command, also while its upload is being watched.
            terminal.job_id = generating.id
            await runner.finish(producer, uploading, deadline, terminal)
        await runner.conclude(producer, generating, call, deadline, terminal)

    runner.run(command, call)


@app.command()
@options.grouped
def upload(
    file: options.File,
    session: options.Session = None,
    filename: Filename = None,
    order: options.OneOrder = options.ONE_ORDER,
    call: options.Call = options.NO_WAIT,
) -> None:
    """Upload a CSV of up to 8 MiB into the session."""
    runner.run_job(
        lambda producer: producer.upload(
            file, session_id=runner.need_session(session), filename=filename, **order.options()
        ),
        call,
    )


@app.command()
@options.grouped
def generate(
    prompt: Prompt,
    session: options.Session = None,
    execute: Annotated[bool, typer.Option("--run", help="Run the code on Ray, too.")] = False,
    generator: Generator = None,
    max_versions: MaxVersions = 5,
    keep_sources: KeepSources = False,
    order: options.OneOrder = options.ONE_ORDER,
    call: options.Call = options.NO_WAIT,
) -> None:
    """Write code that answers the prompt from the session's sources."""
    runner.run_job(
        lambda producer: producer.generate(
            prompt,
            session_id=runner.need_session(session),
            execute=execute,
            generator=generator,
            max_versions=max_versions,
            keep_sources=keep_sources,
            **order.options(),
        ),
        call,
    )
