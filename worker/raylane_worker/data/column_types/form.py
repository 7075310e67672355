"""A form: one way in which all cells of a column may be written."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa
from pyarrow import compute

if TYPE_CHECKING:
    from collections.abc import Callable

    from raylane_common.wire.names import ColumnType


@dataclass(frozen=True)
class Form:
    """What cells look like, and how they become values.

    A column has this form if all its cells match `pattern` in full and `convert` accepts them; `convert` raises
    `pa.ArrowInvalid` for a cell that only looks right, such as 2024-02-30. `written` describes the form for people;
    it is '' if every reader would read it alike. `mark` is what forms of the same type may differ in: the decimal mark,
    or the order of day and month.
    """

    type: ColumnType
    pattern: str
    convert: Callable[[pa.Array], pa.Array] = field(compare=False)
    written: str = ""
    mark: str = ""

    def may_fit(self, cells: list[str]) -> bool:
        """Returns whether a few cells look right. Cheap, to leave out most forms at once."""
        return all(re.fullmatch(self.pattern, cell) for cell in cells)

    def fits(self, cells: pa.Array) -> bool:
        """Returns whether all cells have this form; missing ones do."""
        looks = compute.all(compute.match_substring_regex(cells, f"^(?:{self.pattern})$"), min_count=0).as_py()
        if not looks:
            return False
        try:
            self.convert(cells)
        except pa.ArrowInvalid:
            return False
        return True

    def first_misfit(self, cells: pa.Array) -> int | None:
        """Returns the place of the first cell that does not have this form; None if all have it."""
        looks = compute.match_substring_regex(cells, f"^(?:{self.pattern})$")
        if (place := next((index for index, fits in enumerate(looks) if fits.as_py() is False), None)) is not None:
            return place
        return next((index for index in range(len(cells)) if not self.fits(cells.slice(index, 1))), None)
