"""How much memory the kit needs for a large answer, beside the rows themselves. Run by hand.

`python -m tests.bench.answer.large --mib 1024` makes frames and tables of that size, one after another, gives each to
`answer.table`, which writes all rows as Parquet, and prints how far the process grew meanwhile. It must not depend on
the size of the answer.
"""

from __future__ import annotations

import argparse
import gc
import json
import re
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.helpers.answers import Given

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1024 * 1024
_TEXT_BYTES = 64
_LOOK_S = 0.002


def _numbers(size_bytes: int) -> pd.DataFrame:
    rows = size_bytes // 8 // 8
    return pd.DataFrame(np.random.default_rng(0).random((rows, 8)), columns=list("abcdefgh"))


def _texts(size_bytes: int) -> pd.DataFrame:
    rows = size_bytes // _TEXT_BYTES
    return pd.DataFrame({"t": pd.Series([f"{row:0{_TEXT_BYTES}d}" for row in range(rows)], dtype=object)})


def _arrow(size_bytes: int) -> pa.Table:
    return pa.table({"x": pa.array(np.arange(size_bytes // 16)), "y": pa.array(np.arange(size_bytes // 16) / 7)})


class Dataset:
    """Blocks of a MiB, as `iter_batches` of a dataset of Ray yields them; no block is kept."""

    def __init__(self, size_bytes: int) -> None:
        self._blocks = size_bytes // MIB

    def iter_batches(self, **_: Any) -> Any:
        for block in range(self._blocks):
            yield pa.table({"x": np.arange(MIB // 8) + block * (MIB // 8)})


Dataset.__module__ = "ray.data.dataset"
SOURCES: dict[str, Callable[[int], Any]] = {
    "numbers": _numbers,
    "texts": _texts,
    "arrow": _arrow,
    "dataset": Dataset,
}


def grown_bytes(source: str, size_bytes: int) -> tuple[int, float]:
    """Returns by how many bytes the process grew while it gave rows to an answer, and how many seconds it took."""
    data = SOURCES[source](size_bytes)
    gc.collect()
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        # Loads what is loaded once.
        Given(Path(directory), patch).answer.table(pa.table({"x": range(2000)}))
        given = Given(Path(directory), patch)
        began = time.monotonic()
        with _Peak() as peak:
            given.answer.table(data)
            given.answer.finish()
        took_s = time.monotonic() - began
        document = json.loads((Path(directory) / "answer.json").read_text("utf-8"))
        rows = pq.ParquetFile(Path(directory) / "table-1.parquet").metadata.num_rows
        assert rows == document["items"][0]["total_rows"]
    return peak.grown_bytes, took_s


class _Peak:
    """Looks at the memory of the process again and again, without the pages of files, which the system may drop."""

    def __enter__(self) -> Self:
        self._before = self._highest = _anonymous_bytes()
        self._ended = Event()
        self._thread = Thread(target=self._look)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def grown_bytes(self) -> int:
        """How much more there was than at the beginning."""
        return self._highest - self._before

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self._highest = max(self._highest, _anonymous_bytes())


def _anonymous_bytes() -> int:
    match = re.search(r"^RssAnon:\s+(\d+) kB$", Path("/proc/self/status").read_text("ascii"), re.MULTILINE)
    assert match is not None
    return int(match[1]) * 1024


def main() -> None:
    """Prints a line for each source."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--mib", type=int, default=1024, help="size of the rows")
    parser.add_argument("--source", choices=SOURCES, action="append")
    arguments = parser.parse_args()
    for source in arguments.source or SOURCES:
        grown, took_s = grown_bytes(source, arguments.mib * MIB)
        print(
            f"{source}: {arguments.mib} MiB of rows, {grown / MIB:.0f} MiB more memory, {took_s:.1f} s", file=sys.stderr
        )


if __name__ == "__main__":
    main()
