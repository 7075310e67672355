"""`raylane status`, `result`, `follow`, `cancel` and `retry`: commands for one job, by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import answer_options, awaiting, parameters, process, render, runner
from raylane.cli.answers import show_job, show_result
from raylane.cli.terminal import event_line
from raylane_common.wire.names import JobKind

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer
    from raylane_common.wire.jobs import JobEvent

app: typer.Typer = typer.Typer()


@app.command()
@parameters.grouped
def status(
    job: parameters.Job,
    shown: answer_options.ShownOptions = answer_options.SHOWN,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """Show the current state of a job, and its answer."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        record = await producer.record(job)
        if terminal.as_json:
            terminal.models(record)
        else:
            render.show_record(record, terminal)
            show_job(record, terminal, shown)

    runner.execute(command, output)


@app.command()
@parameters.grouped
def result(
    job: parameters.Job,
    answer: answer_options.ExportOptions = answer_options.EXPORT,
    waiting: parameters.WaitOptions = parameters.NO_WAIT,
) -> None:
    """Print a job's result, or the error that ended it. Write its chart, tables and files.

    If the job has not ended, the exit code is 4; with --wait the command waits for it.
    """

    async def command(producer: Producer, terminal: Terminal) -> None:
        answer.check(as_json=waiting.as_json)
        record = await producer.record(job)
        if waiting.wait:
            output = record.kind != JobKind.GENERATE
            await awaiting.show_events(producer, job, awaiting.deadline(waiting.timeout_s), terminal, output=output)
            record = await producer.record(job)
        if not record.status.is_final:
            raise raylane.WaitTimeout(f"job {job} is {record.status}; use --wait", details={"job_id": job})
        await show_result(producer, job, await producer.result(job), terminal, answer)

    runner.execute(command, waiting)


@app.command()
@parameters.grouped
def follow(
    job: parameters.Job,
    after: Annotated[
        str, typer.Option("--after", metavar="EVENT", help="Start after the event with this id.", show_default=False)
    ] = "0-0",
    timeout: parameters.Timeout = None,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """Print a job's events and generated text until it ends; exit with 0, or the exit code for the job's error.

    With --json each event is one JSON document on its own line.
    """

    async def command(producer: Producer, terminal: Terminal) -> None:
        terminal.job_id = job
        async with awaiting.watched(producer, job, terminal), awaiting.time_limit(job, awaiting.deadline(timeout)):
            async for event in producer.follow(job, after=after):
                _show_event(event, terminal)
        error = (await producer.record(job)).error
        if error is None:
            return
        if not terminal.as_json:
            terminal.error(error)
        raise typer.Exit(process.exit_code(error))

    runner.execute(command, output)


def _show_event(event: JobEvent, terminal: Terminal) -> None:
    if terminal.as_json:
        terminal.models(event)
    elif event.text is not None:
        terminal.partial_text(event.text)
    elif event.line is not None:
        terminal.text(event.line, prefix=f"{event.id}  ")
    else:
        terminal.line(f"{event.id}  {event_line(event)}")


@app.command()
@parameters.grouped
def cancel(
    job: parameters.Job,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until a running job has stopped.")] = False,
    timeout: parameters.Timeout = None,
    output: parameters.OutputOptions = parameters.OUTPUT,
) -> None:
    """Cancel a waiting or running job, and stop its run on Ray. A job that has ended does not change."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        status = await producer.cancel(job)
        if wait and not status.is_final:
            status = (await producer.wait(job, timeout)).status
        if terminal.as_json:
            terminal.json({"job_id": job, "status": status})
        else:
            terminal.line(f"{job} {status if status.is_final else 'is being stopped'}")

    runner.execute(command, output)


@app.command()
@parameters.grouped
def retry(job: parameters.Job, output: parameters.OutputOptions = parameters.OUTPUT) -> None:
    """Put a failed or cancelled job back into the queue."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await producer.requeue(job)
        terminal.job(job)
        await awaiting.note_missing_workers(producer, [job], terminal)

    runner.execute(command, output)
