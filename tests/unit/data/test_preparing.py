"""A large file is read in a process of its own, which ends with the job, with the worker, and alone if it crashes."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyarrow import parquet

from raylane_common.errors import InternalError, InvalidFile, ScratchFull
from raylane_common.wire.names import ColumnType
from raylane_common.wire.reading import ReadingOptions
from raylane_worker.data.preparing import Preparing, Task
from raylane_worker.data.scratch import scratch
from tests.helpers.waiting import until
from tests.unit.data.test_readers import ENDLESS_ROW, with_sheet

if TYPE_CHECKING:
    from raylane_worker.data.file_content import FileContent

OPTIONS = ReadingOptions()


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def prepared(
    directory: Path, data: bytes, preparing: Preparing, options: ReadingOptions = OPTIONS
) -> FileContent:
    path = directory / "file"
    path.write_bytes(data)
    return await preparing.prepare(path, "file.csv", options, copy_to=directory / "copy")


def program(text: str) -> Preparing:
    """Returns one whose child runs this program instead of reading a file."""
    return Preparing((sys.executable, "-c", text), max_thread_bytes=0)


async def test_a_child_finds_what_a_thread_finds(tmp_path: Path) -> None:
    data = b"zip;n\n00501;1,5\n02134;2,5\n"
    in_thread = await prepared(tmp_path, data, Preparing())
    copied = parquet.read_table(tmp_path / "copy")
    assert await prepared(tmp_path, data, Preparing(max_thread_bytes=0)) == in_thread
    assert parquet.read_table(tmp_path / "copy").equals(copied)


async def test_an_error_of_a_child_is_that_of_a_thread(tmp_path: Path) -> None:
    errors = []
    for preparing in (Preparing(), Preparing(max_thread_bytes=0)):
        with pytest.raises(InvalidFile) as raised:
            await prepared(tmp_path, b"a,b\nx,2\n", preparing, ReadingOptions(types={"a": ColumnType.INTEGER}))
        errors.append(raised.value.info())
    assert errors[0] == errors[1]


@pytest.mark.parametrize(
    ("text", "error", "problem"),
    [
        ("import os; os.kill(os.getpid(), 11)", InvalidFile, "crash (SIGSEGV)"),
        ("import os; os.kill(os.getpid(), 9)", InternalError, "lack of memory"),
        ("raise SystemExit(3)", InternalError, "status 3 and no result"),
        ("print('{}')", InternalError, "no result"),
    ],
)
async def test_a_child_that_crashes_is_an_error(
    text: str, error: type[Exception], problem: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=problem.replace("(", r"\(").replace(")", r"\)")):
        await prepared(tmp_path, b"a\n1\n", program(text))


async def test_a_child_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    text = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    slow = program(text)
    with pytest.raises(InvalidFile, match="cannot be read within 2 s"):
        await prepared(tmp_path, b"a\n1\n", Preparing(slow.command, max_thread_bytes=0, time_limit_s=2))
    assert not is_alive(int(pid_file.read_text()))


async def test_a_child_is_killed_when_its_job_is_cancelled(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    text = f"import os, time; open({str(pid_file)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    task = asyncio.create_task(prepared(tmp_path, b"a\n1\n", program(text)))
    await until(lambda: pid_file.exists() and pid_file.read_text() != "")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not is_alive(int(pid_file.read_text()))


async def test_a_child_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    """The file is a pipe that nobody writes to, so the child never stops reading."""
    os.mkfifo(tmp_path / "file")
    task = Task(path=str(tmp_path / "file"), filename="a.csv", options=OPTIONS, copy_to="copy", share_samples=False)
    command = (
        "import subprocess, sys, time; from raylane_worker.data.preparing import Preparing; "
        "child = subprocess.Popen(Preparing().command, stdin=subprocess.PIPE); "
        f"child.stdin.write({task.model_dump_json().encode()!r} + b'\\n'); child.stdin.flush(); "
        "print(child.pid, flush=True); time.sleep(600)"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", command, stdout=asyncio.subprocess.PIPE)
    assert worker.stdout is not None
    child = int(await worker.stdout.readline())
    assert is_alive(child)
    worker.kill()
    await worker.wait()
    await until(lambda: not is_alive(child))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the children of a process")
async def test_the_process_that_reads_a_workbook_ends_when_its_worker_is_killed(tmp_path: Path) -> None:
    book = tmp_path / "book"
    book.write_bytes(with_sheet(ENDLESS_ROW))
    command = (
        "from pathlib import Path; from raylane_worker.data.readers.workbook import layout; "
        f"layout(Path({str(book)!r}), None, None)"
    )
    worker = await asyncio.create_subprocess_exec(sys.executable, "-c", command)
    children = Path("/proc", str(worker.pid), "task", str(worker.pid), "children")
    await until(lambda: children.read_text() != "")
    reader = int(children.read_text())
    await until(lambda: has_open(reader, book))
    worker.kill()
    await worker.wait()
    await until(lambda: not is_alive(reader))


def has_open(pid: int, path: Path) -> bool:
    try:
        return path in {file.readlink() for file in Path("/proc", str(pid), "fd").iterdir()}
    except FileNotFoundError:  # it closed one of them meanwhile
        return False


def test_the_entry_for_workers_imports_no_pyarrow() -> None:
    code = "import sys; import raylane_worker.data.preparing; print('pyarrow' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"]


@pytest.mark.parametrize("max_thread_bytes", [0, 1000], ids=["process", "thread"])
async def test_a_disk_that_fills_up_while_a_file_is_read_is_no_defect(tmp_path: Path, max_thread_bytes: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a;b\n1;2\n")
    full = Path("/dev/full")
    with pytest.raises(ScratchFull, match="RAYLANE_UPLOADS__SCRATCH_DIR") as raised:
        async with scratch(tmp_path, 0):
            await Preparing(max_thread_bytes=max_thread_bytes).prepare(path, "a.csv", OPTIONS, copy_to=full)
    assert raised.value.retryable
    assert list(tmp_path.iterdir()) == [path]
