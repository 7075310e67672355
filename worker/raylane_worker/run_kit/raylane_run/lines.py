"""The lines of a text file, in blocks of bounded size."""

from __future__ import annotations

import bz2
import codecs
import gzip
import zlib
from typing import IO, TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

_BLOCK_BYTES: Final = 16 * 1024 * 1024
_LINE_BYTES: Final = 256 * 1024 * 1024
# Hadoop chooses a codec by the end of the name. It has its own forms of the last ones.
_UNREADABLE: Final = (".snappy", ".lz4", ".lzo", ".lzop", ".deflate", ".zip", ".7z", ".xz", ".br", ".z")


def decompressed(stream: pa.NativeFile, path: str) -> IO[bytes] | gzip.GzipFile:
    """Returns the stream of the text itself. Raises `ValueError` for a compression that cannot be read."""
    name = path.lower()
    if name.endswith((".gz", ".gzip")):
        return gzip.GzipFile(fileobj=stream)
    if name.endswith(".bz2"):
        return bz2.BZ2File(stream)
    if name.endswith((".zst", ".zstd")):
        return pa.CompressedInputStream(stream, "zstd")  # type: ignore[no-any-return]  # pyarrow has no types
    if name.endswith(_UNREADABLE):
        raise ValueError("its compression cannot be read; use gzip, bzip2 or Zstandard")
    return stream  # type: ignore[no-any-return]  # pyarrow has no types


def read_lines(stream: IO[bytes] | gzip.GzipFile, encoding: str, skip: int) -> Iterator[tuple[int, pa.Array]]:
    """Yields blocks of lines without their ends, and the number of the first line of each, from 1.

    A line ends in LF, CR LF or CR, as in Hive. A byte order mark and the first `skip` lines are left out. Raises
    `ValueError` if the text is not in the encoding, a line is too long, or the compressed data is damaged.
    """
    number, rest = 1, b""
    is_end = False
    while not is_end:
        try:
            chunk = stream.read(_BLOCK_BYTES)
        except (EOFError, zlib.error, OSError) as error:
            raise ValueError(f"its compressed data is damaged after line {number - 1}: {error}") from error
        data, is_end = rest + chunk, not chunk
        if number == 1:
            data = data.removeprefix(codecs.BOM_UTF8)
        # A CR at the very end may be the first half of CR LF.
        cut = len(data) if is_end else max(data.rfind(b"\n"), data.rfind(b"\r", 0, len(data) - 1)) + 1
        data, rest = data[:cut], data[cut:]
        if len(rest) > _LINE_BYTES:
            raise ValueError(f"line {number} has more than {_LINE_BYTES} bytes")
        if data:
            lines = _split(data, encoding, number)
            skipped = min(max(skip - number + 1, 0), len(lines))
            yield number + skipped, lines.slice(skipped)
            number += len(lines)


def _split(data: bytes, encoding: str, number: int) -> pa.Array:
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    data = data.removesuffix(b"\n")
    if encoding != "utf-8":
        try:
            data = data.decode(encoding).encode()
        except UnicodeDecodeError as error:
            line = number + data.count(b"\n", 0, error.start)
            raise ValueError(f"line {line} is not {encoding} text") from error
    # One text per block, which may have more than 2 GiB after decoding.
    try:
        text = pa.array([data], pa.large_binary()).cast(pa.large_string())
    except pa.ArrowInvalid:
        raise ValueError(f"line {_first_bad_line(data, number)} is not UTF-8 text") from None
    return pc.split_pattern(text, "\n").flatten()


def _first_bad_line(data: bytes, number: int) -> int:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return number + data.count(b"\n", 0, error.start)
    return number
