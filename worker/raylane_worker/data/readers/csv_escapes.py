"""Keeps the escapes of a CSV that escape nothing, because readers drop them."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Mapping


class KeptEscapes(io.RawIOBase):
    """A CSV in which each escape is doubled that is not before a quote, a delimiter, an escape or a line end."""

    def __init__(self, file: BinaryIO, fields: Mapping[str, str | int]) -> None:
        """`fields` are those of a reading with an escape, which is an ASCII character."""
        self._file = file
        self._escape = str(fields["escape"]).encode()
        meant = [str(fields[name]).encode() for name in ("escape", "quote", "delimiter") if fields[name]]
        self._pattern = re.compile(
            re.escape(self._escape) + b"(" + b"|".join(map(re.escape, [*meant, b"\r", b"\n"])) + b")?"
        )
        self._held = self._rest = b""
        self._at_end = False

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stubs want any buffer
        """Fills the buffer with the next bytes; returns how many there were, 0 at the end."""
        while not self._rest and not self._at_end:
            chunk = self._file.read(len(buffer))
            self._at_end = not chunk
            data, self._held = self._held + chunk, b""
            self._rest = self._pattern.sub(self._kept, data)
        count = min(len(buffer), len(self._rest))
        buffer[:count], self._rest = self._rest[:count], self._rest[count:]
        return count

    def _kept(self, found: re.Match[bytes]) -> bytes:
        if found[1] is None and found.end() == len(found.string) and not self._at_end:
            # What it is before is in the next chunk.
            self._held = self._escape
            return b""
        return self._escape + (found[1] or self._escape)


def kept_escapes(lines: list[str], fields: Mapping[str, str | int]) -> list[str]:
    """Returns the lines of a CSV with each escape doubled that escapes nothing."""
    if not fields["escape"]:
        return lines
    text = io.BufferedReader(KeptEscapes(io.BytesIO("".join(lines).encode()), fields)).read().decode()
    return list(io.StringIO(text, newline=""))
