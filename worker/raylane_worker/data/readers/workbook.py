"""Reads one sheet of a workbook: Excel of any age, or OpenDocument. Formulas have the values that were stored."""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NamedTuple, cast

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_worker.data.readers import NO_COLUMNS, Decide
from raylane_worker.data.readers.plain import zip_members
from raylane_worker.data.readers.typed_rows import typed_batches

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from raylane_common.wire.reading import Reading

# 200,000 rows of ten columns took 150 MiB and 3 s of CPU.
_MEMORY_BYTES: Final = 2 * 1024**3
_CPU_S: Final = 120
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_OUT_OF_MEMORY: Final = (b"memory allocation of", b"MemoryError", b"capacity overflow")


class WorkbookBatches:
    """The rows of a sheet below the row that names the columns."""

    decide = Decide.ALL
    numbers = NO_COLUMNS

    def __init__(self, path: Path, reading: Reading, written: BinaryIO) -> None:
        """Has the rows written to `written`. Raises `InvalidFile`."""
        self._written = written
        self._found = _ask(path, reading.sheet, reading.header_line, written)
        self.names: list[str] = self._found["names"]
        self.warnings: list[str] = self._found["warnings"]

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Yields the batches."""
        # Without rows, nothing is known of the columns but their names.
        kinds = self._found["kinds"] or [[] for _ in self.names]
        return typed_batches(self._written, kinds, self._found["parts"])


class SheetLayout(NamedTuple):
    """The sheet that is read, and the row that names its columns, from 1; 0 if there is none."""

    sheet: str
    header_line: int
    warnings: tuple[str, ...]


@contextmanager
def open_file(path: Path, reading: Reading) -> Iterator[WorkbookBatches]:
    """Opens a workbook. Raises `InvalidFile`."""
    with tempfile.TemporaryFile(prefix="raylane-") as written:
        yield WorkbookBatches(path, reading, cast("BinaryIO", written))


def layout(path: Path, sheet_name: str | None, header_line: int | None) -> SheetLayout:
    """Returns which sheet is read, and which row names its columns. What is None is found out.

    Raises `InvalidFile`, and `InvalidRequest` if there is no such sheet or row.
    """
    found = _ask(path, sheet_name, header_line, None)
    return SheetLayout(found["sheet"], found["header_line"], tuple(found["warnings"]))


def _ask(path: Path, sheet: str | None, header_line: int | None, rows: BinaryIO | None) -> dict[str, Any]:
    """Returns the answer of the process that reads workbooks, which writes the rows to `rows`."""
    # In the directory of the file, which is removed even if this process is killed.
    with tempfile.TemporaryDirectory(prefix="workbook-", dir=path.parent) as directory:
        # The library finds out the format of any file, but says only of one with the right name that it has a password.
        link = Path(directory, f"workbook{_extension(path)}")
        link.symlink_to(path.absolute())
        return _ask_about(link, sheet, header_line, rows)


def _extension(path: Path) -> str:
    """Returns how the name of such a workbook ends."""
    with path.open("rb") as file:
        is_archive = file.read(2) == b"PK"
    if is_archive:
        members = zip_members(path)
        return ".ods" if "content.xml" in members else ".xlsb" if "xl/workbook.bin" in members else ".xlsx"
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return ".xlsx" if data.find(_ENCRYPTED) >= 0 else ".xls"


def _ask_about(path: Path, sheet: str | None, header_line: int | None, rows: BinaryIO | None) -> dict[str, Any]:
    descriptor = rows.fileno() if rows is not None else None
    alive, ours = os.pipe()
    order = {
        "path": str(path),
        "sheet": sheet,
        "header_line": header_line,
        "rows_fd": descriptor,
        "memory_bytes": _MEMORY_BYTES,
        "cpu_s": _CPU_S,
        "alive_fd": alive,
    }
    try:
        ended = subprocess.run(
            # -P keeps the current directory out of the imports. In a separate session it gets no Ctrl-C.
            [sys.executable, "-P", "-m", "raylane_worker.data.readers.sheet_process"],
            input=json.dumps(order).encode(),
            capture_output=True,
            pass_fds=(alive,) if descriptor is None else (alive, descriptor),
            start_new_session=True,
            check=False,
        )
    finally:
        os.close(alive)
        os.close(ours)
    if ended.returncode:
        raise InvalidFile(_end(ended))
    answer: dict[str, Any] = json.loads(ended.stdout)
    if "errno" in answer:
        raise OSError(answer["errno"], os.strerror(answer["errno"]))
    if "refused" in answer:
        if answer["field"]:
            raise InvalidRequest.field(answer["field"], answer["refused"])
        raise InvalidFile(answer["refused"])
    return answer


def _end(ended: subprocess.CompletedProcess[bytes]) -> str:
    """Returns why the process ended without an answer."""
    if any(sign in ended.stderr for sign in _OUT_OF_MEMORY):
        return (
            f"the sheet takes more than {_MEMORY_BYTES // 1024**3} GiB of memory; "
            "delete cells far below or right of the table, or export it as CSV"
        )
    if ended.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"reading the workbook takes more than {_CPU_S} s; export the sheet as CSV"
    return "the workbook is damaged, so the program that reads it failed; save it again as .xlsx, or export it as CSV"
