"""`raylane ray`: the Ray cluster, by way of a worker."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import options, runner

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane.handle import JobHandle
    from raylane.producer import Producer
    from raylane_common.wire.ray import RunResult

app = typer.Typer(help="Look at the Ray cluster, and run scripts on it.", no_args_is_help=True)

Beside = Annotated[
    list[Path] | None, typer.Option("--file", metavar="FILE", help="A text file beside the script. May be repeated.")
]
Env = Annotated[
    list[str] | None,
    typer.Option(
        "--env", metavar="NAME=VALUE", help="For its environment; Ray shows it to everybody. May be repeated."
    ),
]
Pip = Annotated[
    list[str] | None, typer.Option("--pip", metavar="REQUIREMENT", help="What Ray installs for it. May be repeated.")
]
SubmissionId = Annotated[str, typer.Argument(metavar="ID", help="The run's submission id.", show_default=False)]


@app.command()
@options.grouped
def status(job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Show the cluster's version and the state of its addresses."""
    runner.run_job(lambda producer: producer.cluster.status(job_id=job_id), call)


@app.command()
@options.grouped
def endpoints(job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Show each address: state, last error, next probe, latency."""
    runner.run_job(lambda producer: producer.cluster.endpoints(job_id=job_id), call)


@app.command()
@options.grouped
def cluster(job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Show the cluster's health, nodes and use of resources."""
    runner.run_job(lambda producer: producer.cluster.cluster(job_id=job_id), call)


@app.command()
@options.grouped
def runs(
    limit: Annotated[int, typer.Option("--limit", metavar="1-500", help="The newest ones only.")] = 100,
    job_id: options.JobId = None,
    call: options.Call = options.WAIT,
) -> None:
    """List the cluster's runs, newest first."""
    runner.run_job(lambda producer: producer.cluster.runs(limit=limit, job_id=job_id), call)


@app.command()
@options.grouped
def run(submission_id: SubmissionId, job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Show one run."""
    runner.run_job(lambda producer: producer.cluster.run(submission_id, job_id=job_id), call)


@app.command()
@options.grouped
def submit(
    file: options.File,
    session: options.Session = None,
    beside: Beside = None,
    env: Env = None,
    pip: Pip = None,
    order: options.OneOrder = options.ONE_ORDER,
    call: options.Call = options.WAIT,
) -> None:
    """Run a Python script on the cluster; with a session it stands in its history.

    What it prints is shown while it runs. With a session, RAYLANE_OUTPUT_URI in its environment says where to write.
    """

    async def enqueue(producer: Producer) -> JobHandle[RunResult]:
        return await producer.cluster.submit(
            await _text(file),
            session_id=session,
            files={path.name: await _text(path) for path in beside or ()},
            env_vars=_env_vars(env or ()),
            pip=pip or (),
            **order.options(),
        )

    runner.run_job(enqueue, call)


@app.command()
@options.grouped
def logs(submission_id: SubmissionId, job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Print what a run printed."""
    runner.run_job(lambda producer: producer.cluster.logs(submission_id, job_id=job_id), call)


@app.command()
@options.grouped
def stop(submission_id: SubmissionId, job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Stop a run."""
    runner.run_job(lambda producer: producer.cluster.stop(submission_id, job_id=job_id), call)


@app.command()
@options.grouped
def delete(submission_id: SubmissionId, job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """Make the cluster forget a run that has ended."""
    runner.run_job(lambda producer: producer.cluster.delete(submission_id, job_id=job_id), call)


def _env_vars(pairs: Iterable[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise raylane.InvalidRequest.field("env_vars", f"{pair!r} is not NAME=VALUE")
        found[name] = value
    return found


async def _text(file: Path) -> str:
    from raylane.arguments import read_file
    from raylane_common.limits import MAX_CODE_BYTES

    data = await read_file(file, MAX_CODE_BYTES)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise raylane.InvalidRequest.field("path", f"{file} is not UTF-8: {error.reason}") from error
