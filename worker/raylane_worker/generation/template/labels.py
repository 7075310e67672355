"""The names in a script: those of the measures in a result, and the variable that holds the source."""

from __future__ import annotations

import builtins
import keyword
import re
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import TableSource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.wire.sources import Source
    from raylane_worker.generation.template.question import Measure

# The names that scripts use themselves.
_WORDS: Final = """
aggregates answer col counts date datetime decimal found groups is_part label lit name names note_missing_words numbers
pa pc pd ray read require_text result rows statistics table text time times types value
"""
_TAKEN: Final = frozenset(_WORDS.split())
_MAX_CHARACTERS: Final = 30


def measure_labels(measures: Iterable[Measure], taken: Iterable[str]) -> list[str]:
    """Returns a distinct name for each measure in the result, different from those that are taken."""
    used, found = set(taken), []
    for measure in measures:
        label, number = measure.label, 2
        while label in used:
            label, number = f"{measure.label}_{number}", number + 1
        used.add(label)
        found.append(label)
    return found


def variable_name(source: Source) -> str:
    """Returns a name for the variable that holds the source: that of the file or table, if Python allows it."""
    name = source.table if isinstance(source, TableSource) else source.filename.partition(".")[0]
    found = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:_MAX_CHARACTERS].strip("_")
    usable = found.isidentifier() and not (keyword.iskeyword(found) or keyword.issoftkeyword(found))
    return found if usable and found not in _TAKEN and not hasattr(builtins, found) else "data"
