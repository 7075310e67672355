"""Finds out what kind of file it is, by its content and not by its name."""

from __future__ import annotations

import json
import re
import zipfile
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidFile
from raylane_common.wire.names import Compression, FileFormat
from raylane_worker.data.readers.plain import BROKEN, zip_members

if TYPE_CHECKING:
    from pathlib import Path

_COMPRESSIONS: Final = {b"\x1f\x8b": Compression.GZIP, b"\x28\xb5\x2f\xfd": Compression.ZSTD}
# A block, or the end of an empty file.
_BZIP2: Final = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
_FORMATS: Final = {
    b"PAR1": FileFormat.PARQUET,
    b"ARROW1": FileFormat.ARROW,
    # The first message of an Arrow stream.
    b"\xff\xff\xff\xff": FileFormat.ARROW,
    # Old workbooks, and new ones with a password.
    b"\xd0\xcf\x11\xe0": FileFormat.WORKBOOK,
}
_REFUSED: Final = {
    b"PARE": "an encrypted Parquet file; decrypt it first",
    b"FEA1": "a Feather file of version 1; write it again with version 2 (Arrow)",
    b"ORC": "an ORC file; convert it to Parquet",
    b"Obj\x01": "an Avro file; convert it to Parquet",
    b"SQLite format 3": "an SQLite database; export the table as CSV",
    b"\x89HDF": "an HDF5 file; export the data as CSV or Parquet",
    b"\x93NUMPY": "a NumPy array; export it as CSV or Parquet",
    b"\x80\x02": "a Python pickle; export the data as CSV or Parquet",
    b"\x80\x03": "a Python pickle; export the data as CSV or Parquet",
    b"\x80\x04": "a Python pickle; export the data as CSV or Parquet",
    b"\x80\x05": "a Python pickle; export the data as CSV or Parquet",
    b"\x09\x00\x04\x00": "a workbook of Excel before version 5; open it and save it as .xlsx",
    b"\x09\x02\x06\x00": "a workbook of Excel before version 5; open it and save it as .xlsx",
    b"\x09\x04\x06\x00": "a workbook of Excel before version 5; open it and save it as .xlsx",
    b"\x00\x00\x02\x00\x06\x04": "a Lotus workbook; open it and save it as .xlsx",
    b"\x00\x01\x00\x00Standard": "an Access database; export the table as CSV",
    b"CDF\x01": "a NetCDF file; export the data as CSV or Parquet",
    b"CDF\x02": "a NetCDF file; export the data as CSV or Parquet",
    b"MATLAB 5.0 MAT-file": "a MATLAB file; export the data as CSV",
    b"HEADER RECORD*******LIB": "a SAS file; export the data as CSV",
    b"\x00" * 12 + b"\xc2\xea\x81\x60": "a SAS file; export the data as CSV",
    b"<stata_dta>": "a Stata file; export the data as CSV",
    b"$FL2": "an SPSS file; export the data as CSV",
    b"RDX": "an R file; export the data as CSV",
    b"%PDF": "a PDF; export the table as CSV",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"GIF8": "a picture",
    b"II*\x00": "a picture",
    b"MM\x00*": "a picture",
    b"7z\xbc\xaf": "a 7-Zip archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"\xfd7zXZ": "compressed with xz; unpack it first, or use gzip or zstd",
    b"\x04\x22\x4d\x18": "compressed with lz4; unpack it first, or use gzip or zstd",
    b"\xff\x06\x00\x00sNaPpY": "compressed with snappy; unpack it first, or use gzip or zstd",
    b"\x7fELF": "a program",
    b"MZ\x90": "a program",
    b"{\\rtf": "a text document; export the table as CSV",
}
_MAGIC_BYTES: Final = 16
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0e-\x1f]")
# Those that no text has; some others separate cells.
_NO_TEXT: Final = re.compile("[\x02-\x08\x0e-\x19\x7f-\x9f]")
# By the place in the file where they are.
_REFUSED_INSIDE: Final = {
    (8, b"DUCK"): "a DuckDB database; export the table as CSV or Parquet",
    (257, b"ustar"): "a tar archive; upload one of its files",
}
_LFS_POINTER: Final = "version https://git-lfs"
_WORKBOOK_MEMBERS: Final = ("xl/", "content.xml")
_DOCUMENTS: Final = {
    "word/document.xml": "a Word document; export the table as CSV",
    "ppt/presentation.xml": "a presentation; export the table as CSV",
    "Index/Document.iwa": "a workbook of Apple Numbers; export it as .xlsx",
}
_OPEN_DOCUMENT: Final = b"application/vnd.oasis.opendocument."
_OPEN_WORKBOOK: Final = _OPEN_DOCUMENT + b"spreadsheet"
# Text that is not a table, by its beginning.
_NO_TABLES: Final = {
    re.compile(rf"\s*({pattern})"): kind
    for pattern, kind in (
        ("BEGIN:VCARD", "a vCard; export the contacts as CSV"),
        ("BEGIN:VCALENDAR", "a calendar (iCalendar); export it as CSV"),
        (
            r"((--|/\*).*\n\s*)*(?i:create (table|database|schema)|drop table|insert into|set \w+ ?=|begin;)",
            "SQL; run it, and export the table as CSV",
        ),
        (
            r"Received: from|Return-Path: <|Message-ID: <|MIME-Version: 1|From: .*@.*\n(To|Cc|Date|Subject): ",
            "an e-mail; save what is attached",
        ),
        (r":20:|\{1:F01", "a bank statement in SWIFT's format MT940; download it as CSV"),
        ("OFXHEADER:", "a bank statement in the format OFX; download it as CSV"),
        ("!Type:", "a bank statement in the format QIF; download it as CSV"),
        ("-----BEGIN ", "a key or a certificate"),
        (r"(//.*\n\s*)+[\[{]", "JSON with comments; delete them"),
    )
}
_MAX_LISTED: Final = 5
_OFFICE_XML: Final = "urn:schemas-microsoft-com:office:"
_XML: Final = re.compile(r"\s*<(\?xml|!doctype|!--|html|head|body|table|[a-z][\w:.-]*(\s[^<>]*)?/?>)", re.IGNORECASE)
_HTML: Final = re.compile(r"<(!doctype\s+html|html|head|body|table)", re.IGNORECASE)
_JSON_ARRAY: Final = re.compile(r'\s*\[\s*([\[{"\]]|-?[0-9]|null|true|false)')
_JSON_OBJECT: Final = re.compile(r'\s*\{\s*["}]')


def compression_of(path: Path) -> Compression | None:
    """Returns how the file is compressed; None if it is not. Raises `InvalidFile` for an archive of several files."""
    with path.open("rb") as file:
        head = file.read(_MAGIC_BYTES)
    if found := _compression(head):
        return found
    if not head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return None
    members = zip_members(path)
    _refuse_document(path, members)
    if any(name.startswith(_WORKBOOK_MEMBERS) for name in members):
        return None
    if len(members) != 1:
        listed = ", ".join(repr(name) for name in members[:_MAX_LISTED]) + (" …" if len(members) > _MAX_LISTED else "")
        problem = f"holds {len(members)} files ({listed}); upload one of them" if members else "is empty"
        raise InvalidFile(f"the ZIP archive {problem}")
    with zipfile.ZipFile(path) as archive:
        if archive.getinfo(members[0]).flag_bits & 1:
            raise InvalidFile("the ZIP archive has a password; unpack it first")
    return Compression.ZIP


def _refuse_document(path: Path, members: list[str]) -> None:
    """Raises `InvalidFile` for a ZIP archive that is a document, but no workbook that can be read."""
    if refused := next((kind for name, kind in _DOCUMENTS.items() if name in members), None):
        raise InvalidFile(f"the file is {refused}")
    kind = b""
    # A damaged one is refused by its reader.
    with suppress(*BROKEN), zipfile.ZipFile(path) as archive:
        kind = archive.open("mimetype").read(100) if "mimetype" in members else b""
    if kind.startswith(_OPEN_DOCUMENT) and not kind.startswith(_OPEN_WORKBOOK):
        raise InvalidFile("the file is an OpenDocument without sheets; export the table as CSV")


def is_compressed(head: bytes) -> bool:
    """Returns whether data that begins with `head` is compressed with one of the known compressions."""
    return _compression(head) is not None


def _compression(head: bytes) -> Compression | None:
    if _BZIP2.match(head):
        return Compression.BZIP2
    return next((compression for magic, compression in _COMPRESSIONS.items() if head.startswith(magic)), None)


def binary_format(head: bytes) -> FileFormat | None:
    """Returns the format of binary data that begins with `head`; None if it seems to be text.

    Raises `InvalidFile`, which names the kind of file, for one that cannot be read.
    """
    if not head:
        raise InvalidFile("the file is empty")
    if head.startswith(b"PK\x03\x04"):
        return FileFormat.WORKBOOK
    for (place, inside), kind in _REFUSED_INSIDE.items():
        if head.startswith(inside, place) and _CONTROL.search(head):
            raise InvalidFile(f"the file is {kind}")
    magic = next((begin for begin in (*_REFUSED, *_FORMATS) if head.startswith(begin)), None)
    # A column of a CSV may be named PARENT or ORCID.
    if magic is None or (magic.isalnum() and not _CONTROL.search(head[:_MAGIC_BYTES])):
        return None
    if magic in _REFUSED:
        raise InvalidFile(f"the file is {_REFUSED[magic]}")
    return _FORMATS[magic]


def refuse_binary(head: str) -> None:
    """Raises `InvalidFile` if text that is not surely encoded begins with `head` and has control characters."""
    if len(_NO_TEXT.findall(head)) > len(head) / 50:
        raise InvalidFile(
            "the file is not text, but binary data of an unknown kind; export the data as CSV or Parquet, or use "
            "--encoding if it is text"
        )


def text_format(head: str) -> FileFormat:
    """Returns the format of text that begins with `head`. Raises `InvalidFile` for HTML and XML."""
    if head.startswith(_LFS_POINTER):
        raise InvalidFile(
            "the file is a pointer of Git LFS, not the data; run `git lfs pull`, and upload the file again"
        )
    for pattern, kind in _NO_TABLES.items():
        if pattern.match(head):
            raise InvalidFile(f"the file is not a table but {kind}")
    if _XML.match(head):
        kind = "an HTML page, perhaps an error message" if _HTML.search(head[:2000]) else "XML"
        remedy = "open it in Excel and save it as .xlsx" if _OFFICE_XML in head else "export it as CSV"
        raise InvalidFile(f"the file is not a table but {kind}: it begins with {head.strip()[:60]!r}; {remedy}")
    if _JSON_ARRAY.match(head) and not _is_csv_in_brackets(head):
        return FileFormat.JSON
    if _JSON_OBJECT.match(head):
        first, *rest = head.strip().split("\n", 1)
        return FileFormat.JSON_LINES if _is_object(first) and rest and rest[0].strip() else FileFormat.JSON
    return FileFormat.CSV


def _is_csv_in_brackets(head: str) -> bool:
    """Returns whether the first line has several values that are not one JSON value, such as `[1],[2]`."""
    try:
        _, end = json.JSONDecoder().raw_decode(head.lstrip())
    except (ValueError, RecursionError):
        return False
    return head.lstrip()[end:].lstrip(" \t").startswith((",", ";", "|"))


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
