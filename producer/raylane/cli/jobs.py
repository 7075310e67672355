"""`raylane status`, `result`, `follow`, `cancel` and `retry`: one job, and what became of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import options, runner
from raylane.cli.terminal import event_line

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer

app = typer.Typer()


@app.command()
@options.grouped
def status(job: options.Job, output: options.Output = options.OUTPUT) -> None:
    """Show what is true of a job now."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        record = await producer.record(job)
        if terminal.as_json:
            terminal.models(record)
        else:
            from raylane.cli.render import show_record

            show_record(record, terminal)

    runner.run(command, output)


@app.command()
@options.grouped
def result(job: options.Job, call: options.Call = options.NO_WAIT) -> None:
    """Print a job's result, or the error that ended it.

    A job that has not ended is exit code 4, unless --wait waits for it.
    """

    async def command(producer: Producer, terminal: Terminal) -> None:
        if call.wait:
            await runner.watch(producer, job, runner.deadline(call.timeout_s), terminal)
        record = await producer.record(job)
        if not record.status.is_final:
            raise raylane.WaitTimeout(f"job {job} is {record.status}; --wait waits for it", details={"job_id": job})
        runner.show(await producer.result(job), terminal)

    runner.run(command, call)


@app.command()
@options.grouped
def follow(
    job: options.Job,
    after: Annotated[
        str, typer.Option("--after", metavar="EVENT", help="Go on behind this event's id.", show_default=False)
    ] = "0-0",
    timeout: options.Timeout = None,
    output: options.Output = options.OUTPUT,
) -> None:
    """Print a job's events and the text it generates until it ends, and end as the job does.

    With --json each event is a JSON document on a line of its own.
    """

    async def command(producer: Producer, terminal: Terminal) -> None:
        terminal.job_id = job
        async with runner.patience(job, runner.deadline(timeout)):
            async for event in producer.follow(job, after=after):
                if terminal.as_json:
                    terminal.models(event)
                elif event.text is not None:
                    terminal.piece(event.text)
                else:
                    for line in [event_line(event)] if event.line is None else event.line.split("\n"):
                        terminal.text(f"{event.id}  {line}")
        error = (await producer.record(job)).error
        if error is None:
            return
        if not terminal.as_json:
            terminal.error(error)
        raise typer.Exit(runner.exit_code(error))

    runner.run(command, output)


@app.command()
@options.grouped
def cancel(
    job: options.Job,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until a running job has stopped.")] = False,
    timeout: options.Timeout = None,
    output: options.Output = options.OUTPUT,
) -> None:
    """Cancel a job, whether it waits or runs; its run on Ray is stopped, too. One that has ended stays as it is."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        status = await producer.cancel(job)
        if wait and not status.is_final:
            status = (await producer.wait(job, timeout)).status
        if terminal.as_json:
            terminal.json({"job_id": job, "status": status})
        else:
            terminal.text(f"{job} {status if status.is_final else 'is being stopped'}")

    runner.run(command, output)


@app.command()
@options.grouped
def retry(job: options.Job, output: options.Output = options.OUTPUT) -> None:
    """Put a failed or cancelled job back into the queue."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        await producer.requeue(job)
        terminal.job(job)

    runner.run(command, output)
