"""Parses the table that generated code prints."""

from __future__ import annotations

import re


def table(output: str) -> list[list[str]]:
    """Returns the cells of the first table, row by row, without its header."""
    match = re.search(r"^ *-+(?:-\+-+)*\n(.*?)^ *\(\d+ rows?(?:; null: no value)?\)$", output, re.MULTILINE | re.DOTALL)
    assert match is not None, f"no table in {output!r}"
    return [[cell.strip() for cell in line.split(" | ")] for line in match.group(1).splitlines()]
