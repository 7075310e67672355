"""`raylane lanes`, `jobs` and `dead`: commands for whoever operates the queue."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

import raylane
from raylane.cli import awaiting, parameters, runner
from raylane.cli.columns import fact, key, text
from raylane.cli.process import ExitCode
from raylane.cli.render import show_record
from raylane.cli.snapshots import lanes_table
from raylane.cli.times import duration_text, time_cell, time_text
from raylane_common.wire.names import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import JsonValue

    from raylane.cli.terminal import Terminal
    from raylane.operator import Requeued
    from raylane.producer import Producer
    from raylane_common.wire.jobs import Attempt, JobList, JobRecord

app: typer.Typer = typer.Typer()
dead: typer.Typer = typer.Typer(help="List dead letters, and requeue them.", no_args_is_help=True)
app.add_typer(dead, name="dead")

# Of all lanes there are three, and neighbours are mostly in the same one.
_LOOKED_AT: Final = 10

State = Annotated[JobStatus | None, typer.Option("--state", help="Only with this status.", show_default=False)]


@app.command()
@parameters.grouped
def lanes(output: parameters.OutputOptions = parameters.OUTPUT) -> None:
    """Show how many jobs each lane has in each state, how fast they end, and the runs on the Ray cluster."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        found = await producer.operator.lanes()
        if terminal.as_json:
            terminal.json([{**asdict(lane), "workers": list(lane.workers)} for lane in found])
        else:
            _, columns, rows = lanes_table(found)
            terminal.table(columns, rows)
            for runs in await producer.operator.cluster_runs():
                terminal.line(f"runs on {runs.cluster}: {runs.taken} of {runs.limit}, {runs.waiting} waiting")

    runner.execute(command, output)


@app.command()
@parameters.grouped
def jobs(
    state: State = None,
    session: parameters.OnlySession = None,
    kind: parameters.OnlyKind = None,
    limit: parameters.Limit = 50,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those that only look at Ray or the catalog, of the last ten minutes.")
    ] = False,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """List jobs of all sessions, newest first."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        found = await producer.operator.jobs(status=state, session_id=session, kind=kind, limit=limit, looks=everything)
        _show_found(found, _show_jobs, terminal)

    runner.execute(command, output)


def _show_found(jobs: JobList, show: Callable[[JobList, Terminal], None], terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.models(*jobs, many=True)
    elif jobs:
        show(jobs, terminal)
    else:
        terminal.note("no such jobs")
    if not jobs.complete:
        terminal.note("only the newest jobs of each lane were searched; older ones may match, too")


def _show_jobs(jobs: JobList, terminal: Terminal) -> None:
    columns = [
        *(fact("enqueued", 4), key("job"), fact("kind", 1), fact("session", 3), key("status")),
        *(fact("attempt", 5), text("what", 2)),
    ]
    rows = [
        [
            time_cell(job.enqueued_at, terminal),
            job.id,
            job.kind,
            job.session_id or "",
            job.status,
            str(job.attempt),
            job.what,
        ]
        for job in jobs
    ]
    terminal.table(columns, rows)


@dead.command("list")
@parameters.grouped
def list_dead(
    kind: parameters.OnlyKind = None,
    code: parameters.OnlyCode = None,
    session: parameters.OnlySession = None,
    limit: parameters.Limit = 50,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """List dead letters, newest first: jobs that failed through no fault of their own."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        found = await producer.operator.dead_letters(kind=kind, code=code, session_id=session, limit=limit)
        _show_found(found, _show_dead, terminal)

    runner.execute(command, output)


def _show_dead(jobs: JobList, terminal: Terminal) -> None:
    columns = [
        *(fact("failed", 3), key("job"), fact("kind", 2), fact("session", 4), fact("attempts", 5)),
        text("error", 1),
    ]
    rows = [
        [
            time_cell(job.finished_at, terminal),
            job.id,
            job.kind,
            job.session_id or "",
            str(job.attempt),
            f"{job.error.message} [{job.error.code}]" if job.error else "",
        ]
        for job in jobs
    ]
    terminal.table(columns, rows)


@dead.command("show")
@parameters.grouped
def show_dead(job: parameters.Job, output: parameters.OutputOptions = parameters.OUTPUT) -> None:
    """Show a job with its request and its failed attempts."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        record, attempts = await producer.record(job), await producer.attempts(job)
        if terminal.as_json:
            documents: list[JsonValue] = [attempt.model_dump(mode="json") for attempt in attempts]
            terminal.json({"record": record.model_dump(mode="json"), "attempts": documents})
        else:
            show_record(record, terminal)
            _show_attempts(record, attempts, terminal)

    runner.execute(command, output)


def _show_attempts(record: JobRecord, attempts: Sequence[Attempt], terminal: Terminal) -> None:
    terminal.line("")
    terminal.line("--- request")
    terminal.text(json.dumps(record.payload, ensure_ascii=False, indent=2))
    if attempts:
        terminal.line("")
        terminal.line("--- failed attempts")
    for attempt in attempts:
        took = "" if attempt.started_at is None else duration_text((attempt.ended_at - attempt.started_at) / 1000)
        after = f" after {took}" if took else ""
        terminal.line(f"{attempt.number}  {time_text(attempt.ended_at)}{after} on {attempt.worker or 'no worker'}")
        terminal.line(f"   {attempt.error.message} [{attempt.error.code}]")


@dead.command()
@parameters.grouped
def requeue(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="One job's id.", show_default=False)] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    kind: parameters.OnlyKind = None,
    code: parameters.OnlyCode = None,
    session: parameters.OnlySession = None,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """Requeue one job, all dead letters, or the dead letters of a kind, code or session.

    The exit code is 1 if any dead letter could not be requeued.
    """

    async def command(producer: Producer, terminal: Terminal) -> None:
        filtered = any(each is not None for each in (kind, code, session))
        if (job is not None) + everything + filtered != 1:
            raise raylane.InvalidRequest.field("job", "name one job, or pass --all, or --kind, --code or --session")
        if job is not None:
            await producer.requeue(job)
            terminal.job(job)
            await awaiting.note_missing_workers(producer, [job], terminal)
            return
        outcomes = await producer.operator.requeue_dead(kind=kind, code=code, session_id=session)
        _show_requeued(outcomes, terminal)
        requeued = [outcome.id for outcome in outcomes if outcome.error is None]
        await awaiting.note_missing_workers(producer, requeued[:_LOOKED_AT], terminal)
        if any(outcome.error for outcome in outcomes):
            raise typer.Exit(ExitCode.FAILED)

    runner.execute(command, output)


def _show_requeued(outcomes: list[Requeued], terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.json(
            [
                {"job_id": job_id, "error": error.info().model_dump(mode="json") if error else None}
                for job_id, error in outcomes
            ]
        )
    elif outcomes:
        rows = [[job_id, f"{error.message} [{error.code}]" if error else "requeued"] for job_id, error in outcomes]
        terminal.table([key("job"), text("outcome", 1, wraps=True)], rows)
    else:
        terminal.note("no such jobs")
