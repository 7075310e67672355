"""`raylane tables databases`, `list` and `select`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import parameters, runner
from raylane.cli.render import columns_text, renders, show_sources

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane_common.wire.tables import DatabasesResult, SelectedTablesResult, TablesResult

app: typer.Typer = typer.Typer(
    name="tables", help="List the table catalog, and select tables as sources.", no_args_is_help=True
)


@app.command()
@parameters.grouped
def databases(job_id: parameters.JobId = None, waiting: parameters.WaitOptions = parameters.WAIT) -> None:
    """List the catalog's databases."""
    runner.execute_job(lambda producer: producer.tables.databases(job_id=job_id), waiting)


@renders("DatabasesResult")
def show_databases(result: DatabasesResult, terminal: Terminal) -> None:
    """Prints one database per line."""
    for database in result.databases or ("no databases",):
        terminal.line(database)


@app.command("list")
@parameters.grouped
def list_tables(
    database: Annotated[str, typer.Argument(metavar="DATABASE", show_default=False)],
    job_id: parameters.JobId = None,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """List the tables of a database."""
    runner.execute_job(lambda producer: producer.tables.list(database, job_id=job_id), waiting)


@renders("TablesResult")
def show_tables(result: TablesResult, terminal: Terminal) -> None:
    """Prints one line per table; the last column says why a table cannot be selected."""
    rows = [
        [table.table, columns_text(table.columns), table.location or "", table.reason or "yes"]
        for table in result.tables
    ]
    terminal.table(["table", "columns", "location", "selectable"], rows)


@app.command()
@parameters.grouped
def select(
    tables: Annotated[list[str], typer.Argument(metavar="DATABASE.TABLE...", show_default=False)],
    session: parameters.Session = None,
    job: parameters.OneJobOptions = parameters.ONE_JOB,
    waiting: parameters.WaitOptions = parameters.NO_WAIT,
) -> None:
    """Add tables to the session's sources: all of them, or none."""
    runner.execute_job(
        lambda producer: producer.tables.select(runner.require_session(session), _pairs(tables), **job.options()),
        waiting,
    )


@renders("SelectedTablesResult")
def show_selected(result: SelectedTablesResult, terminal: Terminal) -> None:
    """Prints one line per source."""
    show_sources(result.sources, terminal)


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for name in names:
        database, dot, table = name.partition(".")
        if not dot:
            raise raylane.InvalidRequest.field("tables", f"{name} must be written as DATABASE.TABLE")
        pairs.append((database, table))
    return pairs
