"""Writes a table of texts in any dialect of CSV."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import pyarrow as pa

from raylane_common.wire.names import Compression

if TYPE_CHECKING:
    from collections.abc import Sequence


class Quoting(StrEnum):
    """Which cells have quotes around them."""

    NEEDED = "needed"
    ALL = "all"
    NONE = "none"


@dataclass(frozen=True)
class Dialect:
    """How a CSV is written. `escape` comes before a quote inside quotes; without it, the quote is doubled."""

    delimiter: str = ","
    quote: str = '"'
    quoting: Quoting = Quoting.NEEDED
    escape: str = ""
    line_end: str = "\n"
    last_line_ends: bool = True
    encoding: str = "utf-8"
    compression: Compression | None = None

    def text(self, rows: Sequence[Sequence[str]]) -> str:
        """Returns the rows, of which a header may be the first, as text."""
        lines = [self.delimiter.join(map(self.cell, row)) for row in rows]
        return self.line_end.join(lines) + (self.line_end if self.last_line_ends else "")

    def cell(self, text: str) -> str:
        """Returns the text with quotes around it, where it needs them."""
        special = {self.delimiter, self.quote, self.escape, "\n", "\r"} - {""}
        if self.quoting is Quoting.NONE or (self.quoting is Quoting.NEEDED and not special.intersection(text)):
            return text
        if self.escape:
            text = text.replace(self.escape, self.escape * 2).replace(self.quote, self.escape + self.quote)
        else:
            text = text.replace(self.quote, self.quote * 2)
        return f"{self.quote}{text}{self.quote}"

    def encode(self, text: str) -> bytes:
        """Returns the bytes of a file with the text."""
        return compressed(text.encode(self.encoding), self.compression)

    def write(self, rows: Sequence[Sequence[str]]) -> bytes:
        """Returns the bytes of a file with the rows."""
        return self.encode(self.text(rows))


def compressed(data: bytes, compression: Compression | None, member: str = "data.csv") -> bytes:
    """Returns the bytes with the compression."""
    match compression:
        case None:
            return data
        case Compression.GZIP:
            return gzip.compress(data, mtime=0)
        case Compression.BZIP2:
            return bz2.compress(data)
        case Compression.ZSTD:
            return bytes(pa.compress(data, "zstd", asbytes=True))
        case Compression.ZIP:
            return archive({member: data})


def archive(members: dict[str, bytes]) -> bytes:
    """Returns a ZIP archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in members.items():
            packed.writestr(name, data)
    return file.getvalue()
