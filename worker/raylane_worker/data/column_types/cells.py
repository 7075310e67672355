"""Cells of text as Arrow arrays: missing ones, distinct ones, and how to build some.

No function gives Python values to pyarrow: to convert them, pyarrow imports pandas wherever it is installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

from raylane_worker.data.arrow_texts import texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_SAMPLE_CELLS: Final = 1024
_FIRST_CELLS: Final = 32
# Up to this share of distinct values, each is converted once. Finding them costs about as much as one regex.
_FEW: Final = 0.5


def numbers(values: Sequence[float], arrow_type: pa.DataType) -> pa.Array:
    """Returns a few numbers as an Arrow array."""
    return compute.cast(texts([repr(value) for value in values]), arrow_type)


NO_TEXT: Final = pa.nulls(1, pa.string())[0]


def without_markers(cells: pa.StringArray, markers: pa.StringArray) -> pa.StringArray:
    """Returns the cells with null for each one that is a marker of a missing value."""
    found = compute.is_in(cells, value_set=markers)
    return compute.if_else(found, NO_TEXT, cells) if found.true_count else cells


def trimmed(cells: pa.StringArray) -> pa.StringArray:
    """Returns the cells without spaces around them."""
    return compute.utf8_trim_whitespace(cells)


def by_distinct(cells: pa.StringArray, convert: Callable[[pa.StringArray], pa.Array]) -> pa.Array:
    """Returns `convert(cells)`, but converts each distinct value only once if there are few."""
    sample = cells.slice(0, _SAMPLE_CELLS)
    if len(compute.unique(sample)) > _FEW * len(sample):
        return convert(cells)
    encoded = compute.dictionary_encode(cells)
    return convert(encoded.dictionary).take(encoded.indices)


def distinct(cells: pa.StringArray) -> pa.StringArray:
    """Returns the different values of the cells that are not missing."""
    return compute.unique(cells).drop_null()


def cast(cells: pa.StringArray, arrow_type: pa.DataType) -> pa.Array:
    """Returns the values that Arrow reads. Raises `pa.ArrowInvalid` if it cannot read a cell.

    Arrow reads on behind such a cell, and makes an error of each, which takes fifty times as long as a value. So the
    first cells are read alone.
    """
    if len(cells) > _FIRST_CELLS:
        compute.cast(cells.slice(0, _FIRST_CELLS), arrow_type)
    return compute.cast(cells, arrow_type)


def is_any(condition: pa.BooleanArray) -> bool:
    """Returns whether the condition is true for any cell; null is false."""
    return bool(condition.true_count)
