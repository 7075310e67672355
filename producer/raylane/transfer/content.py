"""What can be uploaded: a file, an open file, bytes, or an async iterator of bytes. Each is read once, in order."""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import re
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Final, Protocol, cast

from raylane import arguments
from raylane_common import checks
from raylane_common.errors import InvalidRequest

# How much of the beginning and the end of a file distinguishes it from others of the same name and size.
_FINGERPRINT_BYTES: Final = 1024 * 1024
# A path on Linux has at most 4,096 bytes; content that was taken for one would fill the screen.
# What names something elsewhere: https://, file://. An object on S3 is handled before.
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LONGEST_NAME: Final = 300
# How much of an open file is read at once.
_PIECE_BYTES: Final = 1024 * 1024


Data = str | os.PathLike[str] | bytes | bytearray | memoryview | IO[bytes] | IO[str] | AsyncIterator[bytes]
"""What can be uploaded. Text is the path of a file."""


class Content(Protocol):
    """The bytes of one upload."""

    name: str | None
    """The name of the file that they come from."""
    size_bytes: int | None
    """None if it is known only at the end."""

    async def whole(self, limit: int) -> bytes | None:
        """Returns all bytes if there are at most `limit`; else returns None, and `read` starts at the first byte."""

    async def read(self, size: int) -> bytes:
        """Returns the next `size` bytes, or fewer at the end. Raises `InvalidRequest` if they cannot be read."""

    async def fingerprint(self) -> bytes | None:
        """Returns bytes that are the same if the same file is uploaded again; None if it cannot be read again."""

    async def check(self) -> None:
        """Raises `InvalidRequest` if the content has changed since the first read."""

    def close(self) -> None:
        """Closes what was opened here."""


def content_of(data: Data) -> Content:
    """Returns the content of an argument of `Producer.upload`. Text is the path of a file.

    Raises `InvalidRequest` if the file cannot be opened, and for an argument of any other type.
    """
    match data:
        case str() if found := _ADDRESS.match(data):
            problem = f"{found[0]} addresses are not read; download the file, or name an object as s3://BUCKET/KEY"
            raise InvalidRequest.field("data", problem)
        case str() | os.PathLike():
            return _File.opened(arguments.path(data))
        case bytes() | bytearray() | memoryview():
            return Buffered(bytes(data))
        case AsyncIterator():
            return _Stream(data)
    if hasattr(data, "read"):
        return _open_file(data)
    expected = "a path, bytes, an open file or an iterator of bytes (an async one unless in raylane.sync)"
    raise InvalidRequest.field("data", f"must be {expected}, not {checks.type_name(data)}")


class _Readable(Protocol):
    def read(self, size: int, /) -> object: ...


class Buffered:
    """Bytes in memory."""

    def __init__(self, data: bytes) -> None:
        self.name: str | None = None
        self.size_bytes: int | None = len(data)
        self._data = data
        self._position = 0

    async def whole(self, limit: int) -> bytes | None:
        """See `Content`."""
        return self._data if len(self._data) <= limit else None

    async def read(self, size: int) -> bytes:
        """See `Content`."""
        start = self._position
        self._position += size
        return self._data[start : start + size]

    async def fingerprint(self) -> bytes | None:
        """See `Content`."""
        return hashlib.sha256(self._data[:_FINGERPRINT_BYTES] + self._data[-_FINGERPRINT_BYTES:]).digest()

    async def check(self) -> None:
        """Bytes do not change."""

    def close(self) -> None:
        """There is nothing to close."""


class _File:
    """A regular file, from the position `start` to its end. It is read by position, so its owner may read it too."""

    def __init__(self, descriptor: int, name: str | None, *, start: int = 0, owned: bool) -> None:
        self.name = name
        self._descriptor = descriptor
        self._start = self._position = start
        self._owned = owned
        self._state = self._look()
        self._end = max(os.fstat(descriptor).st_size, start)
        self.size_bytes: int | None = self._end - start

    @classmethod
    def opened(cls, path: Path) -> _File:
        """Opens the file. Raises `InvalidRequest` if that is not possible, or if it is not a regular file."""
        # Quoted, because a file name may contain bytes that are not text and cannot be printed.
        name = _shortened(repr(str(path)))
        hint = "; text is the path of a file, and upload_bytes takes content" if _is_content(path) else ""
        try:
            if not path.is_file():
                raise InvalidRequest.field("data", f"{name} {arguments.not_a_file(path)}{hint}")
            return cls(os.open(path, os.O_RDONLY), path.name, owned=True)
        except OSError as error:
            raise InvalidRequest.field("data", f"{name} cannot be read: {error.strerror}{hint}") from error

    async def whole(self, limit: int) -> bytes | None:
        """See `Content`."""
        if self._end - self._start > limit:
            return None
        found = await self.read(limit)
        await self.check()
        return found

    async def read(self, size: int) -> bytes:
        """See `Content`."""
        size = min(size, self._end - self._position)
        data = await asyncio.to_thread(self._at, self._position, size)
        self._position += len(data)
        if len(data) < size:
            raise self._changed()
        return data

    async def fingerprint(self) -> bytes | None:
        """See `Content`."""
        last = max(self._start, self._end - _FINGERPRINT_BYTES)
        ends = [await asyncio.to_thread(self._at, at, _FINGERPRINT_BYTES) for at in (self._start, last)]
        return hashlib.sha256(b"".join(ends)).digest()

    async def check(self) -> None:
        """See `Content`. The end of a file that grows may be half a line."""
        if self._look() != self._state:
            raise self._changed()

    def close(self) -> None:
        """See `Content`."""
        if self._owned:
            os.close(self._descriptor)

    def _at(self, position: int, size: int) -> bytes:
        found = bytearray()
        try:
            while len(found) < size and (piece := os.pread(self._descriptor, size - len(found), position + len(found))):
                if len(piece) == size:
                    return piece
                found += piece
        except OSError as error:
            raise InvalidRequest.field("data", f"{self.name!r} cannot be read: {error.strerror}") from error
        return bytes(found)

    def _look(self) -> tuple[int, int]:
        found = os.fstat(self._descriptor)
        return found.st_size, found.st_mtime_ns

    def _changed(self) -> InvalidRequest:
        return InvalidRequest.field("data", f"{self.name!r} has changed while it was read; upload it again")


class _Stream:
    """Pieces of bytes that can be read only once."""

    size_bytes: int | None = None

    def __init__(self, pieces: AsyncIterator[object], name: str | None = None) -> None:
        self.name = name
        self._pieces = pieces
        self._left = b""

    async def whole(self, limit: int) -> bytes | None:
        """See `Content`."""
        found = await self.read(limit + 1)
        if len(found) <= limit:
            return found
        self._left = found + self._left
        return None

    async def read(self, size: int) -> bytes:
        """See `Content`."""
        found = bytearray(self._left)
        while len(found) < size:
            try:
                found += _bytes(await anext(self._pieces))
            except StopAsyncIteration:
                break
        self._left = bytes(memoryview(found)[size:])
        return bytes(memoryview(found)[:size])

    async def fingerprint(self) -> bytes | None:
        """A stream cannot be read again."""
        return None

    async def check(self) -> None:
        """A stream does not change."""

    def close(self) -> None:
        """The stream belongs to the caller."""


def _is_content(path: Path) -> bool:
    """Returns whether the text looks like the content of a file: no path has lines, and few have a comma."""
    return any(sign in str(path) for sign in "\n\r,;")


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"


def _open_file(opened: object) -> Content:
    name = getattr(opened, "name", None)
    # The name of a file that was opened by its descriptor is a number.
    name = Path(name).name if isinstance(name, str) else None
    # Only these are known to return the bytes of the file. Others may unpack or decode them.
    raw = opened.raw if isinstance(opened, io.BufferedReader | io.BufferedRandom) else opened
    if isinstance(raw, io.FileIO) and stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        start = cast("io.BufferedReader", opened).tell()
        return _File(raw.fileno(), name, start=start, owned=False)
    return _Stream(_pieces_of(cast("_Readable", opened)), name)


async def _pieces_of(opened: _Readable) -> AsyncIterator[object]:
    while piece := await asyncio.to_thread(opened.read, _PIECE_BYTES):
        yield piece


def _bytes(piece: object) -> bytes:
    match piece:
        case bytes():
            return piece
        case bytearray() | memoryview():
            return bytes(piece)
        case str():
            return checks.utf_8("data", piece).encode()
        case _:
            raise InvalidRequest.field("data", f"must yield bytes, not {checks.type_name(piece)}")
