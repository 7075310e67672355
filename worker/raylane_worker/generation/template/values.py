"""Writes values as code."""

from __future__ import annotations

from ctypes import c_float
from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.wire.sources import Column


def quoted(text: str) -> str:
    """Returns the text as code, between double quotes if it has none."""
    written = repr(text)
    return written if '"' in written else f'"{written[1:-1]}"'


def listed(texts: Iterable[str]) -> str:
    """Returns a list of the texts as code."""
    return f"[{', '.join(map(quoted, texts))}]"


def one_or_list(texts: Iterable[str]) -> str:
    """Returns the only text as code, or a list of them."""
    found = [*texts]
    return quoted(found[0]) if len(found) == 1 else listed(found)


def nearest_float(number: float, column: Column) -> int | float:
    """Returns the number as the column holds it: 0.1 is another one in 32 bits. A whole one stays as it is written."""
    exact = float(number)
    nearest = c_float(exact).value if column.native_type == "float" else exact
    nearest = nearest if isfinite(nearest) else exact
    return int(nearest) if isinstance(number, int) and int(nearest) == number else nearest
