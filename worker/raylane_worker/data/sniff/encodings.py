"""Finds out how the text of a file is encoded."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from charset_normalizer import from_bytes

from raylane_common.errors import InvalidFile, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

_CHUNK_BYTES: Final = 1024 * 1024
# Enough words for a statistical guess.
_SAMPLE_BYTES: Final = 64 * 1024
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    # Before UTF-16, whose mark is the beginning of this one.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# What most programs on Windows write in Western Europe and America.
_WESTERN: Final = "cp1252"
_UNUSED_IN_CP1252: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
# Those of spreadsheets and databases all over the world. Rare relatives of them only make a guess worse.
_CANDIDATES: Final = ["cp1252", "cp1251", "koi8_r", "cp1253", "cp1255", "cp1256"]
_CANDIDATES_WIDE: Final = ["cp932", "euc_jp", "gb18030", "big5", "cp949"]
# Fewer bytes above ASCII are a sign or a name in a Western text.
_ENOUGH_BYTES: Final = 10
# Central European letters that are signs in the middle of a word in cp1252 (Polish), or never come together (Czech).
_POLISH: Final = re.compile(rb"[A-Za-z\xc0-\xff][\xb3\xb9\xbf\x9f][A-Za-z\xc0-\xff]")
# Its letters are where Hebrew has points, which hardly anybody writes.
_KOI8: Final = re.compile(rb"[\xc0-\xdf]")
_CZECH: Final = (b"\xec", b"\xf8", b"\xe8")
# As people write them.
_NAMES: Final = {"koi8_r": "koi8-r", "euc_jp": "euc-jp"}
_LINE_WITH_OTHER_BYTES: Final = re.compile(rb"[^\r\n]*[\x80-\xff][^\r\n]*")


class Encoding(NamedTuple):
    """The name of an encoding, and whether it was guessed from the frequencies of bytes."""

    name: str
    is_guess: bool


def check_encoding(name: str) -> str:
    """Returns Python's name for an encoding of text. Raises `InvalidRequest` if there is none."""
    try:
        found = codecs.lookup(name)
    except LookupError:
        problem = f"{name!r} is not a known encoding; name one such as utf-8, utf-16, cp1252, latin-1 or shift_jis"
        raise InvalidRequest.field("reading.encoding", problem) from None
    if not found._is_text_encoding:
        raise InvalidRequest.field("reading.encoding", f"{name!r} is not an encoding of text")
    return found.name


def encoding_of(open_plain: Callable[[], AbstractContextManager[BinaryIO]]) -> Encoding:
    """Returns the encoding of a file. Reads it to the end, because only the last line may be unusual.

    `open_plain` opens the file's bytes. Raises `InvalidFile` for data that is not text.
    """
    with open_plain() as file:
        head = file.read(_CHUNK_BYTES)
        if name := next((name for mark, name in _MARKS if head.startswith(mark)), None):
            return Encoding(name, is_guess=False)
        if name := _wide(head):
            return Encoding(name, is_guess=True)
        decoder = codecs.getincrementaldecoder("utf-8")()
        sample = bytearray()
        is_utf_8, chunk, line = True, head, 1
        while chunk:
            if (position := chunk.find(b"\0")) >= 0:
                line += chunk.count(b"\n", 0, position)
                raise InvalidFile(f"line {line} holds a NUL byte: this is not text", details={"line": line})
            line += chunk.count(b"\n")
            if is_utf_8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf_8 = False
            if not chunk.isascii() and len(sample) < _SAMPLE_BYTES:
                for found in _LINE_WITH_OTHER_BYTES.finditer(chunk):
                    sample += found[0][:1000] + b"\n"
                    if len(sample) >= _SAMPLE_BYTES:
                        break
            chunk = file.read(_CHUNK_BYTES)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf_8 = False
    return Encoding("utf-8", is_guess=False) if is_utf_8 else Encoding(_guess(bytes(sample)), is_guess=True)


def _wide(head: bytes) -> str | None:
    """Returns the encoding of text that has NUL bytes at every second or fourth place."""
    pairs = head[: len(head) // 4 * 4][:4096]
    if not pairs or b"\0" not in pairs:
        return None
    zeros = [pairs[start::4].count(0) / (len(pairs) // 4) for start in range(4)]
    match [zero > 0.7 for zero in zeros]:
        case [False, True, True, True]:
            return "utf-32-le"
        case [True, True, True, False]:
            return "utf-32-be"
        case [False, True, False, True]:
            return "utf-16-le"
        case [True, False, True, False]:
            return "utf-16-be"
    return None


def _guess(sample: bytes) -> str:
    above_ascii = len(sample) - len(sample.translate(None, bytes(range(128, 256))))
    if above_ascii >= _ENOUGH_BYTES:
        # Delimiters make words less like a language. Others are a part of characters in some encodings.
        words = re.sub(rb"[\t;,]", b" ", sample)
        best = from_bytes(words, cp_isolation=_CANDIDATES + _CANDIDATES_WIDE).best()
        found = best.encoding if best is not None else _WESTERN
        if found == "cp1255" and len(_KOI8.findall(sample)) > above_ascii / 2:
            return "koi8-r"
        is_central = len(_POLISH.findall(sample)) > 1 or all(letter in sample for letter in _CZECH)
        if is_central and found not in _CANDIDATES_WIDE:
            return "cp1250"
        if found != _WESTERN:
            return _NAMES.get(found, found)
    return "latin-1" if _UNUSED_IN_CP1252.search(sample) else _WESTERN
