"""Numbers, and texts that look like numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.sources import ColumnType
from tests.corpus.files.columns import column
from tests.corpus.files.model import Answers, Case, bools, ints, nums, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

# Codes and ids, which keep every character.
_TEXTS: Final = {
    "leading zeros": ["00501", "02134", "00501"],
    "one leading zero among numbers": ["501", "2134", "0501"],
    "hexadecimal": ["0xFF", "0x10", "255"],
    "leading plus": ["+4915112345", "+4930123", "+41791"],
    "codes like 1E5": ["1E5", "2E7", "3A1"],
    "only codes like 1E5": ["1E5", "2E7", "3E9"],
    "codes like 1e5 among whole numbers": ["1e5", "20", "30"],
    "20 digits": ["12345678901234567890", "12345678901234567891", "1"],
    "19 digits beyond 64 bits": ["9223372036854775808", "1", "2"],
    "40 digits": ["1234567890123456789012345678901234567890", "1234567890123456789012345678901234567891"],
    "numbers and words": ["1", "2", "many"],
    "versions": ["1.10", "1.9.1", "2.0"],
    "addresses": ["10.0.0.1", "192.168.1.10"],
    "phone numbers": ["030 1234567", "089 7654321"],
    "phone numbers with dashes": ["555-1234", "555-9876"],
    "ranges": ["1-5", "6-10"],
    "fractions": ["1/2", "3/4"],
    "underscores": ["1_000", "2_000"],
    "full-width digits": ["１２", "３４"],
    "arabic digits": ["١٢", "٣٤"],
    "superscripts": ["10²", "20"],
    "units": ["5kg", "7kg"],
    "binary": ["0b101", "0b11"],
    "octal": ["0o17", "0o20"],
    "trailing letters": ["10L", "20L"],
    "trailing f": ["1.5f", "2.5f"],
    "two minus signs": ["--5", "7"],
    "minus in the middle": ["5-3", "7"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "00000000-0000-0000-0000-000000000000"],
    "only zeros": ["000", "0000"],
    "isbn": ["9783161484100", "978-3-16-148410-0"],
    "card numbers": ["4111 1111 1111 1111", "5500 0000 0000 0004"],
    "excel's protected zeros": ['="00501"', '="02134"'],
    "hex without 0x": ["1e10", "2e5", "ab3"],
    "mixed currencies": ["$5", "€6"],
    "percent and plain": ["5%", "6"],
}
_NUMBERS: Final = {
    "fractions": (["1.5", "2.25", "-3.125"], nums(1.5, 2.25, -3.125)),
    "fractions and whole numbers": (["1", "2.5", "3"], nums(1, 2.5, 3)),
    "no digit before the point": ([".5", "-.25", "1.0"], nums(0.5, -0.25, 1)),
    "no digit after the point": (["5.", "6.5"], nums(5, 6.5)),
    "leading zeros before the point": (["0.5", "0.05", "10.5"], nums(0.5, 0.05, 10.5)),
    "exponents with a point": (["1.5E3", "2.0e-2", "3.25E+1"], nums(1500, 0.02, 32.5)),
    "exponents with a sign": (["1E+05", "2E-03"], nums(1e5, 2e-3)),
    "exponents among fractions": (["1e5", "2.5", "3.75"], nums(1e5, 2.5, 3.75)),
    "negative zero": (["-0.0", "0.0", "1.5"], nums(0, 0, 1.5)),
    "very small": (["5e-324", "1.7976931348623157e308"], nums(5e-324, 1.7976931348623157e308)),
    "sixteen digits": (["0.1234567890123456", "123456.7890123456"], nums(0.1234567890123456, 123456.7890123456)),
    "amounts of thousands": (["1,234.50", "12,345.00", "7.25"], nums(1234.5, 12345, 7.25)),
    "millions": (["1,234,567.5", "1.5"], nums(1234567.5, 1.5)),
    "dollars": (["$1,234.50", "$7.25", "$0.99"], nums(1234.5, 7.25, 0.99)),
    "negative dollars": (["-$5.50", "$7.25"], nums(-5.5, 7.25)),
    "dollars, minus after the sign": (["$-5.50", "$7.25"], nums(-5.5, 7.25)),
    "euros after the number": (["1.50 €", "2.75 €"], nums(1.5, 2.75)),
    "pounds": (["£1.50", "£2.75"], nums(1.5, 2.75)),
    "parentheses": (["(1,234.50)", "99.25", "(0.5)"], nums(-1234.5, 99.25, -0.5)),
    "dollars in parentheses": (["($5.50)", "$7.25"], nums(-5.5, 7.25)),
}
_INTEGERS: Final = {
    "whole numbers": (["1", "-2", "0"], ints(1, -2, 0)),
    "the largest": (["9223372036854775807", "-9223372036854775808"], ints(2**63 - 1, -(2**63))),
    "18 digits": (["123456789012345678", "123456789012345679"], ints(123456789012345678, 123456789012345679)),
    "thousands": (["1,234", "12,345,678", "7"], ints(1234, 12345678, 7)),
    "dots as thousands": (["1.234.567", "12"], ints(1234567, 12)),
    "negative thousands": (["-1,234", "5,678"], ints(-1234, 5678)),
    "parentheses": (["(1,234)", "99", "(7)"], ints(-1234, 99, -7)),
    "whole dollars": (["$1,234", "$7"], ints(1234, 7)),
    "negative zero": (["-0", "1"], ints(0, 1)),
    "years": (["2019", "2020", "2021"], ints(2019, 2020, 2021)),
    "zeros and ones": (["0", "1", "1"], ints(0, 1, 1)),
}


def cases() -> Iterator[Case]:
    """Yields the cases."""
    for name, cells in _TEXTS.items():
        yield column(f"text: {name}", cells, texts(*cells), because="a number would lose what is written")
    for name, (cells, expected) in (_NUMBERS | {f"whole {key}": value for key, value in _INTEGERS.items()}).items():
        yield column(f"number: {name}", cells, expected)
        padded = [*cells, "", "NA"]
        more = type(expected)(expected.type, [*expected.cells, None, None])
        yield column(f"number with missing: {name}", padded, more, quick=False)
        plain = all(cell.lstrip("-").replace(".", "").isdigit() for cell in cells)
        tabs = "\t" if plain else ";"
        if not any("," in cell and "." not in cell for cell in cells):
            yield column(f"number, other delimiter: {name}", cells, expected, delimiter=tabs, quick=False)
    yield from _german()
    yield from _stated()
    yield from _by_hand()


def _german() -> Iterator[Case]:
    semicolon = ";"
    german = {
        "decimal commas": (["1,5", "2,75", "-3"], nums(1.5, 2.75, -3)),
        # pandas writes them so with decimal=",".
        "exponents after a comma": (["1,5E3", "2,5", "2,5e-13"], nums(1500, 2.5, 2.5e-13)),
        "dots and commas": (["1.234,50", "12.345.678,25", "7,5"], nums(1234.5, 12345678.25, 7.5)),
        "euros": (["1.234,50 €", "7,25 €"], nums(1234.5, 7.25)),
        "euros before": (["€ 1.234,50", "€ 7,25"], nums(1234.5, 7.25)),
        "dots where others have commas": (["1.234", "7,5"], nums(1234, 7.5)),
        "spaces as thousands": (["1 234,50", "7,25"], nums(1234.5, 7.25)),
        "no-break spaces as thousands": (["1\xa0234,50", "7,25"], nums(1234.5, 7.25)),
        "thin spaces as thousands": (["1\u202f234,50", "7,25"], nums(1234.5, 7.25)),
        "apostrophes as thousands": (["1'234.50", "7.25"], nums(1234.5, 7.25)),
    }
    for name, (cells, expected) in german.items():
        yield column(f"german: {name}", cells, expected, delimiter=semicolon)
        yield column(f"german, tabs: {name}", cells, expected, delimiter="\t", quick=False)
        yield column(f"german in quotes: {name}", cells, expected, quick=False)


def _stated() -> Iterator[Case]:
    types = ColumnType
    for kind, cells, expected in (
        (types.STRING, ["1", "2"], texts("1", "2")),
        (types.STRING, ["1.50", "2.00"], texts("1.50", "2.00")),
        (types.STRING, ["true", "false"], texts("true", "false")),
        (types.STRING, ["2024-01-05", "2024-01-06"], texts("2024-01-05", "2024-01-06")),
        (types.STRING, ["$1", "$2"], texts("$1", "$2")),
        (types.INTEGER, ["007", "012"], ints(7, 12)),
        (types.INTEGER, ["+7", "-12"], ints(7, -12)),
        (types.NUMBER, ["1", "2"], nums(1, 2)),
        (types.NUMBER, ["1E5", "2E3"], nums(1e5, 2e3)),
        (types.NUMBER, ["007.5", "1"], nums(7.5, 1)),
        (types.BOOLEAN, ["0", "1"], bools(False, True)),
    ):
        said = ReadingOptions(types={"x": kind})
        yield column(f"type {kind} is stated for {cells[0]}", cells, expected, options=said)


def _by_hand() -> Iterator[Case]:
    zips = b"zip,n\n00501,1\n02134,2\n00501,4\n"
    yield Case(
        "zip codes",
        zips,
        {"zip": texts("00501", "02134", "00501"), "n": ints(1, 2, 4)},
        answers=Answers(3, 7, {"00501": (2, 5), "02134": (1, 2)}),
    )
    yield Case(
        "hexadecimal codes",
        b"code,n\n0xFF,1\n0x10,2\n255,4\n",
        {"code": texts("0xFF", "0x10", "255"), "n": ints(1, 2, 4)},
        answers=Answers(3, 7, {"0xFF": (1, 1), "0x10": (1, 2), "255": (1, 4)}),
    )
    yield Case(
        "protected zeros of Excel as Excel writes them",
        b'zip,n\n="00501",1\n="02134",2\n',
        {"zip": texts('="00501"', '="02134"'), "n": ints(1, 2)},
        because="the formula is what the file holds; no digit is lost",
    )
