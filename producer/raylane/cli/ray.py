"""`raylane ray`: the Ray cluster, by way of a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import options, runner

if TYPE_CHECKING:
    from pathlib import Path

    from raylane.handle import JobHandle
    from raylane.producer import Producer
    from raylane_common.results import RunResult

app = typer.Typer(help="Look at the Ray cluster, and run scripts on it.", no_args_is_help=True)

SubmissionId = Annotated[str, typer.Argument(metavar="ID", help="A job's id on the cluster.", show_default=False)]


@app.command()
@options.grouped
def status(job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Show the cluster's version and the state of its addresses."""
    runner.run_job(lambda producer: producer.ray.status(job_id=job_id), call)


@app.command()
@options.grouped
def jobs(
    limit: Annotated[int, typer.Option("--limit", metavar="1-500", help="The newest ones only.")] = 100,
    job_id: options.JobId = None,
    call: options.Call = options.WAIT,
) -> None:
    """List the cluster's jobs, newest first."""
    runner.run_job(lambda producer: producer.ray.jobs(limit=limit, job_id=job_id), call)


@app.command()
@options.grouped
def job(submission_id: SubmissionId, job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Show one job of the cluster."""
    runner.run_job(lambda producer: producer.ray.job(submission_id, job_id=job_id), call)


@app.command()
@options.grouped
def submit(
    file: options.File,
    session: options.Session = None,
    order: options.OneOrder = options.ONE_ORDER,
    call: options.Call = options.WAIT,
) -> None:
    """Run a Python script on the cluster; with a session it stands in its history."""

    async def enqueue(producer: Producer) -> JobHandle[RunResult]:
        return await producer.ray.submit(await _script(file), session_id=session, **order.options())

    runner.run_job(enqueue, call)


@app.command()
@options.grouped
def logs(submission_id: SubmissionId, job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Print what a job of the cluster printed."""
    runner.run_job(lambda producer: producer.ray.logs(submission_id, job_id=job_id), call)


@app.command()
@options.grouped
def stop(submission_id: SubmissionId, job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Stop a job of the cluster."""
    runner.run_job(lambda producer: producer.ray.stop(submission_id, job_id=job_id), call)


@app.command()
@options.grouped
def delete(submission_id: SubmissionId, job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Make the cluster forget a job that has ended."""
    runner.run_job(lambda producer: producer.ray.delete(submission_id, job_id=job_id), call)


async def _script(file: Path) -> str:
    from raylane.files import read_file
    from raylane_common.limits import MAX_CODE_BYTES

    data = await read_file(file, MAX_CODE_BYTES)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise raylane.InvalidRequest.field("path", f"{file} is not UTF-8: {error.reason}") from error
