"""`raylane tables`: the catalog."""

from __future__ import annotations

from typing import Annotated

import typer

import raylane
from raylane.cli import options, runner

app = typer.Typer(help="Look into the table catalog, and select tables as sources.", no_args_is_help=True)


@app.command()
@options.grouped
def databases(job_id: options.JobId = None, call: options.Call = options.WAIT) -> None:
    """List the catalog's databases."""
    runner.run_job(lambda producer: producer.tables.databases(job_id=job_id), call)


@app.command("list")
@options.grouped
def list_tables(
    database: Annotated[str, typer.Argument(metavar="DATABASE", show_default=False)],
    job_id: options.JobId = None,
    call: options.Call = options.WAIT,
) -> None:
    """List the tables of a database."""
    runner.run_job(lambda producer: producer.tables.list(database, job_id=job_id), call)


@app.command()
@options.grouped
def select(
    tables: Annotated[list[str], typer.Argument(metavar="DATABASE.TABLE...", show_default=False)],
    session: options.Session = None,
    order: options.OneOrder = options.ONE_ORDER,
    call: options.Call = options.NO_WAIT,
) -> None:
    """Put tables into the session: all of them, or none."""
    runner.run_job(
        lambda producer: producer.tables.select(runner.need_session(session), _pairs(tables), **order.options()), call
    )


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for name in names:
        database, dot, table = name.partition(".")
        if not dot:
            raise raylane.InvalidRequest.field("tables", f"{name} must be written as DATABASE.TABLE")
        pairs.append((database, table))
    return pairs
