"""`require_text`: explains a text that no row has, so that no rows never look like an answer because of a spelling."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from unicodedata import normalize

from .answer import answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pyarrow as pa

_MAX_NAMED: Final = 5
_MAX_CHARACTERS: Final = 80
_SAME, _SIMILAR, _OTHER = "same", "similar", "other"


def require_text(data: Any, column: str, *texts: str, contains: bool = False) -> None:
    """Ends the script without an answer if `data`, a frame or a dataset, has no row with one of the texts in `column`.

    A note then names values that are spelled similarly, or others. A note also names such values beside a text that
    there is. `contains` says that a text may be a part of a value. Raises `KeyError` if there is no such column.
    """
    found: dict[tuple[int, str], set[str]] = {}
    for number, kind, text in _found(data, column, texts, contains=contains):
        found.setdefault((number, kind), set()).add(text)
    unknown = False
    for number, wanted in enumerate(texts):
        similar, other = (sorted(found.get((number, kind), ()))[:_MAX_NAMED] for kind in (_SIMILAR, _OTHER))
        said = ", ".join(_quoted(text, wanted) for text in similar or other)
        if (number, _SAME) not in found:
            compared = f"{'contains' if contains else 'is'} {wanted!r}"
            others = f"it has values such as {said}." if said else "it is empty."
            answer.note(f"No value of {column!r} {compared}; {f'did you mean {said}?' if similar else others}")
            unknown = True
        elif similar:
            answer.note(f"{column!r} also has {said}, spelled differently from {wanted!r}.")
    if unknown:
        sys.exit()


def _quoted(text: str, wanted: str) -> str:
    """Returns the value as a literal; with escapes if it looks like the wanted one, as an accent of its own does."""
    looks_alike = normalize("NFKC", text) == normalize("NFKC", wanted)
    return (ascii if looks_alike else repr)(text[:_MAX_CHARACTERS])


def _found(data: Any, column: str, texts: Sequence[str], *, contains: bool) -> Iterable[tuple[int, str, str]]:
    """Yields the number of a text, how a value relates to it, and the value: at most 5 of each in a block."""
    import pyarrow as pa

    look = partial(_look, texts=texts, contains=contains)
    if not hasattr(data, "map_batches"):
        values = data[column].dropna().unique()
        return _rows(look(pa.table({column: pa.array(map(str, values), pa.string())}), column=column))
    if column not in data.columns():
        raise KeyError(column)
    blocks = data.select_columns([column]).map_batches(
        partial(look, column=column), batch_format="pyarrow", batch_size=None
    )
    return ((row["number"], row["kind"], row["text"]) for row in blocks.iter_rows())


def _rows(table: pa.Table) -> Iterable[tuple[int, str, str]]:
    return zip(*table.to_pydict().values(), strict=True)


def _look(table: pa.Table, *, column: str, texts: Sequence[str], contains: bool) -> pa.Table:
    """Finds the texts in one block, with values that are spelled similarly and a few others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = pc.drop_null(pc.unique(table[column].cast(pa.string())))
    letters = _letters(values)
    compare = pc.match_substring if contains else pc.equal
    found: list[tuple[int, str, str]] = []
    for number, wanted in enumerate(texts):
        own = _letters(pa.array([wanted], pa.string()))[0].as_py()
        same = compare(values, wanted)
        similar = pc.and_not(compare(letters, own), same) if own else pc.and_not(same, same)
        other = pc.invert(pc.or_(same, similar))
        for kind, chosen in ((_SAME, same), (_SIMILAR, similar), (_OTHER, other)):
            found += [(number, kind, text) for text in values.filter(chosen)[:_MAX_NAMED].to_pylist()]
    numbers, kinds, named = zip(*found, strict=True) if found else ((), (), ())
    return pa.table(
        {
            "number": pa.array(numbers, pa.int64()),
            "kind": pa.array(kinds, pa.string()),
            "text": pa.array(named, pa.string()),
        }
    )


def _letters(texts: pa.Array) -> pa.Array:
    """Returns the texts in lower case, without spaces and signs. An accent of its own belongs to its letter."""
    import pyarrow.compute as pc

    composed = pc.utf8_normalize(texts, form="NFKC")
    return pc.replace_substring_regex(pc.utf8_lower(composed), pattern=r"[^\pL\pN]", replacement="")
