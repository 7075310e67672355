"""Files that people have, made by code, each with the table that a user expects. `python -m tests.corpus.files`."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

from tests.corpus.files import (
    columnar,
    delimiters,
    encodings,
    headers,
    json_files,
    late,
    missing,
    numbers,
    packed,
    refusals,
    special,
    times,
    workbooks,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.files.model import Case

GROUPS: Final = {
    "delimiters": delimiters.cases,
    "encodings": encodings.cases,
    "headers": headers.cases,
    "missing values": missing.cases,
    "numbers": numbers.cases,
    "dates and times": times.cases,
    "late types": late.cases,
    "compression": packed.cases,
    "workbooks": workbooks.cases,
    "JSON": json_files.cases,
    "Parquet and Arrow": columnar.cases,
    "no tables": refusals.cases,
    "one by one": special.cases,
}


def cases() -> Iterator[tuple[str, Case]]:
    """Yields all cases with the name of their group."""
    for group, found in GROUPS.items():
        for case in found():
            yield group, case


def quick_cases(group: str) -> Iterator[Case]:
    """Yields one in four of the group's quick cases; of large files only the first."""
    found = (case for case in GROUPS[group]() if case.quick)
    return islice(found, 1) if group == "late types" else islice(found, 0, None, 4)
