"""Reports the columns that a script names although its data surely does not have them."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from raylane_common.nearest import NearestNames
from raylane_worker.generation.checks.script import finding_at, quote
from raylane_worker.generation.columns import columns_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.generate import Finding
    from raylane_common.wire.sources import Source
    from raylane_worker.generation.checks.found import MissingColumn

# A wide table has hundreds of columns; the nearest names are listed separately.
_MAX_LISTED_COLUMNS: Final = 20
# A script with more findings has to be rewritten anyway. Each may be about other columns, and has its own hint.
_MAX_FINDINGS: Final = 10


def check_columns(missing: Sequence[MissingColumn], sources: Sequence[Source]) -> Iterator[Finding]:
    """Yields a finding for each name of a column that does not exist. `sources` are those that the script reads."""
    known = [(source.name, frozenset(column.name for column in columns_of(source))) for source in sources]
    seen: set[tuple[int, str]] = set()

    @cache
    def about(columns: frozenset[str]) -> tuple[NearestNames, str]:
        names = sorted(columns)
        shown = ", ".join(map(quote, names[:_MAX_LISTED_COLUMNS])) or "none"
        return NearestNames(names), f"{shown}{' …' if len(names) > _MAX_LISTED_COLUMNS else ''}"

    for one in missing:
        name, node = one.text.value, one.text.node
        if (node.lineno, name) in seen:
            continue
        if len(seen) == _MAX_FINDINGS:
            break
        seen.add((node.lineno, name))
        nearest, listed = about(one.columns)
        likely = nearest.find(name)
        hint = f"the nearest are {', '.join(map(quote, likely))}; " if likely else ""
        place = next((f"in {quote(source)}" for source, columns in known if columns == one.columns), "here")
        if place == "here" and any(name in columns for _, columns in known):
            place = "here any more"
        message = f"there is no column {quote(name)} {place}; {hint}the columns are {listed}"
        yield finding_at("unknown_column", node, message)
