"""Says where a number or a group may surprise, because cells are read differently than people may expect."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from pyarrow import compute

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import pyarrow as pa

_SHOWN_CHARACTERS: Final = 100
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
                name = repr(self._names[index][:_SHOWN_CHARACTERS])
                yield f"in column {name} these words count as missing values: {', '.join(found)}"


def spelling_warnings(name: str, counts: Mapping[str, int]) -> Iterator[str]:
    """Yields a warning if texts may mean the same, such as `North`, `north` and `North ` with a space."""
    first: dict[str, str] = {}
    for text in counts:
        other = first.setdefault(text.strip().lower(), text)
        if other != text:
            found = " and ".join(repr(one[:_SHOWN_CHARACTERS]) for one in (other, text))
            shown = repr(name[:_SHOWN_CHARACTERS])
            yield f"in column {shown} some texts differ only in case or in spaces around them, such as {found}"
            return
