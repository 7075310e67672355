"""Says where a number or a group may surprise, because Ray reads cells differently than people do.

Gives no Python values to pyarrow's functions: to convert them, pyarrow imports pandas wherever it is installed.
"""

from __future__ import annotations

import re
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute
from pyarrow import csv as arrow_csv

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHOWN_CHARACTERS: Final = 100
# What counts as missing, without the empty cell, which surprises nobody. Runs read text with these markers as well as
# numbers; here it stays as it is written, so that they can be told. See docs/decisions/0025.
_MARKERS: Final = f"^({'|'.join(re.escape(word) for word in arrow_csv.ConvertOptions().null_values if word)})$"
_MAX_MARKERS: Final = 5
_ZERO_FIRST: Final = r"^\s*[-+]?0[0-9]"
# A float holds every whole number of up to 15 digits.
_MANY_DIGITS: Final = r"^\s*[-+]?[0-9]{16,}\s*$"


def cell_warnings(table: pa.Table, texts: pa.Table) -> Iterator[str]:
    """Yields the warnings about the cells of a table. `texts` is the same table with numbers as they are written."""
    for name, column, written in zip(table.schema.names, table.columns, texts.columns, strict=True):
        shown = repr(name[:_SHOWN_CHARACTERS])
        if pa.types.is_string(column.type):
            yield from _markers(shown, column)
            yield from _spellings(shown, column)
        elif pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            yield from _zeros(shown, written)
        if pa.types.is_floating(column.type):
            yield from _lost_digits(shown, written)


def _markers(name: str, column: pa.ChunkedArray) -> Iterator[str]:
    """Somebody may mean Namibia by `NA`."""
    counts = Counter(column.filter(compute.match_substring_regex(column, _MARKERS)).to_pylist())
    if found := [f"{word!r} ({count:,})" for word, count in counts.most_common(_MAX_MARKERS)]:
        yield f"in column {name} these words count as missing values: {', '.join(found)}"


def _spellings(name: str, column: pa.ChunkedArray) -> Iterator[str]:
    """Somebody may mean the same by `North`, `north` and `North ` with a space."""
    texts = compute.unique(column.drop_null())
    plain = compute.utf8_lower(compute.utf8_trim_whitespace(texts))
    if len(compute.unique(plain)) == len(plain):
        return
    first: dict[str, str] = {}
    for text, same in zip(texts.to_pylist(), plain.to_pylist(), strict=True):
        other = first.setdefault(same, text)
        if other != text:
            found = " and ".join(repr(one[:_SHOWN_CHARACTERS]) for one in (other, text))
            yield f"in column {name} some texts differ only in case or in spaces around them, such as {found}"
            return


def _zeros(name: str, written: pa.ChunkedArray) -> Iterator[str]:
    """Codes such as postal codes lose the zeros at their beginning, and 02134 becomes the same as 2134."""
    found = written.filter(compute.match_substring_regex(written, _ZERO_FIRST))
    if len(found):
        example = found[0].as_py()[:_SHOWN_CHARACTERS]
        yield f"column {name} is read as numbers, without the zeros at the beginning of cells such as {example!r}"


def _lost_digits(name: str, written: pa.ChunkedArray) -> Iterator[str]:
    """Numbers of more than 64 bits become floats, and many of them the same one."""
    long = compute.unique(written.filter(compute.match_substring_regex(written, _MANY_DIGITS)))
    if example := next((text for text in long.to_pylist() if Decimal(text.strip()) != float(text)), None):
        yield (
            f"column {name} is read as numbers of about 15 digits, so cells such as {example[:_SHOWN_CHARACTERS]!r} "
            "are not exact, and different ones may become the same"
        )
