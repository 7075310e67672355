"""Warns where a number or a group may surprise, because cells are not read as people may expect."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from pyarrow import compute

from raylane_worker.data.column_types.dates import Moments
from raylane_worker.data.quoted import clipped, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pyarrow as pa

    from raylane_worker.data.column_types import Form

# Spreadsheets read 30 as 1930, and 29 as 2029.
_DOUBTFUL_YEAR: Final = "2030"
# Text in a formula keeps its zeros; a narrow column shows no number.
_FORMULA: Final = re.compile(r'="[^"]*"|#{3,}')
_MAX_MARKERS: Final = 5


class MarkerCounts:
    """Counts the words that stand for a missing value in columns of text. Empty cells surprise nobody."""

    def __init__(self, names: Sequence[str], markers: pa.StringArray) -> None:
        self.markers = markers
        self._names = names
        self._counts: dict[int, Counter[str]] = {}

    def see(self, index: int, cells: pa.StringArray, values: pa.StringArray) -> None:
        """Takes the cells of a column into account, of which `values` has those that are not missing."""
        if values.null_count == cells.null_count:
            return
        missing = cells.filter(values.is_null()).drop_null()
        each, counts = compute.value_counts(missing).flatten()
        found = dict(zip(each.to_pylist(), counts.to_pylist(), strict=True))
        self._counts.setdefault(index, Counter()).update({word: count for word, count in found.items() if word.strip()})

    def warnings(self) -> Iterator[str]:
        """Yields a warning for each column. Somebody may mean Namibia by `NA`."""
        for index, counts in sorted(self._counts.items()):
            if found := [f"{word!r} ({count:,})" for word, count in counts.most_common(_MAX_MARKERS)]:
                name = quoted(self._names[index])
                yield f"in column {name} these words count as missing values: {', '.join(found)}"


def spelling_warnings(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    """Yields a warning if texts may mean the same, such as `North`, `north` and `North ` with a space."""
    first: dict[str, str] = {}
    for text in counts:
        other = first.setdefault(text.strip().lower(), text)
        if other != text:
            found = f"{quoted(other)} and {quoted(text)}"
            yield f"in column {quoted(name)} some texts differ only in case or in spaces around them, such as {found}"
            return


def century_warnings(name: str, form: Form | None, greatest: object) -> Iterator[str]:
    """Yields a warning if years of two digits became 2030 to 2068; `greatest` is the last date of the column."""
    if isinstance(form, Moments) and not form.style.long_year and str(greatest) >= _DOUBTFUL_YEAR:
        yield (
            f"column {quoted(name)} has years of two digits: 30 to 68 are read as 2030 to 2068, and its last date is "
            f"{greatest}; if that is wrong, write years with four digits, or use --type {clipped(name)}=string"
        )


def formula_warning(texts: Mapping[str, Iterable[str]]) -> str | None:
    """Returns a warning if texts are what a spreadsheet makes of values. `texts` are those of each column, by name."""
    for name, cells in texts.items():
        found = next((cell for cell in cells if _FORMULA.fullmatch(cell)), None)
        if found is not None:
            return (
                f"cells such as {quoted(found)} in column {quoted(name)} stay as they are: "
                "a spreadsheet wrote a formula, or had no room for the value"
            )
    return None
