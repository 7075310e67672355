"""Says what may surprise in the texts of a column: words that count as missing, and two spellings of one word."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from pyarrow import compute

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_worker.data.column_types.cells import Markers

_SHOWN_CHARACTERS: Final = 100
_MAX_MARKERS: Final = 5
# A column with more different texts holds names or sentences, which are expected to resemble each other.
_MAX_TEXTS: Final = 10_000


class TextHints:
    """Sees the cells of one column of text, batch by batch."""

    def __init__(self, name: str, markers: Markers) -> None:
        self._shown = repr(name[:_SHOWN_CHARACTERS])
        self._markers = markers
        self._words: Counter[str] = Counter()
        self._texts: pa.Array | None = pa.nulls(0, pa.string())

    def observe(self, cells: pa.Array) -> None:
        """Adds cells, as they are written."""
        self._words.update(self._markers.words(cells))
        if self._texts is not None:
            new = compute.unique(self._markers.as_null(cells).drop_null())
            texts = compute.unique(pa.concat_arrays([self._texts, new]))
            self._texts = texts if len(texts) <= _MAX_TEXTS else None

    def warnings(self) -> Iterator[str]:
        """Yields what was found."""
        if found := [f"{word!r} ({count:,})" for word, count in self._words.most_common(_MAX_MARKERS)]:
            yield f"in column {self._shown} these words count as missing values: {', '.join(found)}"
        if self._texts is None:
            return
        plain = compute.utf8_lower(compute.utf8_trim_whitespace(self._texts))
        if len(compute.unique(plain)) == len(plain):
            return
        first: dict[str, str] = {}
        for text, same in zip(self._texts.to_pylist(), plain.to_pylist(), strict=True):
            other = first.setdefault(same, text)
            if other != text:
                pair = " and ".join(repr(one[:_SHOWN_CHARACTERS]) for one in (other, text))
                yield f"in column {self._shown} some texts differ only in case or in spaces around them, such as {pair}"
                return
