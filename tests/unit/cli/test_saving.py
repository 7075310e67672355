"""Tables of an answer as files. tests/integration/test_downloads.py has those whose rows are on S3."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pyarrow.parquet as pq
import pytest

from raylane import DownloadProgress, Producer
from raylane.cli import saving
from raylane.cli.terminal import Terminal
from raylane_common.errors import InvalidRequest, MissingPackage
from raylane_common.wire.answer import AnswerColumn, AnswerFile, AnswerTable
from raylane_common.wire.names import CellType

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = (AnswerColumn(name="city", type=CellType.STRING), AnswerColumn(name="n", type=CellType.INTEGER))
SHORT = AnswerTable(columns=COLUMNS, rows=(("Oslo", 3), (None, None)), total_rows=2)
FILE = AnswerFile(name="table-1.parquet", rows=5000, columns=COLUMNS)
LONG = SHORT.model_copy(update={"total_rows": 5000, "file": FILE})
MIB = 2**20


@pytest.fixture
def producer() -> Producer:
    """One that is never asked for anything."""
    return Producer(redis_url="redis://127.0.0.1:9")


@pytest.fixture
def _without_pyarrow(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in [name for name in sys.modules if name.startswith(("raylane.answers.arrow", "raylane.answers.parquet"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    yield
    monkeypatch.undo()


async def test_a_short_table_is_written_from_the_answer(producer: Producer, tmp_path: Path) -> None:
    terminal = Terminal(as_json=False)
    path = await saving.save_csv(producer, "j", SHORT, tmp_path / "x.csv", terminal)
    assert path.read_bytes() == b"city,n\nOslo,3\n,\n"
    path = await saving.save_parquet(producer, "j", SHORT, tmp_path, terminal)
    assert path == tmp_path / "table.parquet"
    assert pq.read_table(path).to_pylist() == [{"city": "Oslo", "n": 3}, {"city": None, "n": None}]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["table.parquet", "x.csv"]


async def test_a_file_that_cannot_be_written_is_an_error(producer: Producer, tmp_path: Path) -> None:
    for save, table in ((saving.save_csv, SHORT), (saving.save_csv, LONG), (saving.save_parquet, SHORT)):
        with pytest.raises(InvalidRequest, match=r"to: .*No such file"):
            await save(producer, "j", table, tmp_path / "missing" / "x", Terminal(as_json=False))


@pytest.mark.usefixtures("_without_pyarrow")
async def test_what_needs_pyarrow_says_so_before_anything_is_downloaded(producer: Producer, tmp_path: Path) -> None:
    terminal = Terminal(as_json=False)
    for save, table in ((saving.save_csv, LONG), (saving.save_parquet, SHORT)):
        with pytest.raises(MissingPackage, match=r"pip install 'raylane\[parquet\]'"):
            await save(producer, "j", table, tmp_path / "x", terminal)
    await saving.save_csv(producer, "j", SHORT, tmp_path / "y", terminal)
    assert [each.name for each in tmp_path.iterdir()] == ["y"]


def test_a_large_download_says_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=False)
    with saving.shown(terminal, "t.parquet") as note:
        note(DownloadProgress(MIB, 9 * MIB))
        note(DownloadProgress(9 * MIB, 9 * MIB))
    assert capsys.readouterr().err.startswith("received t.parquet: 9.0 of 9.0 MiB, ")
    with saving.shown(terminal, "t.parquet") as note:
        note(DownloadProgress(9, 9))
    assert capsys.readouterr().err == ""


def test_progress_says_how_much_and_how_fast() -> None:
    assert saving.progress_text("a", DownloadProgress(3 * MIB, 12 * MIB), 1.0) == "a: 3.0 of 12.0 MiB, 3 MiB/s"
    assert saving.progress_text("a", DownloadProgress(2**30, 5 * 2**30), 0) == "a: 1.0 of 5.0 GiB"
