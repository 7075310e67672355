"""Compressed files, and archives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.wire.names import Compression
from tests.corpus.files.delimiters import NASTY, NASTY_ROWS, PEOPLE, PEOPLE_ANSWERS, PEOPLE_ROWS
from tests.corpus.files.dialect import Dialect, archive, compressed
from tests.corpus.files.model import Case, Refused, ints

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENDINGS = {Compression.GZIP: "gz", Compression.BZIP2: "bz2", Compression.ZSTD: "zst", Compression.ZIP: "zip"}


def cases() -> Iterator[Case]:
    """Yields the cases."""
    for compression, ending in _ENDINGS.items():
        for delimiter in ",;\t":
            dialect = Dialect(delimiter, compression=compression)
            yield Case(
                f"{compression}, delimiter {delimiter!r}",
                dialect.write(PEOPLE_ROWS),
                PEOPLE,
                f"data.csv.{ending}",
                answers=PEOPLE_ANSWERS,
            )
        plain = Dialect(compression=compression)
        yield Case(f"{compression} without its ending", plain.write(PEOPLE_ROWS), PEOPLE, "data.csv")
        yield Case(f"{compression}, hard cells", plain.write(NASTY_ROWS), NASTY, f"data.csv.{ending}")
        wide = Dialect(compression=compression, encoding="utf-16")
        yield Case(f"{compression}, utf-16", wide.write(PEOPLE_ROWS), PEOPLE, f"data.csv.{ending}")
        whole = plain.write(PEOPLE_ROWS * 400)
        yield Case(
            f"{compression} that is cut off",
            whole[: len(whole) // 2],
            Refused("damaged", "its end is missing"),
            f"data.csv.{ending}",
        )
        lines = compressed(b'{"a": 1}\n{"a": 2}\n', compression, "data.jsonl")
        yield Case(f"{compression} of JSON lines", lines, {"a": ints(1, 2)}, f"data.jsonl.{ending}")
    two = compressed(b"a,b\n1,2\n", Compression.GZIP) + compressed(b"3,4\n", Compression.GZIP)
    yield Case("gzip of two members", two, {"a": ints(1, 3), "b": ints(2, 4)}, "data.csv.gz")
    frames = compressed(b"a,b\n1,2\n", Compression.ZSTD) + compressed(b"3,4\n", Compression.ZSTD)
    yield Case("zstd of two frames", frames, {"a": ints(1, 3), "b": ints(2, 4)}, "data.csv.zst")
    streams = compressed(b"a,b\n1,2\n", Compression.BZIP2) + compressed(b"3,4\n", Compression.BZIP2)
    yield Case("bzip2 of two streams", streams, {"a": ints(1, 3), "b": ints(2, 4)}, "data.csv.bz2")
    table = {"a": ints(1)}
    yield Case("zip in a folder", archive({"folder/": b"", "folder/data.csv": b"a\n1\n"}), table, "data.zip")
    mac = {"data.csv": b"a\n1\n", "__MACOSX/._data.csv": b"\x00\x05"}
    yield Case("zip of macOS", archive(mac), table, "data.zip")
    yield Case(
        "zip of two files", archive({"a.csv": b"a\n1\n", "b.csv": b"a\n2\n"}), Refused("zip", "which one?"), "data.zip"
    )
    yield Case("zip of nothing", archive({}), Refused("zip|empty", "there is no file"), "data.zip")
    twice = compressed(compressed(b"a\n1\n", Compression.GZIP), Compression.GZIP)
    yield Case("gzip in gzip", twice, Refused("gzip|unpack|compress", "two layers"), "data.csv.gz.gz")
    yield Case("gzip of nothing", compressed(b"", Compression.GZIP), Refused("empty", "no header"), "data.csv.gz")
    zeros = compressed(b"a\n" + b"0\n" * 1_000_000, Compression.GZIP)
    yield Case("gzip that shrinks much", zeros, {"a": ints(*[0] * 1_000_000)}, "data.csv.gz", quick=False)
