"""What is no table."""

from __future__ import annotations

import io
import pickle
import sqlite3
import tarfile
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import orc

from tests.corpus.files.dialect import archive
from tests.corpus.files.model import Case, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """Yields the cases."""
    html = b"<!DOCTYPE html>\n<html>\n<body>Access denied</body>\n</html>\n"
    for name, data, match, because in (
        ("HTML", html, "html", "a page of an error is no data"),
        ("HTML in capitals", b"<HTML><HEAD></HEAD><BODY>1,2</BODY></HTML>", "html", "a page"),
        ("HTML after spaces", b"\n\n  <html><table><tr><td>1</td></tr></table></html>", "html", "a page"),
        ("HTML after a mark", b"\xef\xbb\xbf" + html, "html", "a page"),
        ("HTML after a comment", b"<!-- generated -->\n" + html, "html", "a page"),
        ("HTML in UTF-16", html.decode().encode("utf-16"), "html", "a page"),
        ("HTML without a type", b"<table><tr><td>a</td><td>b</td></tr></table>", "html|xml", "a page"),
        ("XML", b'<?xml version="1.0"?>\n<rows><row a="1"/></rows>\n', "xml", "no table"),
        ("XML without declaration", b'<rows>\n<row a="1"/>\n<row a="2"/>\n</rows>\n', "xml", "no table"),
        (
            "the error of S3",
            b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>",
            "xml",
            "an error",
        ),
        ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n", "pdf", "no table"),
        ("PNG", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0", "png|picture", "no table"),
        ("JPEG", b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01" + bytes(range(256)), "jpeg|picture", "no table"),
        ("nothing", b"", "empty", "no header"),
        ("a mark only", b"\xef\xbb\xbf", "empty", "no header"),
        ("UTF-16 mark only", b"\xff\xfe", "empty", "no header"),
        ("spaces", b"   \n  \n", "empty", "no header"),
        ("line ends", b"\n\n\n", "empty", "no header"),
        ("random bytes", bytes((i * 7919 + i // 3) % 256 for i in range(5000)), "text|binary|file", "no text"),
        ("zeros", b"\0" * 4096, "empty|text|binary|file", "no text"),
        ("ELF", b"\x7fELF\x02\x01\x01" + b"\0" * 200, "binary|text|program|file", "no text"),
        ("pickle", pickle.dumps([{"a": 1, "b": "x"}] * 30), "pickle|binary|text", "loading it would run code"),
        ("JSON of numbers", b"[1, 2, 3]", "json|record|object", "no records"),
        ("JSON of lists", b"[[1, 2], [3, 4]]", "json|record|object", "no names"),
        ("broken JSON", b'[{"a": 1}, {"a": 2}', "json|cut off", "its end is missing"),
        ("broken JSON line", b'{"a": 1}\n{"a": 2\n{"a": 3}\n', "line 2", "it is not whole"),
        ("JSON of a mixture", b'[{"a": 1}, 2, {"a": 3}]', "json|record|object", "2 is no record"),
        ("JSON with a field twice", b'[{"a": 1, "a": 2}]', "a", "which one?"),
        ("an empty list", b"[]", "json|record|empty", "no records"),
        ("a broken Parquet", b"PAR1" + b"\0" * 100, "parquet", "its end is missing"),
        ("a broken workbook", b"PK\x03\x04" + b"\0" * 100, "zip|workbook|damaged", "its end is missing"),
        (
            "Word",
            archive({"[Content_Types].xml": b"<x/>", "word/document.xml": b"<w/>"}),
            "word|zip|document",
            "no table",
        ),
        (
            "PowerPoint",
            archive({"[Content_Types].xml": b"<x/>", "ppt/presentation.xml": b"<p/>"}),
            "powerpoint|zip|presentation",
            "no table",
        ),
        (
            "old office that is no workbook",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 1000,
            "workbook|xls|excel|office",
            "no sheet",
        ),
        ("RTF", b"{\\rtf1\\ansi hello, world}", "rtf|json|document", "no table"),
        ("Avro", b"Obj\x01\x04\x14avro.codec\x08null", "avro", "not read yet"),
        ("7z", b"7z\xbc\xaf\x27\x1c\0\x04" + b"\1" * 50, "7z|7-zip|compress|binary|unpack", "unknown compression"),
        ("rar", b"Rar!\x1a\x07\x01\0" + b"\1" * 50, "rar|compress|binary|unpack", "unknown compression"),
        ("xz", b"\xfd7zXZ\0\0\x04" + b"\1" * 50, "xz|compress|binary|unpack", "unknown compression"),
        ("tar", _tar(), "tar|archive|binary", "several files"),
        ("SQLite", _sqlite(), "sqlite|database|binary", "several tables"),
        ("ORC", _orc(), "orc", "not read yet"),
        ("HDF5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "hdf|binary|text|file", "several tables"),
        ("Stata", b"<stata_dta><header><release>118</release></header></stata_dta>", "stata|xml|dta", "not read"),
        ("SPSS", b"$FL2@(#) SPSS DATA FILE" + b"\0" * 200, "spss|binary|text|file", "not read"),
        (
            "a pointer of Git LFS",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "lfs|git",
            "the data are elsewhere",
        ),
    ):
        yield Case(f"refused: {name}", data, Refused(match, because))


def _tar() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as packed:
        entry = tarfile.TarInfo("data.csv")
        entry.size = 8
        packed.addfile(entry, io.BytesIO(b"a,b\n1,2\n"))
    return file.getvalue()


def _sqlite() -> bytes:
    with sqlite3.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (a INTEGER)")
        return connection.serialize()


def _orc() -> bytes:
    file = pa.BufferOutputStream()
    orc.write_table(pa.table({"a": [1, 2]}), file)
    return bytes(file.getvalue())
