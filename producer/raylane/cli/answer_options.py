"""The options of the commands that show an answer: what they print, and which files they write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

import raylane

STDOUT: Final = "-"
_PICTURES: Final = (".svg", ".png")

Code = Annotated[bool, typer.Option("--code", help="Also print the code.")]
Log = Annotated[bool, typer.Option("--log", help="Also print the output of the run.")]
NoChart = Annotated[bool, typer.Option("--no-chart", help="Draw no chart, and show none.")]
Chart = Annotated[
    str | None,
    typer.Option(
        "--chart",
        metavar="FILE",
        help="Write the answer's chart to FILE.svg or FILE.png; - prints it as text.",
        show_default=False,
    ),
]
Open = Annotated[bool, typer.Option("--open", help="Open the chart, else the table, in this system's viewer.")]
Csv = Annotated[
    str | None,
    typer.Option("--csv", metavar="FILE", help="Write a table as CSV; - prints nothing else.", show_default=False),
]
Parquet = Annotated[
    str | None, typer.Option("--parquet", metavar="FILE", help="Write a table as Parquet.", show_default=False)
]
Files = Annotated[
    str | None,
    typer.Option("--files", metavar="DIRECTORY", help="Save the files that the run wrote.", show_default=False),
]
Table = Annotated[int, typer.Option("--table", min=1, metavar="NUMBER", help="Which table of the answer to write.")]


@dataclass(frozen=True)
class ShownOptions:
    """What is printed of a job beside its answer."""

    code: Code = False
    log: Log = False


@dataclass(frozen=True)
class AnswerOptions(ShownOptions):
    """The same for a command that runs code, and where the chart goes."""

    no_chart: NoChart = False
    chart: Chart = None
    open_file: Open = False

    def check(self, *, as_json: bool, waits: bool = True, runs: bool = True) -> None:
        """Raises `InvalidRequest` if the options contradict each other or the command, before it does anything."""
        if self.chart is not None and self.no_chart:
            raise raylane.InvalidRequest.field("chart", "cannot be combined with --no-chart")
        if self.chart == STDOUT and as_json:
            raise raylane.InvalidRequest.field("chart", "must be a file if --json prints to stdout")
        if self.chart not in (None, STDOUT) and Path(str(self.chart)).suffix.lower() not in _PICTURES:
            raise raylane.InvalidRequest.field("chart", f"{self.chart!r} must end with .svg or .png, or be -")
        _check_place("chart", self.chart)
        for name, is_given in (("chart", self.chart is not None), ("open", self.open_file)):
            if is_given and not runs:
                raise raylane.InvalidRequest.field(name, "needs an answer; add --run")
            if is_given and not waits:
                raise raylane.InvalidRequest.field(name, "needs the answer; add --wait")


@dataclass(frozen=True)
class ExportOptions(AnswerOptions):
    """The same for the command that shows a result that is there: it also writes tables and files."""

    csv: Csv = None
    parquet: Parquet = None
    table: Table = 1
    files: Files = None

    def check(self, *, as_json: bool, waits: bool = True, runs: bool = True) -> None:
        """Raises `InvalidRequest` if the options contradict each other."""
        super().check(as_json=as_json, waits=waits, runs=runs)
        if self.csv == STDOUT and (as_json or self.chart == STDOUT):
            raise raylane.InvalidRequest.field("csv", "must be a file if --json or --chart prints to stdout")
        if self.parquet == STDOUT:
            raise raylane.InvalidRequest.field("parquet", "must be a file; only CSV can be printed")
        if self.files is not None and not Path(self.files).is_dir():
            raise raylane.InvalidRequest.field("files", f"{self.files!r} is not a directory; make it first")
        _check_place("csv", self.csv)
        _check_place("parquet", self.parquet)
        if self.table != 1 and not (self.csv or self.parquet or self.open_file):
            raise raylane.InvalidRequest.field("table", "needs --csv, --parquet or --open")


def _check_place(name: str, file: str | None) -> None:
    """Raises `InvalidRequest` if there is no directory for the file."""
    if file in (None, STDOUT) or (directory := Path(str(file)).parent).is_dir():
        return
    raise raylane.InvalidRequest.field(name, f"{str(directory)!r} is not a directory; make it first")


SHOWN: Final = ShownOptions()
ANSWER: Final = AnswerOptions()
EXPORT: Final = ExportOptions()
