"""`raylane lanes`, `jobs` and `dead`: the queue as its operator sees it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Literal

import typer

import raylane
from raylane.cli import options, runner

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane.cli.terminal import Terminal
    from raylane.operator import Requeued
    from raylane.producer import Producer

app = typer.Typer()
dead = typer.Typer(help="Look at jobs that were given up, and put them back.", no_args_is_help=True)
app.add_typer(dead, name="dead")

State = Annotated[
    Literal["waiting", "scheduled", "queued", "running", "succeeded", "failed", "cancelled"] | None,
    typer.Option("--state", help="With this status only.", show_default=False),
]


@app.command()
@options.grouped
def lanes(output: options.Output = options.OUTPUT) -> None:
    """Show how many jobs stand where in each lane, and how fast they end."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        found = await producer.operator.lanes()
        if terminal.as_json:
            terminal.json([{**asdict(lane), "workers": list(lane.workers)} for lane in found])
        else:
            from raylane.cli.overview import show_lanes

            show_lanes(found, terminal)

    runner.run(command, output)


@app.command()
@options.grouped
def jobs(
    state: State = None,
    session: options.OfSession = None,
    kind: options.OfKind = None,
    limit: options.Limit = 50,
    output: options.Output = options.OUTPUT,
) -> None:
    """List jobs of all sessions, newest first."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        found = await producer.operator.jobs(status=state, session_id=session, kind=kind, limit=limit)
        if terminal.as_json:
            terminal.models(*found, many=True)
        else:
            from raylane.cli.overview import show_jobs

            show_jobs(found, terminal)

    runner.run(command, output)


@dead.command("list")
@options.grouped
def list_dead(
    kind: options.OfKind = None,
    code: options.OfCode = None,
    session: options.OfSession = None,
    limit: options.Limit = 50,
    output: options.Output = options.OUTPUT,
) -> None:
    """List the jobs that were given up, the last one first."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        found = await producer.operator.dead_letters(kind=kind, code=code, session_id=session, limit=limit)
        if terminal.as_json:
            terminal.models(*found, many=True)
        else:
            from raylane.cli.overview import show_dead

            show_dead(found, terminal)

    runner.run(command, output)


@dead.command()
@options.grouped
def show(job: options.Job, output: options.Output = options.OUTPUT) -> None:
    """Show a job with its request and all attempts that did not succeed."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        record, attempts = await producer.record(job), await producer.attempts(job)
        if terminal.as_json:
            told: list[JsonValue] = [attempt.model_dump(mode="json") for attempt in attempts]
            terminal.json({"record": record.model_dump(mode="json"), "attempts": told})
        else:
            from raylane.cli.overview import show_attempts
            from raylane.cli.render import show_record

            show_record(record, terminal)
            show_attempts(record, attempts, terminal)

    runner.run(command, output)


@dead.command()
@options.grouped
def requeue(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="One job's id.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    kind: options.OfKind = None,
    code: options.OfCode = None,
    session: options.OfSession = None,
    output: options.Output = options.OUTPUT,
) -> None:
    """Put one job back into the queue, or all that were given up, or those of a kind, code or session.

    Exit code 1 if one of several could not be put back.
    """

    async def command(producer: Producer, terminal: Terminal) -> None:
        filtered = any(each is not None for each in (kind, code, session))
        if (job is not None) + everything + filtered != 1:
            raise raylane.InvalidRequest.field("job", "name one job, or pass --all, or --kind, --code or --session")
        if job is not None:
            await producer.requeue(job)
            terminal.job(job)
            return
        outcomes = await producer.operator.requeue_dead(kind=kind, code=code, session_id=session)
        _tell(outcomes, terminal)
        if any(outcome.error for outcome in outcomes):
            raise typer.Exit(runner.EXIT_FAILED)

    runner.run(command, output)


def _tell(outcomes: list[Requeued], terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.json(
            [
                {"job_id": job_id, "error": error.info().model_dump(mode="json") if error else None}
                for job_id, error in outcomes
            ]
        )
    elif outcomes:
        rows = [[job_id, f"{error.message} [{error.code}]" if error else "requeued"] for job_id, error in outcomes]
        terminal.table(["job", "outcome"], rows)
    else:
        terminal.say("no such jobs")
