"""`raylane tables databases`, `list`, `select` and `deselect`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

import raylane
from raylane.cli import parameters, runner
from raylane.cli.columns import key, text
from raylane.cli.render import columns_text, renders, show_sources

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal
    from raylane_common.wire.tables import DatabasesResult, DeselectedTablesResult, SelectedTablesResult, TablesResult

Pattern = Annotated[
    str | None,
    typer.Option("--pattern", metavar="PATTERN", help="Only these names, such as 'sales_*'.", show_default=False),
]
Limit = Annotated[int, typer.Option("--limit", metavar="COUNT", help="How many at most, up to 1000.")]
Cursor = Annotated[
    str | None, typer.Option("--cursor", metavar="CURSOR", help="Continue after an earlier page.", show_default=False)
]

app: typer.Typer = typer.Typer(
    name="tables", help="List the table catalog, and select tables as sources.", no_args_is_help=True
)


@app.command()
@parameters.grouped
def databases(
    pattern: Pattern = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    job_id: parameters.JobId = None,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """List the catalog's databases."""
    runner.execute_look(
        lambda producer: producer.tables.databases(pattern=pattern, limit=limit, cursor=cursor, job_id=job_id), waiting
    )


@renders("DatabasesResult")
def show_databases(result: DatabasesResult, terminal: Terminal) -> None:
    """Prints one database per line."""
    for database in result.databases or ("no databases",):
        terminal.line(database)
    _show_next(result.next_cursor, terminal)


@app.command("list")
@parameters.grouped
def list_tables(
    database: Annotated[str, typer.Argument(metavar="DATABASE", show_default=False)],
    pattern: Pattern = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    job_id: parameters.JobId = None,
    waiting: parameters.WaitOptions = parameters.WAIT,
) -> None:
    """List the tables of a database."""
    runner.execute_look(
        lambda producer: producer.tables.list(database, pattern=pattern, limit=limit, cursor=cursor, job_id=job_id),
        waiting,
    )


@renders("TablesResult")
def show_tables(result: TablesResult, terminal: Terminal) -> None:
    """Prints one line per table; the last column says why a table cannot be selected."""
    rows = [
        [table.table, columns_text(table.columns), table.location or "", table.reason or "yes"]
        for table in result.tables
    ]
    terminal.table([key("table"), text("columns", 3), text("location", 2), text("selectable", 1)], rows)
    _show_next(result.next_cursor, terminal)


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


@app.command()
@parameters.grouped
def deselect(
    tables: Annotated[list[str], typer.Argument(metavar="DATABASE.TABLE...", show_default=False)],
    session: parameters.Session = None,
    job: parameters.OneJobOptions = parameters.ONE_JOB,
    waiting: parameters.WaitOptions = parameters.NO_WAIT,
) -> None:
    """Remove tables from the session's sources: all of them, or none."""
    runner.execute_job(
        lambda producer: producer.tables.deselect(runner.require_session(session), _pairs(tables), **job.options()),
        waiting,
    )


@renders("DeselectedTablesResult")
def show_deselected(result: DeselectedTablesResult, terminal: Terminal) -> None:
    """Prints one line per table."""
    for ref in result.tables:
        terminal.line(f"{ref.database}.{ref.table} removed")


def _show_next(cursor: str | None, terminal: Terminal) -> None:
    if cursor is not None:
        terminal.note(f"there are more; continue with --cursor {cursor}")


def _pairs(names: list[str]) -> list[tuple[str, str]]:
    pairs = []
    for name in names:
        database, dot, table = name.partition(".")
        if not dot:
            is_split = len(names) == 2 and not any("." in each for each in names)
            hint = f"; did you mean {'.'.join(names)}?" if is_split else ""
            raise raylane.InvalidRequest.field("tables", f"{name} must be written as DATABASE.TABLE{hint}")
        pairs.append((database, table))
    return pairs
