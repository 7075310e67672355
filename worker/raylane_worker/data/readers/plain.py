"""Opens a file without its compression, and text as UTF-8."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zipfile
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import pyarrow as pa

from raylane_common.errors import InvalidFile
from raylane_common.wire.names import Compression

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Data rarely shrinks to less than a hundredth. A file that expands far more is a bomb, which would fill the disk.
MAX_EXPANSION: Final = 500
# Below this size a ratio says nothing: a short file of one letter shrinks far more.
_SMALL_BYTES: Final = 64 * 1024 * 1024
_CHUNK_BYTES: Final = 1024 * 1024
# Python's decoders drop the byte order mark only if it is named.
_WITH_MARK: Final = {"utf-8": "utf-8-sig"}
_MARK: Final = "\ufeff"
_MARKS: Final = re.compile(f"(?<=[\r\n]){_MARK}")
# What damaged compression raises, or a member with a password.
BROKEN: Final = (EOFError, OSError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError)


@contextmanager
def open_plain(path: Path, compression: Compression | None) -> Iterator[BinaryIO]:
    """Opens the bytes of the file without its compression.

    Reading raises `InvalidFile` if they are damaged, or are far more than the file's size suggests.
    """
    if compression is None:
        with path.open("rb") as plain:
            yield plain
        return
    limit = max(_SMALL_BYTES, path.stat().st_size * MAX_EXPANSION)
    with (
        _opened(path, compression) as file,
        io.BufferedReader(_Bounded(file, compression, limit), _CHUNK_BYTES) as read,
    ):
        yield read


def zip_members(path: Path) -> list[str]:
    """Returns the names of the files in a ZIP archive, without what macOS adds. Raises `InvalidFile`."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = [entry.filename for entry in archive.infolist() if not entry.is_dir()]
    except BROKEN as error:
        raise InvalidFile(f"the ZIP archive is damaged: {error}; create it again") from error
    return [name for name in names if not name.startswith("__MACOSX/") and not name.endswith(".DS_Store")]


class Utf8(io.RawIOBase):
    """The text of a file as UTF-8, without its byte order mark.

    Files that were joined to it have theirs at the beginning of a line, where a repeated header would hide behind it.
    Reading raises `InvalidFile` if a byte does not fit the encoding.
    """

    def __init__(self, file: BinaryIO, encoding: str) -> None:
        self._file = file
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(_WITH_MARK.get(encoding, encoding))()
        self._before = ""
        self._rest = b""
        self._at_end = False

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stubs want any buffer
        """Fills the buffer with the next bytes; returns how many there were, 0 at the end."""
        while not self._rest and not self._at_end:
            chunk = self._file.read(_CHUNK_BYTES)
            self._at_end = not chunk
            try:
                text = self._decoder.decode(chunk, final=self._at_end)
            # Some decoders raise the base class, such as that of UTF-16 without a byte order mark.
            except UnicodeError as error:
                problem = str(error)
                if isinstance(error, UnicodeDecodeError):
                    problem = f"byte 0x{error.object[error.start]:02x} does not fit"
                raise InvalidFile(
                    f"the text is not {self._encoding}: {problem}; name its encoding with --encoding"
                ) from error
            self._rest = self._without_marks(text).encode("utf-8", "surrogatepass")
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def _without_marks(self, text: str) -> str:
        before, self._before = self._before, text[-1:] or self._before
        if _MARK not in text:
            return text
        return _MARKS.sub("", before + text)[len(before) :]


@contextmanager
def open_text(path: Path, compression: Compression | None, encoding: str) -> Iterator[BinaryIO]:
    """Opens the text of the file as UTF-8 bytes. Reading raises `InvalidFile`."""
    with open_plain(path, compression) as plain:
        yield cast("BinaryIO", io.BufferedReader(Utf8(plain, encoding), _CHUNK_BYTES))


class _Bounded(io.RawIOBase):
    """Decompressed bytes, up to a limit."""

    def __init__(self, file: BinaryIO, compression: Compression, limit_bytes: int) -> None:
        self._file = file
        self._compression = compression
        self._left = limit_bytes

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stubs want any buffer
        try:
            data = self._file.read(len(buffer))
        except BROKEN as error:
            raise InvalidFile(
                f"the {self._compression} compression is damaged: {error}; create the file again"
            ) from error
        self._left -= len(data)
        if self._left < 0:
            raise InvalidFile(f"unpacking the file gives more than {MAX_EXPANSION} times its size; unpack it first")
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def _opened(path: Path, compression: Compression) -> Iterator[BinaryIO]:
    match compression:
        case Compression.GZIP:
            with gzip.open(path) as file:
                yield cast("BinaryIO", file)
        case Compression.BZIP2 | Compression.ZSTD:
            # Python's `bz2` ignores what follows the first part, if it is damaged.
            with pa.CompressedInputStream(pa.OSFile(str(path)), str(compression)) as stream:
                yield cast("BinaryIO", stream)
        case Compression.ZIP:
            [member] = zip_members(path)
            try:
                with zipfile.ZipFile(path) as archive, archive.open(member) as entry:
                    yield cast("BinaryIO", entry)
            except RuntimeError as error:  # the member has a password
                raise InvalidFile(f"the ZIP archive cannot be unpacked: {error}; unpack it first") from error
