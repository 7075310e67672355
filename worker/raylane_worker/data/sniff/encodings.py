"""Finds out how the text of a file is encoded."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from charset_normalizer import from_bytes

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_worker.data.sniff.alphabets import DOS, best_alphabet, fits_dos

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
_UNUSED_IN_CP1252: Final = re.compile(rb"[\x81\x8d\x8f\x90\x9d]")
# Those with several bytes per character, and one whose alphabet has no capitals, by which it could be recognised.
_CANDIDATES: Final = ["cp932", "euc_jp", "gb18030", "big5", "cp949", "cp874"]
_PIECE_BYTES: Final = 4096
_BETWEEN_WORDS: Final = re.compile(rb"[\t\r\n ,;]+")
# As people write them.
_NAMES: Final = {"euc_jp": "euc-jp"}


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
                sample += _around_other_bytes(chunk)
            chunk = file.read(_CHUNK_BYTES)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            is_utf_8 = False
    return Encoding("utf-8", is_guess=False) if is_utf_8 else Encoding(_guess(bytes(sample)), is_guess=True)


def _around_other_bytes(chunk: bytes) -> bytes:
    """Returns the words of the chunk that have bytes above ASCII, up to the size of a sample."""
    found = bytearray()
    for start in range(0, len(chunk), _PIECE_BYTES):
        piece = chunk[start : start + _PIECE_BYTES]
        if not piece.isascii():
            found += b" ".join(word for word in _BETWEEN_WORDS.split(piece) if not word.isascii()) + b"\n"
        if len(found) >= _SAMPLE_BYTES:
            break
    return bytes(found)


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
    western = "latin-1" if _UNUSED_IN_CP1252.search(sample) else "cp1252"
    fit = best_alphabet(sample)
    if fit.is_good:
        return western if fit.encoding == "cp1252" else fit.encoding
    # Delimiters make words less like a language. Others are a part of characters in some encodings.
    words = re.sub(rb"[\t;,]", b" ", sample)
    best = from_bytes(words, cp_isolation=_CANDIDATES).best()
    if best is not None:
        return _NAMES.get(best.encoding, best.encoding)
    return DOS if fits_dos(sample) else western
