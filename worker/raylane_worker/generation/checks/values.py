"""What is known of a value of a script without running it: which columns a dataset, a row or a frame has."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, reduce
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ast
    from collections.abc import Iterable, Sequence

    from raylane_worker.generation.checks.scope import Scope

# Values are compared with each other, so they stay small: a few hundred items, or a few lists in lists.
_MAX_SIZE: Final = 500
_NESTED: Final = 20
# Loops over more items are followed once, with what their items have in common.
_MAX_UNROLLED: Final = 20


@dataclass(frozen=True)
class Text:
    """A string, and the literal that it comes from."""

    value: str
    node: ast.expr = field(compare=False)


@dataclass(frozen=True)
class Items:
    """A list, tuple or set of which every item is known. `Items.of` makes one."""

    items: tuple[Value, ...]
    size: int = field(compare=False)

    @classmethod
    def of(cls, items: Sequence[Value]) -> Items | None:
        """Returns the value of these items; nothing if they are too many to compare."""
        size = _NESTED + sum(map(_size, items))
        return cls(tuple(items), size) if size <= _MAX_SIZE else None


@dataclass(frozen=True)
class Mapping:
    """A dictionary of which every key is known. `Mapping.of` makes one."""

    items: tuple[tuple[Text, Value], ...]
    size: int = field(compare=False)

    @classmethod
    def of(cls, items: Sequence[tuple[Text, Value]]) -> Mapping | None:
        """Returns the value of these items; nothing if they are too many to compare."""
        size = _NESTED + sum(1 + _size(value) for _, value in items)
        return cls(tuple(items), size) if size <= _MAX_SIZE else None


@dataclass(frozen=True)
class Many:
    """Any number of items, one like the other, such as the rows of a dataset. `Many.of` makes one."""

    item: Value
    size: int = field(compare=False)

    @classmethod
    def of(cls, item: Value) -> Many | None:
        """Returns the value of items like this one; nothing if it is nested too deeply."""
        size = _NESTED + _size(item)
        return cls(item, size) if size <= _MAX_SIZE else None


@dataclass(frozen=True)
class Expression:
    """An expression of Ray Data, with the columns that it reads."""

    columns: frozenset[Text]


@dataclass(frozen=True)
class Aggregate:
    """An aggregate of Ray Data: the column that it reads and the column that it makes; None if not known."""

    column: Text | None
    name: str | None


@dataclass(frozen=True)
class Dataset:
    """A dataset of Ray Data.

    `columns` is None if they are not known. `is_large` says whether it surely is too large for the driver.
    """

    columns: frozenset[str] | None
    is_large: bool = False


@dataclass(frozen=True)
class Grouped:
    """A dataset that is grouped by the columns `keys`; None if they are not known."""

    dataset: Dataset
    keys: tuple[str, ...] | None


@dataclass(frozen=True)
class Keyed:
    """A row, a batch or a frame: it is indexed by the names of its columns.

    `index` are the names that the index of a frame may have: some methods take them like columns.
    """

    columns: frozenset[str]
    index: frozenset[str] = frozenset()

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of columns and those of the index."""
        return self.columns | self.index if self.index else self.columns


@dataclass(frozen=True)
class FrameGroups:
    """The groups of a frame by the columns `keys`; None if these are not known.

    `selected` are the columns that were chosen from the groups; None if none were. `is_series` says that it was one.
    """

    frame: Keyed
    keys: frozenset[str] | None
    selected: frozenset[str] | None = None
    is_series: bool = False


@dataclass(frozen=True)
class Labelled:
    """A series. `names` are those that it and the levels of its index may have."""

    names: frozenset[str]


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the script, and the scope that encloses it."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope


# None is a value of which nothing is known.
Value = (
    Text
    | Items
    | Mapping
    | Many
    | Expression
    | Aggregate
    | Dataset
    | Grouped
    | Keyed
    | FrameGroups
    | Labelled
    | Function
    | None
)


def _size(value: Value) -> int:
    return value.size if isinstance(value, Items | Mapping | Many) else 1


def join(one: Value, other: Value) -> Value:
    """Returns what is known of a value that is either of two."""
    match one, other:
        case _ if one == other:
            return one
        case Dataset(), Dataset():
            both = None if one.columns is None or other.columns is None else one.columns | other.columns
            return Dataset(both, one.is_large and other.is_large)
        case Keyed(), Keyed():
            return Keyed(one.columns | other.columns, one.index | other.index)
        case Many(), Many():
            return Many.of(join(one.item, other.item))
        case _:
            return None


def join_all(values: Iterable[Value]) -> Value:
    """Returns what is known of a value that is one of several; nothing if there is none."""
    several = list(values)
    return reduce(join, several) if several else None


def items_of(value: Value) -> tuple[Value, ...] | None:
    """Returns the items that a loop over a value takes one by one; None if they are not known, or too many."""
    match value:
        case Items(items=items) if len(items) <= _MAX_UNROLLED:
            return items
        case Mapping(items=pairs) if len(pairs) <= _MAX_UNROLLED:
            return tuple(key for key, _ in pairs)
        case _:
            return None


def item_of(value: Value) -> Value:
    """Returns what is known of each item of a value."""
    match value:
        case Items(items=items):
            return join_all(items)
        case Many(item=item):
            return item
        case FrameGroups(frame=frame, is_series=False):
            return Items.of([None, frame])
        case _:
            return None


def texts(value: Value) -> tuple[Text, ...] | None:
    """Returns the text or texts of a value; None if any of them is not known."""
    match value:
        case Text():
            return (value,)
        case Items(items=items):
            known = tuple(item for item in items if isinstance(item, Text))
            return known if len(known) == len(items) else None
        case _:
            return None
