"""`raylane status`, `result` and `follow`: what became of a job."""

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
def status(job: options.Job, as_json: options.Json = False, redis_url: options.RedisUrl = None) -> None:
    """Show what is true of a job now."""

    async def command(producer: Producer, terminal: Terminal) -> None:
        record = await producer.record(job)
        if terminal.as_json:
            terminal.models(record)
        else:
            from raylane.cli.render import show_record

            show_record(record, terminal)

    runner.run(command, options.Call(as_json, redis_url))


@app.command()
def result(
    job: options.Job,
    wait: options.Wait = False,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Print a job's result, or the error that ended it.

    A job that has not ended is exit code 4, unless --wait waits for it.
    """
    call = options.Call(as_json, redis_url, wait, timeout)

    async def command(producer: Producer, terminal: Terminal) -> None:
        if wait:
            await runner.watch(producer, job, runner.deadline(call), terminal)
        record = await producer.record(job)
        if not record.status.is_final:
            raise raylane.WaitTimeout(f"job {job} is {record.status}; --wait waits for it", details={"job_id": job})
        runner.show(await producer.result(job), terminal)

    runner.run(command, call)


@app.command()
def follow(
    job: options.Job,
    after: Annotated[
        str, typer.Option("--after", metavar="EVENT", help="Go on behind this event's id.", show_default=False)
    ] = "0-0",
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Print a job's events until it ends, and end as the job does.

    With --json each event is a JSON document on a line of its own.
    """
    call = options.Call(as_json, redis_url, timeout_s=timeout)

    async def command(producer: Producer, terminal: Terminal) -> None:
        async with runner.patience(job, runner.deadline(call)):
            async for event in producer.follow(job, after=after):
                if terminal.as_json:
                    terminal.models(event)
                else:
                    terminal.text(f"{event.id}  {event_line(event)}")
        error = (await producer.record(job)).error
        if error is None:
            return
        if not terminal.as_json:
            terminal.error(error)
        raise typer.Exit(runner.exit_code(error))

    runner.run(command, call)
