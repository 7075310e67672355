"""How the texts of a column look: `Aaa-999` for three letters, one of them a capital, and three digits."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING, Final

from pyarrow import compute

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

_MOST: Final = 3
# A longer text is prose, in which no two look alike.
_LONGEST: Final = 40
# Texts of each batch that are looked at, if there are too many to look at all.
_SAMPLED: Final = 200
_LETTERS: Final = dict.fromkeys(range(65, 91), "A") | dict.fromkeys(range(97, 123), "a")
_TABLE: Final = _LETTERS | dict.fromkeys(range(48, 58), "9")


class Shapes:
    """The forms of the texts of one column, and the length of the longest one."""

    def __init__(self) -> None:
        self.longest = 0
        self._rows = 0
        self._sample: Counter[str] = Counter()

    def see(self, values: pa.StringArray) -> None:
        """Takes texts without null into account."""
        self.longest = max(self.longest, compute.max(compute.utf8_length(values)).as_py())
        self._rows += len(values)
        step = max(1, len(values) // _SAMPLED)
        self._sample.update(_shape(text) for text in values[::step].to_pylist())

    def result(self, counts: Mapping[str, int] | None) -> list[tuple[str, int]]:
        """Returns the most frequent forms and how many texts have them.

        `counts` has all texts, if there are few; otherwise the numbers are estimated from a sample.
        """
        found, scale = self._sample, self._rows / max(1, self._sample.total())
        if counts is not None:
            found, scale = Counter(), 1.0
            for text, count in counts.items():
                found[_shape(text)] += count
        found.pop("", None)
        return [(shape, round(count * scale)) for shape, count in found.most_common(_MOST)]


def _shape(text: str) -> str:
    """Returns the form of a text; '' for a long one."""
    if len(text) > _LONGEST:
        return ""
    if text.isascii():
        return text.translate(_TABLE)
    return "".join(map(_class, text))


def _class(character: str) -> str:
    if character.isupper():
        return "A"
    # Marks are parts of letters, as vowels in Hindi.
    kind = unicodedata.category(character)[0]
    return {"L": "a", "M": "a", "N": "9"}.get(kind, character)
