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
def status(
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Show the cluster's version and the state of its addresses."""
    runner.run_job(lambda producer: producer.ray.status(job_id=job_id), options.Call(as_json, redis_url, wait, timeout))


@app.command()
def jobs(
    limit: Annotated[int, typer.Option("--limit", metavar="1-500", help="The newest ones only.")] = 100,
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """List the cluster's jobs, newest first."""
    runner.run_job(
        lambda producer: producer.ray.jobs(limit=limit, job_id=job_id),
        options.Call(as_json, redis_url, wait, timeout),
    )


@app.command()
def job(
    submission_id: SubmissionId,
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Show one job of the cluster."""
    runner.run_job(
        lambda producer: producer.ray.job(submission_id, job_id=job_id),
        options.Call(as_json, redis_url, wait, timeout),
    )


@app.command()
def submit(
    file: options.File,
    session: options.Session = None,
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Run a Python script on the cluster; with a session it stands in its history."""
    runner.run_job(
        lambda producer: _submit(producer, file, session, job_id), options.Call(as_json, redis_url, wait, timeout)
    )


@app.command()
def logs(
    submission_id: SubmissionId,
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Print what a job of the cluster printed."""
    runner.run_job(
        lambda producer: producer.ray.logs(submission_id, job_id=job_id),
        options.Call(as_json, redis_url, wait, timeout),
    )


@app.command()
def stop(
    submission_id: SubmissionId,
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Stop a job of the cluster."""
    runner.run_job(
        lambda producer: producer.ray.stop(submission_id, job_id=job_id),
        options.Call(as_json, redis_url, wait, timeout),
    )


@app.command()
def delete(
    submission_id: SubmissionId,
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Make the cluster forget a job that has ended."""
    runner.run_job(
        lambda producer: producer.ray.delete(submission_id, job_id=job_id),
        options.Call(as_json, redis_url, wait, timeout),
    )


async def _submit(producer: Producer, file: Path, session: str | None, job_id: str | None) -> JobHandle[RunResult]:
    from raylane.files import read_file
    from raylane_common.limits import MAX_CODE_BYTES

    data = await read_file(file, MAX_CODE_BYTES)
    try:
        code = data.decode()
    except UnicodeDecodeError as error:
        raise raylane.InvalidRequest.field("path", f"{file} is not UTF-8: {error.reason}") from error
    return await producer.ray.submit(code, session_id=session, job_id=job_id)
