"""`raylane tables`: the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

import raylane
from raylane.cli import options, runner

app = typer.Typer(help="Look into the table catalog, and select tables as sources.", no_args_is_help=True)


@app.command()
def databases(
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """List the catalog's databases."""
    runner.run_job(
        lambda producer: producer.tables.databases(job_id=job_id), options.Call(as_json, redis_url, wait, timeout)
    )


@app.command("list")
def list_tables(
    database: Annotated[str, typer.Argument(metavar="DATABASE", show_default=False)],
    job_id: options.JobId = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """List the tables of a database."""
    runner.run_job(
        lambda producer: producer.tables.list(database, job_id=job_id),
        options.Call(as_json, redis_url, wait, timeout),
    )


@app.command()
def select(
    tables: Annotated[list[str], typer.Argument(metavar="DATABASE.TABLE...", show_default=False)],
    session: options.Session = None,
    job_id: options.JobId = None,
    wait: options.Wait = False,
    timeout: options.Timeout = None,
    as_json: options.Json = False,
    redis_url: options.RedisUrl = None,
) -> None:
    """Put tables into the session: all of them, or none."""
    runner.run_job(
        lambda producer: producer.tables.select(runner.need_session(session), _pairs(tables), job_id=job_id),
        options.Call(as_json, redis_url, wait, timeout),
    )


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for name in names:
        database, dot, table = name.partition(".")
        if not dot:
            raise raylane.InvalidRequest.field("tables", f"{name} must be written as DATABASE.TABLE")
        pairs.append((database, table))
    return pairs
