"""Writes what an answer holds to files: its tables as CSV or Parquet, and the files that its run wrote.

A short table is in the answer itself, a long one in a file on S3, and nobody has to know which. Each file appears when
it is complete.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Final

from raylane_common.counting import counted
from raylane_common.errors import MissingPackage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from raylane.answers.parquet_rows import ParquetRows
    from raylane.cli.terminal import Terminal
    from raylane.producer import Producer
    from raylane.transfer.progress import DownloadProgress
    from raylane.transfer.received import NewFile
    from raylane_common.wire.answer import AnswerTable

# Nobody can read more, and each update takes time.
_EVERY_S: Final = 0.2
_MIB: Final = 2**20


async def save_file(producer: Producer, job_id: str, name: str, to: Path, terminal: Terminal) -> Path:
    """Writes the file `name` of the job's answer to a path, or into a directory; returns its path.

    Raises what `Producer.download` raises.
    """
    with shown(terminal, name) as progress:
        return await producer.download(job_id, name, to, progress=progress)


async def save_parquet(producer: Producer, job_id: str, table: AnswerTable, to: Path, terminal: Terminal) -> Path:
    """Writes all rows of a table of the job's answer as Parquet; returns the path.

    Raises what `Producer.download` raises, and `MissingPackage` without pyarrow, if the rows are not in a file.
    """
    if table.file is not None:
        return await save_file(producer, job_id, table.file.name, to, terminal)
    parquet_bytes = _parquet_writer()
    async with _writing(to, "table.parquet") as file:
        file.write(parquet_bytes(table))
    return file.path


async def save_csv(producer: Producer, job_id: str, table: AnswerTable, to: Path, terminal: Terminal) -> Path:
    """Writes all rows of a table of the job's answer as CSV; returns the path.

    Raises what `Producer.download` raises, `MissingPackage` without pyarrow, if the rows are in a file, and
    `InvalidAnswer` if that is not the file that the answer describes.
    """
    from raylane.answers.csv_text import csv_header, csv_lines

    # Looked for before gigabytes are downloaded.
    rows_of = None if table.file is None else _parquet_reader()
    async with _writing(to, "table.csv") as file:
        file.write(csv_header([column.name for column in table.columns]))
        if table.file is None or rows_of is None:
            file.write(csv_lines(table.rows))
        else:
            # Without a name, so that nothing is left of it, and where the result needs room as well.
            with tempfile.TemporaryFile(dir=file.path.parent) as parquet:
                with shown(terminal, table.file.name) as progress:
                    await producer.download(job_id, table.file.name, parquet, progress=progress)
                await _write_rows(rows_of(parquet, table.file), table.total_rows, file, terminal)
    return file.path


async def _write_rows(rows: ParquetRows, total: int, file: NewFile, terminal: Terminal) -> None:
    from raylane.answers.csv_text import csv_lines
    from raylane.transfer.threads import in_thread

    batches, count = rows.batches(), 0

    def write_next() -> int:
        batch = next(batches, ())
        file.write(csv_lines(batch))
        return len(batch)

    with terminal.status() as show:
        while written := await in_thread(write_next):
            count += written
            show(f"{count:,} of {counted(total, 'row')} written")


@asynccontextmanager
async def _writing(to: Path, name: str) -> AsyncIterator[NewFile]:
    """Yields the file to write, which gets its place at the end of the block, unless that raises."""
    from raylane.transfer.received import NewFile
    from raylane.transfer.threads import in_thread

    file = NewFile.opened(to, name)
    try:
        yield file
        await in_thread(file.publish)
    finally:
        file.close()


@contextmanager
def shown(terminal: Terminal, name: str) -> Iterator[Callable[[DownloadProgress], None]]:
    """Yields the function to call with each progress. At the end of a large download, prints how long it took."""
    received: DownloadProgress | None = None
    began_s = shown_s = time.monotonic()
    with terminal.status() as show:

        def note(progress: DownloadProgress) -> None:
            nonlocal received, shown_s
            received, now_s = progress, time.monotonic()
            if now_s - shown_s >= _EVERY_S:
                shown_s = now_s
                show(f"receiving {progress_text(name, progress, now_s - began_s)}")

        yield note
    if received is not None and received.total_bytes >= _MIB:
        took_s = time.monotonic() - began_s
        terminal.note(f"received {progress_text(name, received, took_s)}, in {took_s:.1f} s")


def progress_text(name: str, progress: DownloadProgress, took_s: float) -> str:
    """Returns how much has come and how fast, such as "table-1.parquet: 12.0 of 40.2 MiB, 85 MiB/s"."""
    unit, unit_name = (2**30, "GiB") if progress.total_bytes >= 2**30 else (_MIB, "MiB")
    rate = f", {progress.received_bytes / took_s / _MIB:.0f} MiB/s" if took_s > 0 else ""
    return f"{name}: {progress.received_bytes / unit:.1f} of {progress.total_bytes / unit:.1f} {unit_name}{rate}"


def _parquet_reader() -> type[ParquetRows]:
    try:
        from raylane.answers.parquet_rows import ParquetRows
    except ModuleNotFoundError as error:
        raise _missing("CSV of a table with a file") from error
    return ParquetRows


def _parquet_writer() -> Callable[[AnswerTable], bytes]:
    try:
        from raylane.answers.arrow_table import parquet_bytes
    except ModuleNotFoundError as error:
        raise _missing("Parquet of a table without a file") from error
    return parquet_bytes


def _missing(what: str) -> MissingPackage:
    return MissingPackage(f"{what} needs one more package: pip install 'raylane[parquet]'")
