"""Finds out how a file is written: its format, compression, encoding, and the dialect of a CSV.

See docs/decisions/0028.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_common.wire.names import FileFormat
from raylane_common.wire.reading import NULL_MARKERS, Reading
from raylane_worker.data.readers.plain import open_plain, open_text
from raylane_worker.data.readers.rows import HEAD_BYTES, head_of
from raylane_worker.data.sniff.dialect import dialect_of
from raylane_worker.data.sniff.encodings import check_encoding, encoding_of
from raylane_worker.data.sniff.kinds import binary_format, compression_of, is_compressed, refuse_binary, text_format

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.wire.names import Compression
    from raylane_common.wire.reading import ReadingOptions


@dataclass(frozen=True)
class Sniffed:
    """How a file is written, and warnings about it."""

    reading: Reading
    warnings: tuple[str, ...] = ()


def sniff(path: Path, options: ReadingOptions) -> Sniffed:
    """Returns how the file at `path` is written. What the user says in `options` overrides what the file looks like.

    Reads the file once, to be certain of its encoding. Raises `InvalidFile` if the file cannot be read, and
    `InvalidRequest` if an option does not fit it.
    """
    compression = compression_of(path)
    with open_plain(path, compression) as file:
        head = file.read(HEAD_BYTES)
    if compression is not None and is_compressed(head):
        raise InvalidFile("the file is compressed twice; unpack it once")
    binary = binary_format(head)
    nulls = NULL_MARKERS if options.null_markers is None else ("", *options.null_markers)
    if binary is not None:
        if compression is not None:
            raise InvalidFile(f"the file is {binary.described}, compressed ({compression}); unpack it first")
        _refuse_options_of_text(options, binary)
        base = Reading(format=binary, null_markers=nulls)
        return _workbook(path, base, options) if binary is FileFormat.WORKBOOK else Sniffed(base)
    return _text(path, compression, options, nulls)


def _workbook(path: Path, base: Reading, options: ReadingOptions) -> Sniffed:
    from raylane_worker.data.readers.workbook import layout

    found = layout(path, options.sheet, options.header_line)
    reading = base.model_copy(update={"sheet": found.sheet, "header_line": found.header_line})
    return Sniffed(reading, found.warnings)


def _text(path: Path, compression: Compression | None, options: ReadingOptions, nulls: tuple[str, ...]) -> Sniffed:
    warnings: list[str] = []
    is_guess = False
    if options.encoding is not None:
        encoding = check_encoding(options.encoding)
    else:
        encoding, is_guess = encoding_of(partial(open_plain, path, compression))
        if is_guess:
            warnings.append(f"the text is not UTF-8 and is read as {encoding}; if letters are wrong, use --encoding")
    with open_text(path, compression, encoding) as file:
        beginning = head_of(file)
    head = "".join(beginning.lines)
    if not head.strip():
        raise InvalidFile("the file is empty")
    if is_guess:
        refuse_binary(head)
    found = text_format(head)
    base = Reading(format=found, compression=compression, encoding=encoding, null_markers=nulls)
    if found is not FileFormat.CSV:
        _refuse_options_of_text(options, found, encoding_fits=True)
        return Sniffed(base, tuple(warnings))
    if options.sheet is not None:
        raise InvalidRequest.field("reading.sheet", "does not apply to a text file; leave it out")
    dialect = dialect_of(beginning, options)
    return Sniffed(base.model_copy(update=dialect.fields), (*warnings, *dialect.warnings))


def _refuse_options_of_text(options: ReadingOptions, found: FileFormat, *, encoding_fits: bool = False) -> None:
    """Raises `InvalidRequest` for an option that says nothing about a file of this format."""
    names = ["delimiter", "quote", "escape", *([] if encoding_fits else ["encoding"])]
    names += [] if found is FileFormat.WORKBOOK else ["header_line", "sheet"]
    for name in names:
        if getattr(options, name) is not None:
            raise InvalidRequest.field(
                f"reading.{name}", f"does not apply, because the file is {found.described}; leave it out"
            )
