"""Cases of one column: its cells as they are written, and what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.corpus.files.dialect import Dialect, Quoting
from tests.corpus.files.model import Case, Typed, ints

if TYPE_CHECKING:
    from collections.abc import Sequence


def column(name: str, cells: Sequence[str], expected: Typed, *, delimiter: str = ",", **more: Any) -> Case:
    """A file with row numbers and one column `x`."""
    rows = [["id", "x"], *([str(i), cell] for i, cell in enumerate(cells, 1))]
    table = {"id": ints(*range(1, len(cells) + 1)), "x": expected}
    return Case(name, Dialect(delimiter, quoting=Quoting.NEEDED).write(rows), table, **more)
