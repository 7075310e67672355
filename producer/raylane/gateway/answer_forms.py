"""The formats of an answer: JSON, tables as CSV or Parquet, charts as pictures. Long ones are streamed."""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Final, cast

from raylane.answers.csv_text import csv_header, csv_lines
from raylane.answers.drawing import png, svg
from raylane.transfer.threads import in_thread
from raylane_common.errors import MissingPackage, NotFound
from raylane_common.wire.answer import AnswerChart, AnswerTable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from raylane.producer import Producer
    from raylane_common.wire.answer import Answer, AnswerFile

JSON: Final = "application/json"
CSV: Final = "text/csv"
PARQUET: Final = "application/vnd.apache.parquet"
SVG: Final = "image/svg+xml"
PNG: Final = "image/png"
# Of the pieces of a file that wait for a client, each of up to a MiB.
_MOST_PIECES: Final = 2


def forms_of(answer: Answer) -> list[str]:
    """Returns the media types that the answer is available as."""
    forms = [JSON]
    if any(isinstance(item, AnswerTable) for item in answer.items):
        forms += [CSV, PARQUET]
    if any(isinstance(item, AnswerChart) for item in answer.items):
        forms += [SVG, PNG]
    return forms


def table_of(answer: Answer, number: int) -> AnswerTable:
    """Returns a table by its number, from 1. Raises `NotFound`."""
    tables = [item for item in answer.items if isinstance(item, AnswerTable)]
    if number > len(tables):
        raise NotFound(f"there is no table {number}: the answer has {len(tables)}", details={"tables": len(tables)})
    return tables[number - 1]


def chart_of(answer: Answer, number: int) -> AnswerChart:
    """Returns a chart by its number, from 1. Raises `NotFound`."""
    charts = [item for item in answer.items if isinstance(item, AnswerChart)]
    if number > len(charts):
        raise NotFound(f"there is no chart {number}: the answer has {len(charts)}", details={"charts": len(charts)})
    return charts[number - 1]


async def picture(chart: AnswerChart, form: str) -> bytes:
    """Returns the chart as SVG or PNG. Raises `MissingPackage`, and `InvalidRequest` if it cannot be drawn."""
    return await in_thread(png, chart) if form == PNG else (await in_thread(svg, chart)).encode()


async def whole_table(table: AnswerTable, form: str) -> bytes:
    """Returns a table that has all its rows as CSV or Parquet. Raises `MissingPackage`."""
    if form == CSV:
        return _header(table) + csv_lines(table.rows)
    try:
        from raylane.answers.arrow_table import parquet_bytes
    except ModuleNotFoundError as error:
        raise _needs_pyarrow("Parquet") from error
    return await in_thread(parquet_bytes, table)


async def long_csv_of(
    producer: Producer, job_id: str, table: AnswerTable, file: AnswerFile
) -> AsyncGenerator[bytes, None]:
    """Yields all rows of a table as CSV from its file. Raises what `Producer.download` raises, and `MissingPackage`."""
    try:
        from raylane.answers.parquet_rows import ParquetRows
    except ModuleNotFoundError as error:
        raise _needs_pyarrow("CSV of a long table") from error
    with tempfile.TemporaryFile() as parquet:
        await producer.download(job_id, file.name, parquet)
        batches = (await in_thread(ParquetRows, parquet, file)).batches()
        yield _header(table)
        while lines := await in_thread(lambda: csv_lines(next(batches, ()))):
            yield lines


async def file_of(producer: Producer, job_id: str, name: str) -> AsyncGenerator[bytes, None]:
    """Yields a file of a job's answer as it arrives from S3, and no faster than it is taken.

    Raises what `Producer.download` raises.
    """
    pipe = _Pipe()
    downloading = asyncio.create_task(producer.download(job_id, name, cast("IO[bytes]", pipe)))
    downloading.add_done_callback(lambda _: pipe.end())
    try:
        while (piece := await pipe.read()) is not None:
            yield piece
        await downloading
    finally:
        pipe.close()
        downloading.cancel()
        await asyncio.gather(downloading, return_exceptions=True)


def _header(table: AnswerTable) -> bytes:
    return csv_header([column.name for column in table.columns])


class _Pipe:
    """An open file for a download that is written in threads, and read by this loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue(_MOST_PIECES)
        self._ended = asyncio.Event()
        self._closed = False

    def write(self, data: bytes) -> int:
        """Takes a piece, in a thread, as soon as there is room. Raises `BrokenPipeError` if nobody reads it."""
        asyncio.run_coroutine_threadsafe(self._put(data), self._loop).result()
        return len(data)

    async def _put(self, data: bytes) -> None:
        if not self._closed:
            await self._pieces.put(data)
        if self._closed:
            raise BrokenPipeError

    async def read(self) -> bytes | None:
        """Returns the next piece; None after the last."""
        if self._pieces.empty():
            reading = asyncio.create_task(self._pieces.get())
            ending = asyncio.create_task(self._ended.wait())
            try:
                await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    return reading.result()
            finally:
                reading.cancel()
                ending.cancel()
        return None if self._pieces.empty() else self._pieces.get_nowait()

    def end(self) -> None:
        """Nothing more will be written."""
        self._ended.set()

    def close(self) -> None:
        """Lets a writer go that waits for room."""
        self._closed = True
        with suppress(asyncio.QueueEmpty):
            while True:
                self._pieces.get_nowait()


def _needs_pyarrow(what: str) -> MissingPackage:
    return MissingPackage(f"{what} needs one more package in the gateway: pip install 'raylane[parquet]'")
