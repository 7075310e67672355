"""A PNG image as sixels, which terminals show that know the protocol of DEC's VT340."""

from __future__ import annotations

import re
import zlib
from collections import Counter
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_PIXEL_BYTES: Final = 4
_COLORS: Final = 255
_BAND: Final = 6
_REPEATED: Final = re.compile(rb"(.)\1{3,}", re.DOTALL)
# A sixel is a character for six pixels below each other; this one has none of them.
_EMPTY: Final = 63
_PLUS_EMPTY: Final = bytes((value + _EMPTY) % 256 for value in range(256))


def sixels(png: bytes) -> str:
    """Returns the controls that show the image: 8 bits for each of red, green, blue and alpha, not interlaced.

    Colors beyond the 255 most frequent ones become the nearest of these. Raises `ValueError` for another image.
    """
    width, rows = pixels(png)
    counts = Counter(pixel for row in rows for pixel in row)
    palette = [pixel for pixel, _ in counts.most_common(_COLORS)]
    index = {pixel: at for at, pixel in enumerate(palette)}
    for pixel in counts:
        if pixel not in index:
            index[pixel] = min(range(len(palette)), key=lambda at: _distance(pixel, palette[at]))
    indexed = [bytes(map(index.__getitem__, row)) for row in rows]
    colors = "".join(
        f"#{at};2;{';'.join(str(_percent(part)) for part in _rgb(each))}" for at, each in enumerate(palette)
    )
    bands = (indexed[top : top + _BAND] for top in range(0, len(indexed), _BAND))
    return f'\x1bP0;1;0q"1;1;{width};{len(rows)}{colors}{"-".join(_band(band) for band in bands)}\x1b\\'


def pixels(png: bytes) -> tuple[int, list[Sequence[int]]]:
    """Returns the width and the rows of pixels, each 0xAABBGGRR. Raises `ValueError` for an image of another kind."""
    if not png.startswith(_SIGNATURE):
        raise ValueError("not a PNG image")
    header, data = b"", b""
    at = len(_SIGNATURE)
    while at < len(png):
        size, name = int.from_bytes(png[at : at + 4]), png[at + 4 : at + 8]
        body = png[at + 8 : at + 8 + size]
        header, data = (body, data) if name == b"IHDR" else (header, data + body if name == b"IDAT" else data)
        at += size + 12
    if header[8:13] != b"\x08\x06\x00\x00\x00":
        raise ValueError("not an image with 8 bits for each of red, green, blue and alpha")
    width, height = int.from_bytes(header[:4]), int.from_bytes(header[4:8])
    return width, [_pixels_of(row) for row in _unfiltered(zlib.decompress(data), width * _PIXEL_BYTES, height)]


def _pixels_of(row: bytes) -> Sequence[int]:
    return [int.from_bytes(row[at : at + _PIXEL_BYTES], "little") for at in range(0, len(row), _PIXEL_BYTES)]


def _unfiltered(data: bytes, row_bytes: int, height: int) -> Iterator[bytes]:
    above = bytes(row_bytes)
    for number in range(height):
        at = number * (row_bytes + 1)
        above = _row(data[at], data[at + 1 : at + 1 + row_bytes], above)
        yield above


def _row(kind: int, row: bytes, above: bytes) -> bytes:
    """Returns a row without its filter, which describes each byte by those to the left of it and above."""
    match kind:
        case 0:
            return row
        case 1:
            found = bytearray(len(row))
            for channel in range(_PIXEL_BYTES):
                part = accumulate(row[channel::_PIXEL_BYTES], lambda left, byte: (left + byte) & 255)
                found[channel::_PIXEL_BYTES] = bytes(part)
            return bytes(found)
        case 2:
            return bytes((byte + up) & 255 for byte, up in zip(row, above, strict=True))
        case _:
            return _predicted(row, above, is_average=kind == 3)


def _predicted(row: bytes, above: bytes, *, is_average: bool) -> bytes:
    found = bytearray(_PIXEL_BYTES) + row
    for at, up in enumerate(above):
        left = found[at]
        if is_average:
            guess = (left + up) // 2
        else:
            corner = above[at - _PIXEL_BYTES] if at >= _PIXEL_BYTES else 0
            guess = left + up - corner
            guess = min((left, up, corner), key=lambda each: abs(guess - each))
        found[at + _PIXEL_BYTES] = (found[at + _PIXEL_BYTES] + guess) & 255
    return bytes(found[_PIXEL_BYTES:])


def _band(rows: Sequence[bytes]) -> str:
    """Returns six rows: for each color, one character for each column."""
    return "$".join(f"#{color}{_sixel_row(rows, color)}" for color in sorted(set(b"".join(rows))))


def _sixel_row(rows: Sequence[bytes], color: int) -> str:
    merged = 0
    for bit, row in enumerate(rows):
        table = bytearray(256)
        table[color] = 1 << bit
        merged |= int.from_bytes(row.translate(table))
    characters = merged.to_bytes(len(rows[0])).translate(_PLUS_EMPTY)
    return _REPEATED.sub(lambda run: b"!%d%b" % (len(run[0]), run[1]), characters).decode("ascii")


def _rgb(pixel: int) -> tuple[int, int, int]:
    return pixel & 255, pixel >> 8 & 255, pixel >> 16 & 255


def _percent(part: int) -> int:
    return round(part * 100 / 255)


def _distance(pixel: int, other: int) -> int:
    return sum((one - two) ** 2 for one, two in zip(_rgb(pixel), _rgb(other), strict=True))
