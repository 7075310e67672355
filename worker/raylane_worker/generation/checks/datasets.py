"""What the methods of Ray's Dataset and GroupedData need and give: columns that they read, and those that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.values import (
    Aggregate,
    Dataset,
    Expression,
    Function,
    Grouped,
    Items,
    Keyed,
    Many,
    Mapping,
    Text,
    Value,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from collections.abc import Mapping as MappingType


@dataclass(frozen=True)
class Arguments:
    """The arguments of a call. `is_complete` is False if a `*` or `**` may bring more of them."""

    positional: Sequence[Value]
    named: MappingType[str, Value]
    is_complete: bool = True

    def has(self, position: int, name: str) -> bool:
        """Returns whether the call surely has the argument at a position, from 0, or with a name."""
        return position < len(self.positional) or name in self.named

    def get(self, position: int, name: str) -> Value:
        """Returns the value of the argument at a position, from 0, or with a name."""
        return self.positional[position] if position < len(self.positional) else self.named.get(name)

    @property
    def values(self) -> Iterator[Value]:
        """All values."""
        yield from self.positional
        yield from self.named.values()

    @property
    def is_empty(self) -> bool:
        """Whether the call surely has no arguments."""
        return self.is_complete and not self.positional and not self.named


@dataclass(frozen=True)
class Effect:
    """What a method needs and gives.

    `reads` are the columns that must exist, of `of` if it is given, else of the object whose method it is; `also` are
    others, with the columns among which they must be. `calls` are functions that get `given`. `is_unbounded` says
    whether the driver gets all rows.
    """

    result: Value = None
    reads: tuple[Text, ...] = ()
    calls: tuple[Function, ...] = ()
    is_unbounded: bool = False
    given: Value = None
    of: Keyed | None = None
    also: tuple[tuple[tuple[Text, ...], frozenset[str]], ...] = ()


# Names of the columns that aggregates make by default: `sum(amount)`.
_AGGREGATE_NAMES: Final = {
    "AbsMax": "abs_max",
    "ApproximateQuantile": "approx_quantile",
    "ApproximateTopK": "approx_topk",
    "AsList": "list",
    "Count": "count",
    "CountDistinct": "count_distinct",
    "Max": "max",
    "Mean": "mean",
    "Min": "min",
    "MissingValuePercentage": "missing_pct",
    "Quantile": "quantile",
    "Std": "std",
    "Sum": "sum",
    "Unique": "unique",
    "ValueCounter": "value_counter",
    "ZeroPercentage": "zero_pct",
}
# The position of `alias_name`, where it is not the third.
_ALIAS_POSITIONS: Final = {
    "ApproximateQuantile": 3,
    "ApproximateTopK": 3,
    "AsList": 1,
    "MissingValuePercentage": 1,
    "Quantile": 3,
    "Std": 3,
    "ValueCounter": 1,
}
# Methods that need no column and keep all columns, and all rows or some of them.
_KEEPING: Final = frozenset({"copy", "materialize", "random_sample", "random_shuffle", "randomize_block_order"})
_STATISTICS: Final = frozenset({"max", "mean", "min", "std", "sum"})


def aggregate(kind: str, arguments: Arguments) -> Aggregate | None:
    """Returns what an aggregate such as `Sum("amount", alias_name="total")` reads and makes; None if unknown."""
    if kind == "AggregateFn":
        name = arguments.get(2, "name")
        return Aggregate(None, name.value if isinstance(name, Text) else None)
    if kind not in _AGGREGATE_NAMES:
        return None
    alias_position = _ALIAS_POSITIONS.get(kind, 2)
    column, alias = arguments.get(0, "on"), arguments.get(alias_position, "alias_name")
    made: str | None = None
    if isinstance(alias, Text):
        made = alias.value
    elif arguments.is_complete and not arguments.has(alias_position, "alias_name"):
        if isinstance(column, Text):
            made = f"{_AGGREGATE_NAMES[kind]}({column.value})"
        elif kind == "Count" and not arguments.has(0, "on"):
            made = "count()"
    return Aggregate(column if isinstance(column, Text) else None, made)


def of_dataset(dataset: Dataset, method: str, arguments: Arguments) -> Effect:
    """Returns what a method of Dataset needs and gives."""
    columns = dataset.columns
    rows = None if columns is None else Keyed(columns)
    first = arguments.positional[0] if arguments.positional else None
    functions = (first,) if isinstance(first, Function) else ()
    match method:
        case "filter":
            condition = arguments.get(1, "expr")
            return Effect(
                dataset, _reads(condition) if isinstance(condition, Expression) else (), functions, given=rows
            )
        case "sort":
            return Effect(dataset, _reads(arguments.get(0, "key")))
        case "repartition":
            return Effect(dataset, _reads(arguments.get(3, "keys")))
        case "unique":
            return Effect(None, _reads(arguments.get(0, "column")))
        case _ if method in _KEEPING:
            return Effect(dataset)
        case "limit":
            return Effect(replace(dataset, is_large=False))
        case "groupby":
            key = arguments.get(0, "key")
            known = texts(key)
            keys = tuple(text.value for text in known) if known else None
            return Effect(Grouped(dataset, keys), _reads(key))
        case _ if method in _STATISTICS:
            return Effect(None, _reads(arguments.get(0, "on")))
        case "aggregate":
            reads, names = _aggregates(arguments)
            return Effect(None if names is None else Keyed(names), reads)
        case "map" | "map_batches" | "flat_map":
            return Effect(Dataset(None, dataset.is_large and method == "map"), (), functions, given=rows)
        case "take" | "iter_rows" | "iter_batches":
            return Effect(Many.of(rows))
        case "take_all":
            return Effect(Many.of(rows), is_unbounded=dataset.is_large and arguments.is_empty)
        case "to_pandas":
            return Effect(rows, is_unbounded=dataset.is_large and arguments.is_empty)
        case "take_batch":
            return Effect(rows)
        case "train_test_split" | "streaming_train_test_split":
            return Effect(Items.of([dataset, dataset]))
        case "split" | "split_at_indices" | "split_proportionately":
            return Effect(Many.of(dataset))
        case _:
            return _with_other_columns(dataset, method, arguments)


def _with_other_columns(dataset: Dataset, method: str, arguments: Arguments) -> Effect:
    """Returns what the methods of Dataset that change the columns need and give."""
    columns = dataset.columns
    reads: tuple[Text, ...] = ()
    made: frozenset[str] | None = None
    calls: tuple[Function, ...] = ()
    match method:
        case "select_columns" | "drop_columns":
            cols = arguments.get(0, "cols")
            reads = _reads(cols)
            named = None if texts(cols) is None else frozenset(text.value for text in reads)
            if named is not None:
                made = named if method == "select_columns" else columns and columns - named
        case "rename_columns":
            match arguments.get(0, "names"):
                case Mapping(items=items):
                    reads = tuple(old for old, _ in items)
                    new = frozenset(name.value for _, name in items if isinstance(name, Text))
                    if columns is not None and len(new) == len(items):
                        made = columns - {old.value for old in reads} | new
                case Items() as names if texts(names) is not None:
                    made = frozenset(text.value for text in _reads(names))
                case _:
                    pass
        case "add_column" | "with_column":
            name = arguments.get(0, "col" if method == "add_column" else "column_name")
            value = arguments.get(1, "fn" if method == "add_column" else "expr")
            reads, calls = _reads(value), (value,) if isinstance(value, Function) else ()
            made = columns | {name.value} if columns is not None and isinstance(name, Text) else None
        case "with_columns":
            mappings = arguments.positional or [arguments.get(0, "exprs")]
            if columns is not None and arguments.is_complete and all(isinstance(one, Mapping) for one in mappings):
                pairs = [pair for one in mappings if isinstance(one, Mapping) for pair in one.items]
                reads = tuple(text for _, expression in pairs for text in _reads(expression))
                made = columns.union(name.value for name, _ in pairs)
        case "union" | "zip" | "mix":
            others = arguments.positional
            known = [one.columns for one in others if isinstance(one, Dataset) and one.columns is not None]
            if columns is not None and arguments.is_complete and len(known) == len(others):
                made = columns.union(*known)
                if method == "zip":
                    made |= {f"{name}_{number}" for name in made for number in range(1, len(known) + 1)}
        case _:
            return Effect()
    rows = None if columns is None else Keyed(columns)
    return Effect(replace(dataset, columns=made), reads, calls, given=rows)


def of_grouped(grouped: Grouped, method: str, arguments: Arguments) -> Effect:
    """Returns what a method of GroupedData needs and gives. Its result is small."""
    columns, keys = grouped.dataset.columns, grouped.keys
    if method == "map_groups":
        first = arguments.get(0, "fn")
        rows = None if columns is None else Keyed(columns)
        return Effect(Dataset(None), (), (first,) if isinstance(first, Function) else (), given=rows)
    if method == "with_column":
        return _with_other_columns(grouped.dataset, method, arguments)
    names: frozenset[str] | None = None
    reads: tuple[Text, ...] = ()
    if method == "count":
        names = frozenset({"count()"})
    elif method in _STATISTICS:
        on = arguments.get(0, "on")
        reads = _reads(on)
        names = frozenset(f"{method}({text.value})" for text in reads) if texts(on) else None
    elif method == "aggregate":
        reads, names = _aggregates(arguments)
    else:
        return Effect()
    made = None if names is None or keys is None or columns is None else names.union(keys)
    return Effect(Dataset(made), reads)


def _reads(value: Value) -> tuple[Text, ...]:
    """Returns the known columns that an argument names, as text or in an expression."""
    match value:
        case Text():
            return (value,)
        case Items(items=items):
            return tuple(text for item in items for text in _reads(item))
        case Expression(columns=columns):
            return tuple(columns)
        case _:
            return ()


def _aggregates(arguments: Arguments) -> tuple[tuple[Text, ...], frozenset[str] | None]:
    """Returns the columns that the aggregates read, and those that they make; None if these are not known."""
    known = [one for one in arguments.positional if isinstance(one, Aggregate)]
    reads = tuple(one.column for one in known if one.column is not None)
    names = [one.name for one in known if one.name is not None]
    is_complete = arguments.is_complete and len(names) == len(arguments.positional)
    return reads, frozenset(names) if is_complete else None
