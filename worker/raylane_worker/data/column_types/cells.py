"""Makes cells comparable: markers for missing values become null, and spaces around a value go."""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import compute

if TYPE_CHECKING:
    from collections.abc import Sequence

NO_TEXT: pa.Scalar = pa.nulls(1, pa.string())[0]


def text_scalar(text: str) -> pa.Scalar:
    """Returns the text as an Arrow value. `pa.scalar` imports pandas wherever it is installed."""
    data = text.encode()
    offsets = array("i", [0, len(data)])
    return pa.StringArray.from_buffers(1, pa.py_buffer(offsets.tobytes()), pa.py_buffer(data))[0]


def number_scalar(number: int, arrow_type: pa.DataType) -> pa.Scalar:
    """Returns the number as an Arrow value."""
    return text_scalar(str(number)).cast(arrow_type)


class Markers:
    """The words that count as missing values, in every column. Spaces around them do not matter."""

    def __init__(self, words: Sequence[str]) -> None:
        listed = "|".join(re.escape(word.strip()) for word in dict.fromkeys(("", *words)))
        self._pattern = rf"^\s*(?:{listed})\s*$"

    def as_null(self, cells: pa.Array) -> pa.Array:
        """Returns the cells with null for missing values."""
        is_missing = compute.match_substring_regex(cells, self._pattern)
        return compute.if_else(is_missing, NO_TEXT, cells)

    def words(self, cells: pa.Array) -> list[str]:
        """Returns the markers among the cells, without empty cells."""
        found = compute.filter(cells, compute.match_substring_regex(cells, self._pattern))
        return [word.strip() for word in found.to_pylist() if word.strip()]


def trimmed(cells: pa.Array) -> pa.Array:
    """Returns the cells without spaces around them."""
    return compute.utf8_trim_whitespace(cells)
