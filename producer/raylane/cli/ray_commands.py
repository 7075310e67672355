"""`raylane ray`: commands for the Ray cluster. Each enqueues a job, and a worker talks to the cluster."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import parameters, runner
from raylane.cli.columns import fact, key, text
from raylane.cli.render import renders, show_run
from raylane.cli.times import time_cell
from raylane_common.counting import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from raylane.cli.terminal import Terminal
    from raylane.handle import JobHandle
    from raylane.producer import Producer
    from raylane_common.ray.models import EndpointReport, RayRun
    from raylane_common.wire.ray import (
        RayClusterResult,
        RayDeleteResult,
        RayEndpointsResult,
        RayLogsResult,
        RayRunResult,
        RayRunsResult,
        RayStatusResult,
        RayStopResult,
        RaySubmitResult,
    )

app: typer.Typer = typer.Typer(
    name="ray", help="Look at the Ray cluster and its runs, and run scripts on it.", no_args_is_help=True
)

Files = Annotated[
    list[Path] | None,
    typer.Option("--file", metavar="FILE", help="A text file to ship with the script. May be repeated."),
]
EnvVars = Annotated[
    list[str] | None,
    typer.Option(
        "--env", metavar="NAME=VALUE", help="A variable for the script; Ray shows it to everyone. May be repeated."
    ),
]
Pip = Annotated[
    list[str] | None,
    typer.Option("--pip", metavar="REQUIREMENT", help="A package that Ray installs for the script. May be repeated."),
]
NumCpus = Annotated[
    float | None,
    typer.Option("--num-cpus", min=0, metavar="NUMBER", help="CPUs to reserve for the script.", show_default=False),
]
Memory = Annotated[
    int | None,
    typer.Option("--memory", min=0, metavar="BYTES", help="Memory to reserve for the script.", show_default=False),
]
SubmissionId = Annotated[str, typer.Argument(metavar="ID", help="The run's submission id.", show_default=False)]


@app.command()
@parameters.grouped
def status(job_id: parameters.JobId = None, waiting: parameters.WaitOptions = parameters.WAIT) -> None:
    """Show the cluster's version and the state of its endpoints."""
    runner.execute_look(lambda producer: producer.cluster.status(job_id=job_id), waiting)


@renders("RayStatusResult")
def show_status(result: RayStatusResult, terminal: Terminal) -> None:
    """Prints the version, the endpoint that answered, and all endpoints."""
    terminal.line(f"Ray {result.version.ray_version}, answered by {result.endpoint}")
    _show_endpoints(result.endpoints, terminal)


@app.command()
@parameters.grouped
def endpoints(job_id: parameters.JobId = None, waiting: parameters.WaitOptions = parameters.WAIT) -> None:
    """Show each endpoint of the cluster: state, latency, next probe, last error."""
    runner.execute_look(lambda producer: producer.cluster.endpoints(job_id=job_id), waiting)


@renders("RayEndpointsResult")
def show_endpoints(result: RayEndpointsResult, terminal: Terminal) -> None:
    """Prints one line per endpoint, and why none answered if that is so."""
    _show_endpoints(result.endpoints, terminal)
    if result.problem:
        terminal.note(result.problem)


def _show_endpoints(endpoints: Sequence[EndpointReport], terminal: Terminal) -> None:
    rows = [
        [
            each.name,
            each.url,
            each.state,
            "" if each.latency_ms is None else f"{each.latency_ms:g} ms",
            "" if each.next_probe_in_s is None else f"in {each.next_probe_in_s:.0f} s",
            each.last_error or "",
        ]
        for each in endpoints
    ]
    columns = [
        *(key("endpoint"), text("url", 2), key("state"), fact("latency", 3), fact("next probe", 4)),
        text("last error", 1),
    ]
    terminal.table(columns, rows)


@app.command()
@parameters.grouped
def cluster(job_id: parameters.JobId = None, waiting: parameters.WaitOptions = parameters.WAIT) -> None:
    """Show the cluster's health, nodes and use of resources."""
    runner.execute_look(lambda producer: producer.cluster.cluster(job_id=job_id), waiting)


@renders("RayClusterResult")
def show_cluster(result: RayClusterResult, terminal: Terminal) -> None:
    """Prints the health, one line per node, and what `ray status` prints."""
    health = result.health
    state = "its control store answers" if health.gcs_ok else f"its control store does not answer: {health.said}"
    terminal.line(f"Ray {health.ray_version}, answered by {health.endpoint}; {state}")
    rows = [
        [
            node.node_id[:12],
            node.node_ip,
            "head" if node.is_head_node else "worker",
            node.state,
            _resources_text(node.resources_total),
        ]
        for node in result.nodes
    ]
    terminal.table([key("node"), key("address"), fact("role", 2), key("state"), text("resources", 1, wraps=True)], rows)
    if result.status:
        terminal.text(result.status.strip())


def _resources_text(amounts: dict[str, float]) -> str:
    # Ray adds an artificial resource for each node, such as node:10.0.0.5.
    names = [name for name in sorted(amounts) if ":" not in name]
    return ", ".join(
        f"{name} {amounts[name] / 2**30:.1f} GiB" if name.endswith("memory") else f"{name} {amounts[name]:g}"
        for name in names
    )


@app.command()
@parameters.grouped
def runs(
    limit: Annotated[int, typer.Option("--limit", metavar="1-500", help="How many to list, newest first.")] = 100,
    job_id: parameters.JobId = None,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """List the cluster's runs, newest first."""
    runner.execute_look(lambda producer: producer.cluster.runs(limit=limit, job_id=job_id), waiting)


@renders("RayRunsResult")
def show_runs(result: RayRunsResult, terminal: Terminal) -> None:
    """Prints one line per run."""
    _show_runs(result.runs, terminal)
    if result.total > len(result.runs):
        terminal.note(f"{len(result.runs):,} of {counted(result.total, 'run')}; --limit shows more")


@app.command()
@parameters.grouped
def run(
    submission_id: SubmissionId,
    job_id: parameters.JobId = None,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """Show one run."""
    runner.execute_look(lambda producer: producer.cluster.run(submission_id, job_id=job_id), waiting)


@renders("RayRunResult")
def show_one_run(result: RayRunResult, terminal: Terminal) -> None:
    """Prints the run as one line of a list."""
    _show_runs([result.run], terminal)


def _show_runs(runs: Sequence[RayRun], terminal: Terminal) -> None:
    rows = [
        [
            run.submission_id or run.job_id or "",
            run.status,
            time_cell(run.start_time_ms, terminal),
            run.entrypoint,
            run.message or "",
        ]
        for run in runs
    ]
    terminal.table([key("run"), key("status"), fact("started", 2), text("entrypoint", 3), text("message", 1)], rows)


@app.command()
@parameters.grouped
def submit(
    file: parameters.File,
    session: parameters.Session = None,
    files: Files = None,
    env_vars: EnvVars = None,
    pip: Pip = None,
    num_cpus: NumCpus = None,
    memory_bytes: Memory = None,
    job: parameters.OneJobOptions = parameters.ONE_JOB,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """Run a Python script on the cluster, and show its output while it runs.

    With --session, the job is in the session's history, and the script's RAYLANE_OUTPUT_URI says where it may write.
    """

    async def enqueue(producer: Producer) -> JobHandle[RaySubmitResult]:
        texts = {path.name: await _read_text("files", path) for path in files or ()}
        if len(texts) < len(files or ()):
            raise raylane.InvalidRequest.field("files", "must have different names; their directories are not kept")
        return await producer.cluster.submit(
            await _read_text("file", file),
            session_id=runner.session_or_none(session),
            files=texts,
            env_vars=_parse_env_vars(env_vars or ()),
            pip=pip or (),
            num_cpus=num_cpus,
            memory_bytes=memory_bytes,
            **job.options(),
        )

    runner.execute_job(enqueue, waiting)


@renders("RaySubmitResult")
def show_submitted(result: RaySubmitResult, terminal: Terminal) -> None:
    """Prints how the run ended, and its output."""
    show_run(result.run, terminal)


@app.command()
@parameters.grouped
def logs(
    submission_id: SubmissionId,
    job_id: parameters.JobId = None,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """Print the output of a run."""
    runner.execute_look(lambda producer: producer.cluster.logs(submission_id, job_id=job_id), waiting)


@renders("RayLogsResult")
def show_logs(result: RayLogsResult, terminal: Terminal) -> None:
    """Prints the output as it is."""
    if result.truncated:
        terminal.note("only the last part of the output:")
    terminal.text(result.logs.rstrip("\r\n"))


@app.command()
@parameters.grouped
def stop(
    submission_id: SubmissionId,
    job_id: parameters.JobId = None,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """Stop a run."""
    runner.execute_job(lambda producer: producer.cluster.stop(submission_id, job_id=job_id), waiting)


@renders("RayStopResult")
def show_stopped(result: RayStopResult, terminal: Terminal) -> None:
    """Prints whether the run was stopped, and its state."""
    outcome = "stopped" if result.stopped else "had already ended"
    terminal.line(f"{result.run.submission_id} {outcome}: {result.run.status}")


@app.command()
@parameters.grouped
def delete(
    submission_id: SubmissionId,
    job_id: parameters.JobId = None,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """Delete a run that has ended from the cluster."""
    runner.execute_job(lambda producer: producer.cluster.delete(submission_id, job_id=job_id), waiting)


@renders("RayDeleteResult")
def show_deleted(result: RayDeleteResult, terminal: Terminal) -> None:
    """Prints whether the run was deleted."""
    terminal.line("deleted" if result.deleted else "not deleted")


def _parse_env_vars(pairs: Iterable[str]) -> dict[str, str]:
    variables: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise raylane.InvalidRequest.field("env_vars", f"{pair!r} is not NAME=VALUE")
        if variables.get(name, value) != value:
            raise raylane.InvalidRequest.field("env_vars", f"{name!r} has two values; give one")
        variables[name] = value
    return variables


async def _read_text(field: str, file: Path) -> str:
    from raylane.arguments import read_file
    from raylane_common.limits import MAX_CODE_BYTES

    data = await read_file(field, file, MAX_CODE_BYTES)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise raylane.InvalidRequest.field(field, f"{file} is not UTF-8: {error.reason}") from error
