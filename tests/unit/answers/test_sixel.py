"""Images as sixels: reading the sixels gives the pixels of the image."""

from __future__ import annotations

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane.answers.drawing import png
from raylane.answers.sixel import pixels, sixels
from tests.unit.answers.samples import COLORED_BARS, SCATTER

Rgb = tuple[int, int, int]


def shown(controls: str) -> list[list[Rgb | None]]:
    """The pixels, in percent of each color, that a terminal would show. None is the background."""
    head = re.match(r'\x1bP0;1;0q"1;1;(\d+);(\d+)((?:#\d+;2;\d+;\d+;\d+)*)', controls)
    assert head is not None
    assert controls.endswith("\x1b\\")
    width, height = int(head[1]), int(head[2])
    found = re.findall(r"#(\d+);2;(\d+);(\d+);(\d+)", head[3])
    colors: dict[str, Rgb] = {number: (int(red), int(green), int(blue)) for number, red, green, blue in found}
    picture: list[list[Rgb | None]] = [[None] * width for _ in range(height)]
    for band, text in enumerate(controls[head.end() : -2].split("-")):
        for part in text.split("$"):
            color = re.match(r"#(\d+)", part)
            assert color is not None
            column = 0
            for count, character in re.findall(r"(?:!(\d+))?([?-~])", part[color.end() :]):
                for _ in range(int(count or 1)):
                    for bit in range(6):
                        if ord(character) - 63 >> bit & 1:
                            picture[band * 6 + bit][column] = colors[color[1]]
                    column += 1
            assert column == width
    return picture


def percent(pixel: int) -> Rgb:
    return round((pixel & 255) / 2.55), round((pixel >> 8 & 255) / 2.55), round((pixel >> 16 & 255) / 2.55)


def test_a_chart_is_shown_with_its_colors() -> None:
    image = png(COLORED_BARS, scale=0.25)
    width, rows = pixels(image)
    picture = shown(sixels(image))
    assert (width, len(rows)) == (160, 100)
    assert sum(one is None for row in picture for one in row) == 0
    same = sum(
        one == percent(two)
        for row, wanted in zip(picture, rows, strict=True)
        for one, two in zip(row, wanted, strict=True)
    )
    assert same > 0.97 * 160 * 100  # the others are at the edges of letters


def test_colors_beyond_the_palette_are_near() -> None:
    image = png(SCATTER, scale=0.25)
    for row, wanted in zip(shown(sixels(image)), pixels(image)[1], strict=True):
        for one, two in zip(row, wanted, strict=True):
            assert one is not None
            assert all(abs(left - right) <= 12 for left, right in zip(one, percent(two), strict=True))


def chunk(name: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4) + name + body + zlib.crc32(name + body).to_bytes(4)


def encoded(rows: list[bytes], filters: list[int]) -> bytes:
    """A PNG image whose rows have these filters, as the specification describes them."""
    width = len(rows[0]) // 4
    above, data = bytes(len(rows[0])), b""
    for kind, row in zip(filters, rows, strict=True):
        data += bytes([kind])
        for at, byte in enumerate(row):
            left = row[at - 4] if at >= 4 else 0
            up, corner = above[at], above[at - 4] if at >= 4 else 0
            near = left + up - corner
            paeth = sorted((abs(near - each), rank, each) for rank, each in enumerate((left, up, corner)))[0][2]
            data += bytes([(byte - (0, left, up, (left + up) // 2, paeth)[kind]) & 255])
        above = row
    header = width.to_bytes(4) + len(rows).to_bytes(4) + b"\x08\x06\x00\x00\x00"
    body = chunk(b"IHDR", header) + chunk(b"tEXt", b"x") + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@given(st.data())
def test_rows_are_read_whatever_their_filter(data: st.DataObject) -> None:
    width, height = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 14))
    rows = [data.draw(st.binary(min_size=width * 4, max_size=width * 4)) for _ in range(height)]
    filters = data.draw(st.lists(st.integers(0, 4), min_size=height, max_size=height))
    image = encoded(rows, filters)
    expected = [[int.from_bytes(row[at : at + 4], "little") for at in range(0, len(row), 4)] for row in rows]
    assert pixels(image) == (width, expected)
    assert shown(sixels(image)) == [list(map(percent, row)) for row in expected]


@pytest.mark.parametrize(
    "image", [b"GIF89a", b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", bytes(8) + b"\x08\x02\x00\x00\x00")]
)
def test_another_image_is_refused(image: bytes) -> None:
    with pytest.raises(ValueError, match="not a"):
        sixels(image)
