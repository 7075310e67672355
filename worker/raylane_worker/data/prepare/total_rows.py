"""Says where a row may be the sum of other rows, which would count twice."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from raylane_common.wire.sources import ColumnProfile

_SHOWN_CHARACTERS: Final = 100
# Sums of fewer rows are often one of their values.
_MIN_ROWS: Final = 3
# In the languages whose spreadsheets people upload most.
_TOTAL: Final = re.compile(
    r"((grand|sub|running)?[ -]?totals?|sums?|(gesamt|zwischen)?summe|gesamt|insgesamt|total général|sous-total|somme|"
    r"totale|subtotale|total general|suma|soma|razem|totaal|totalt|summa|celkem|toplam|итого|всего|"
    r"合計|小計|总计|合计|小计|합계|소계|(opening|closing|beginning|ending) balance|(anfangs|end)saldo)\s*(:.*)?",
    re.IGNORECASE,
)


def total_warning(texts: Mapping[str, Iterable[str]]) -> str | None:
    """Returns a warning if a text says that its row is a sum. `texts` are those of each column, by name."""
    for name, cells in texts.items():
        found = next((cell for cell in cells if _TOTAL.fullmatch(cell.strip())), None)
        if found is not None:
            return (
                f"{found[:_SHOWN_CHARACTERS]!r} in column {name[:_SHOWN_CHARACTERS]!r} seems to mean that its row is "
                "the sum of other rows, which would count twice"
            )
    return None


def last_row_warning(
    last_rows: pa.RecordBatch | None, profiles: Sequence[ColumnProfile | None], rows: int
) -> str | None:
    """Returns a warning if the last row has the sums of all numbers above it, and no text in one column.

    `last_rows` are a few of the table, and `rows` says how many it has.
    """
    if last_rows is None or rows <= _MIN_ROWS:
        return None
    values = [(column[len(column) - 1], profile) for column, profile in zip(last_rows.columns, profiles, strict=True)]
    lacks_text = any(pa.types.is_string(value.type) and not value.is_valid for value, _ in values)
    sums = [
        (float(value.as_py()), profile.mean * (rows - profile.nulls))
        for value, profile in values
        if value.is_valid and profile is not None and profile.mean is not None
    ]
    is_sum = any(value for value, _ in sums) and all(math.isclose(total, 2 * value) for value, total in sums)
    if not lacks_text or not is_sum:
        return None
    return f"row {rows:,}, the last one, seems to be the sum of the rows above, which would count twice"
