"""Years as the names of columns: `country,2019,2020`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

YEAR: Final = re.compile(r"\s*(1[89]|20|21)[0-9]{2}\s*")


def are_names(numbers: Sequence[str], width: int) -> bool:
    """Returns whether the numbers in a row of this many cells are different years, next to other names."""
    are_years = all(map(YEAR.fullmatch, numbers)) and len(set(numbers)) == len(numbers)
    return are_years and 1 < len(numbers) < width
