"""Checks that the quotes of a CSV enclose whole cells, because pyarrow reads those that do not without an error."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, BinaryIO, Final

if TYPE_CHECKING:
    from raylane_common.wire.reading import Reading

_LINE_ENDS: Final = b"\r\n"


class QuoteCheck(io.RawIOBase):
    """A CSV that is checked while it is read.

    Outside quotes, the text between two quotes has to begin and end with a delimiter or a line end, or to be empty,
    which is a doubled quote. A quote that is never closed, and one inside an unquoted cell, both break this rule.
    """

    def __init__(self, file: BinaryIO, reading: Reading) -> None:
        self._file = file
        self._quote = reading.quote.encode()
        self._borders = reading.delimiter.encode() + _LINE_ENDS
        self._escaped = re.compile(re.escape(reading.escape.encode()) + rb"[\s\S]") if reading.escape else None
        # Of the text since the last quote, if it is outside quotes, the first and the last byte.
        self._open = _LINE_ENDS[-1:]
        self._is_inside = False
        self._held = b""
        self._is_regular = True

    @property
    def is_regular(self) -> bool:
        """Whether all quotes up to the end of the file enclose whole cells."""
        return self._is_regular and not self._is_inside and self._fits(self._open[:1])

    @property
    def is_broken(self) -> bool:
        """Whether a quote that was read does not enclose a whole cell."""
        return not self._is_regular

    def readable(self) -> bool:
        """Returns True."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # the stubs want any buffer
        """Fills the buffer with the next bytes; returns how many there were, 0 at the end."""
        data = self._file.read(len(buffer))
        if self._quote and self._is_regular:
            self._see(data)
        buffer[: len(data)] = data
        return len(data)

    def _see(self, data: bytes) -> None:
        if self._escaped is not None:
            data = self._escaped.sub(b"", self._held + data)
            self._held = data[-1:] if self._escaped.match(data[-1:] + b"x") else b""
            data = data[: len(data) - len(self._held)]
        first, *others = data.split(self._quote)
        pieces = [self._open + first, *others]
        last = pieces.pop()
        self._is_regular = all(map(self._fits, set(pieces[self._is_inside :: 2])))
        self._is_inside ^= len(pieces) % 2 == 1
        self._open = b"" if self._is_inside else last if len(last) <= 1 else last[:1] + last[-1:]

    def _fits(self, outside: bytes) -> bool:
        return not outside or (outside[0] in self._borders and outside[-1] in self._borders)
