"""Makes the names of columns unique, and none of them empty; finds the column that a user may mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest
from raylane_common.nearest import NearestNames
from raylane_worker.data.quoted import clipped, quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_MAX_LISTED: Final = 5


def unique_names(names: Sequence[str]) -> list[str]:
    """Returns a name for each column: `column_3` for an empty one, `amount_2` for the second `amount`.

    Spaces around a name are left out, and several within it become one. No new name is that of another column.
    """
    given = [" ".join(name.split()) if name.strip() else "" for name in names]
    taken, found = set(given), set[str]()
    result: list[str] = []
    for place, name in enumerate(given, start=1):
        new = name
        if not name:
            new = _free(f"column_{place}", taken | found, 2, first=f"column_{place}")
        elif name in found:
            new = _free(name, taken | found, 2)
        found.add(new)
        result.append(new)
    return result


def rename_warnings(names: Sequence[str], new_names: Sequence[str]) -> Iterator[str]:
    """Yields a warning that lists the columns that were renamed, other than by leaving out spaces around a name."""
    renamed = [
        f"{new!r} (number {place}, {name!r})" if name.strip() else f"{new!r} (number {place}, without a name)"
        for place, (name, new) in enumerate(zip(names, new_names, strict=True), start=1)
        if " ".join(name.split()) != new
    ]
    if renamed and any(name.strip() for name in names):
        more = " …" if len(renamed) > _MAX_LISTED else ""
        yield f"renamed columns: {', '.join(renamed[:_MAX_LISTED])}{more}"


def check_names(asked: Iterable[str], names: Sequence[str]) -> None:
    """Raises `InvalidRequest` if the user gives a type to a column that does not exist."""
    unknown = min(set(asked) - set(names), default=None)
    if unknown is None:
        return
    if similar := NearestNames(names).find(unknown):
        hint = f"did you mean {_listed(similar)}?"
    else:
        hint = f"it has {_listed(names)}"
    raise InvalidRequest.field(f"reading.types.{clipped(unknown)}", f"the file has no column {quoted(unknown)}; {hint}")


def _listed(names: Sequence[str]) -> str:
    more = " …" if len(names) > _MAX_LISTED else ""
    return ", ".join(quoted(name) for name in names[:_MAX_LISTED]) + more


def _free(name: str, taken: set[str], number: int, *, first: str = "") -> str:
    if first and first not in taken:
        return first
    while f"{name}_{number}" in taken:
        number += 1
    return f"{name}_{number}"
