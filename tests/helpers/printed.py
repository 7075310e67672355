"""Parses the table that generated code prints."""

from __future__ import annotations

import math
import re

import pytest


def table(output: str) -> list[list[str]]:
    """Returns the cells of the first table, row by row, without its header."""
    match = re.search(r"^ *-+(?:-\+-+)*\n(.*?)^ *\(\d+ rows?(?:; null: no value)?\)$", output, re.MULTILINE | re.DOTALL)
    assert match is not None, f"no table in {output!r}"
    return [[cell.strip() for cell in line.split(" | ")] for line in match.group(1).splitlines()]


def alike(one: str, other: str) -> bool:
    """Returns whether two outputs show the same table. Ray adds numbers in any order, so the last digits may differ."""
    rows, others = table(one), table(other)
    return len(rows) == len(others) and all(
        len(row) == len(those) and all(map(_is_close, row, those)) for row, those in zip(rows, others, strict=True)
    )


def same(printed: str, expected: object) -> bool:
    """Returns whether a printed cell has the expected value; a float to 5 digits, a larger whole number exactly."""
    if expected is None or expected != expected or printed == "null":
        return printed == "null" and (expected is None or expected != expected)
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        if isinstance(expected, int) and abs(expected) > 2**53:
            return int(printed) == expected
        return float(printed) == pytest.approx(float(expected), rel=1e-5, abs=1e-6)
    return printed == str(expected)


def _is_close(cell: str, other: str) -> bool:
    try:
        return cell == other or math.isclose(float(cell), float(other), rel_tol=1e-9)
    except ValueError:
        return False
