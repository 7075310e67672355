"""Writes the charts, tables and files of an answer where a command was told to, and opens them."""

from __future__ import annotations

import re
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

import raylane
from raylane.cli.answer_options import STDOUT, ExportOptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane.cli.answer_options import AnswerOptions
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer
    from raylane_common.wire.answer import Answer, AnswerChart, AnswerTable

# Where semicolons separate lists, a spreadsheet makes a cell of each part. In Japanese, wide signs count as well.
_FORMULA: Final = re.compile(r"(?:^|[;\t\r\n])\s*[=+@\-\uff1d\uff0b\uff20\uff0d]|^[\t\r]")


async def export(
    producer: Producer, job_id: str, answer: Answer | None, terminal: Terminal, options: AnswerOptions
) -> None:
    """Writes and opens what the options ask for, and notes each file.

    Raises `InvalidRequest` if the answer does not have it or a file cannot be written, `MissingPackage`, and what
    `Producer.download` raises.
    """
    written = _write_charts(answer, terminal, options)
    if isinstance(options, ExportOptions):
        written += await _write_tables(producer, job_id, answer, terminal, options)
        if options.files is not None:
            await _save_files(producer, job_id, answer, Path(options.files), terminal)
    if options.open_file:
        number = options.table if isinstance(options, ExportOptions) else 1
        await _open(producer, job_id, answer, number, written, terminal)


def _write_charts(answer: Answer | None, terminal: Terminal, options: AnswerOptions) -> list[Path]:
    if options.chart is None:
        return []
    charts = _charts(answer)
    if not charts:
        raise raylane.InvalidRequest.field("chart", "the answer has no chart")
    if options.chart == STDOUT:
        return []
    first = Path(options.chart)
    paths = [
        first if number == 1 else first.with_stem(f"{first.stem}-{number}") for number in range(1, len(charts) + 1)
    ]
    for chart, path in zip(charts, paths, strict=True):
        with _option("chart"):
            _write(path, _picture(chart, path))
        terminal.note(f"chart written to {_shown(path)}")
    return paths


@contextmanager
def _option(name: str) -> Iterator[None]:
    """Names the option in the error of a file that cannot be written. There is no option called `to`."""
    try:
        yield
    except raylane.InvalidRequest as error:
        if error.details.get("field") != "to":
            raise
        raise raylane.InvalidRequest.field(name, error.message.removeprefix("to: ")) from error


def _picture(chart: AnswerChart, path: Path) -> bytes:
    from raylane.answers.drawing import png, svg

    return png(chart) if path.suffix.lower() == ".png" else svg(chart).encode()


async def _write_tables(
    producer: Producer, job_id: str, answer: Answer | None, terminal: Terminal, options: ExportOptions
) -> list[Path]:
    if options.csv is None and options.parquet is None:
        return []
    from raylane.cli.saving import save_csv, save_parquet

    table = _table(answer, options.table)
    written: list[Path] = []
    if options.csv == STDOUT:
        import tempfile  # which loads much

        with tempfile.TemporaryDirectory(prefix="raylane-") as directory:
            terminal.copy(await save_csv(producer, job_id, table, Path(directory) / "table.csv", terminal))
    elif options.csv is not None:
        with _option("csv"):
            written.append(await save_csv(producer, job_id, table, Path(options.csv), terminal))
    if options.parquet is not None:
        with _option("parquet"):
            written.append(await save_parquet(producer, job_id, table, Path(options.parquet), terminal))
    for path in written:
        terminal.note(f"table written to {_shown(path)}")
    return written


async def _save_files(
    producer: Producer, job_id: str, answer: Answer | None, directory: Path, terminal: Terminal
) -> None:
    from raylane.cli.saving import save_file

    if not answer or not answer.files:
        raise raylane.InvalidRequest.field("files", "the answer has no files")
    for file in answer.files:
        with _option("files"):
            path = await save_file(producer, job_id, file.name, directory, terminal)
        terminal.note(f"file written to {_shown(path)}")


async def _open(
    producer: Producer, job_id: str, answer: Answer | None, number: int, written: Sequence[Path], terminal: Terminal
) -> None:
    """Opens what was written; if nothing was, the chart or the table with this number in a temporary file."""
    for path in written or [await _write_temporary(producer, job_id, answer, number, terminal)]:
        if path.suffix.lower() == ".csv" and _has_formulas(_table(answer, number)):
            reason = "texts in it begin like formulas, which a spreadsheet would run"
            terminal.note(f"{_shown(path)} is not opened: {reason}")
        elif typer.launch(str(path.absolute())):
            terminal.note(f"no viewer opened {_shown(path)}")
        else:
            terminal.note(f"opened {_shown(path)}")


async def _write_temporary(
    producer: Producer, job_id: str, answer: Answer | None, number: int, terminal: Terminal
) -> Path:
    import shutil
    import tempfile  # as above

    with ExitStack() as undo:
        directory = Path(tempfile.mkdtemp(prefix="raylane-"))
        undo.callback(shutil.rmtree, directory, ignore_errors=True)
        if charts := _charts(answer):
            path = directory / "chart.svg"
            _write(path, _picture(charts[0], path))
        else:
            from raylane.cli.saving import save_csv

            path = await save_csv(producer, job_id, _table(answer, number), directory / "table.csv", terminal)
        undo.pop_all()  # the viewer reads the file later
    return path


def _charts(answer: Answer | None) -> list[AnswerChart]:
    from raylane_common.wire.answer import AnswerChart

    return [item for item in answer.items if isinstance(item, AnswerChart)] if answer else []


def _table(answer: Answer | None, number: int) -> AnswerTable:
    if answer is None:
        raise raylane.InvalidRequest.field("table", "the answer has no table")
    return answer.table(number)


def _has_formulas(table: AnswerTable) -> bool:
    """Returns whether a text of the table begins like a formula. Texts of a file that was not read may as well."""
    from raylane.answers.cells import exact
    from raylane_common.wire.names import CellType

    # A decimal below 0 is no formula, although an answer has it as a text.
    may_be = [column.type in (CellType.STRING, CellType.NESTED) for column in table.columns]
    cells = (cell for row in table.rows for cell, is_text in zip(row, may_be, strict=True) if is_text)
    texts = [column.name for column in table.columns]
    texts += (cell if isinstance(cell, str) else exact(cell) for cell in cells)
    return table.file is not None or any(map(_FORMULA.search, texts))


def _shown(path: Path) -> str:
    """Returns the path as a user would write it here."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _write(path: Path, content: bytes) -> None:
    """Writes a file. If that fails, an older file is still there. Raises `InvalidRequest` and `DiskFull`."""
    from raylane.transfer.received import NewFile

    file = NewFile.opened(path, path.name)
    try:
        file.write(content)
        file.publish()
    finally:
        file.close()
