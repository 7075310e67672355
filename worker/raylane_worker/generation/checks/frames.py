"""What pandas' methods of frames, groups and series need and give: the columns that they read and those that they make.

The columns of a result are all that it may have, and names of its index are among them. So a column that is not there
surely is missing, and one that is there may be. See docs/decisions/0038.
"""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.allowed.listing import listed
from raylane_worker.generation.checks.datasets import Effect
from raylane_worker.generation.checks.values import (
    FrameGroups,
    Function,
    Items,
    Keyed,
    Labelled,
    Many,
    Mapping,
    Text,
    Value,
    texts,
)

if TYPE_CHECKING:
    from raylane_worker.generation.checks.datasets import Arguments

# Methods that need no column. Their result has the same columns, or some of them.
_KEEPING: Final = listed(
    """
    abs asfreq astype bfill clip convert_dtypes copy cummax cummin cumsum diff drop_duplicates dropna ffill fillna
    filter head infer_objects interpolate isin isna isnull map mask nlargest notna notnull nsmallest pct_change rank
    replace round sample select_dtypes sort_index sort_values tail to_pandas truncate where
    """
)
# Those that read columns, with the position and the name of the argument that names them.
_READING: Final = {
    "drop_duplicates": (0, "subset"),
    "dropna": (None, "subset"),
    "duplicated": (0, "subset"),
    "explode": (0, "column"),
    "nlargest": (1, "columns"),
    "nsmallest": (1, "columns"),
    "set_index": (0, "keys"),
    "sort_values": (0, "by"),
    "value_counts": (0, "subset"),
}
_STATISTICS: Final = listed(
    "all any count first last max mean median min nunique prod quantile sem skew std sum var idxmax idxmin"
)
# Methods of groups that give rows of the frame.
_ROWS_OF_GROUPS: Final = listed("head nth sample tail")
# The columns that counting values makes.
_COUNTS: Final = frozenset({"count", "proportion"})
# Names that pandas or the kit give to what has none.
_UNNAMED: Final = frozenset({"index", "size", "value"})
_SUFFIXES: Final = ("_x", "_y")
# What masks are made of: comparisons, and methods that give a boolean for each row.
_MASKS: Final = listed("between contains duplicated endswith fullmatch isin isna isnull match notna notnull startswith")


def of_frame(frame: Keyed, method: str, arguments: Arguments, call: ast.Call) -> Effect:
    """Returns what a method of a frame needs and gives. The functions that it calls get its `given`."""
    columns, first = frame.columns, arguments.positional[0] if arguments.positional else None
    reads: tuple[Text, ...] = ()
    if method in _READING:
        position, name = _READING[method]
        reads = texts(arguments.named.get(name) if position is None else arguments.get(position, name)) or ()
    if method in _KEEPING:
        return Effect(frame, reads)
    match method:
        case "set_index":
            return Effect(replace(frame, index=frame.index.union(text.value for text in reads)), reads)
        case "reset_index" | "describe":
            is_known = not {"level", "name", "names"} & arguments.named.keys() and arguments.is_complete
            return Effect(Keyed(frame.names | {"index", "level_0"}) if is_known else None)
        case "assign":
            made = replace(frame, columns=columns.union(arguments.named)) if arguments.is_complete else None
            functions = tuple(one for one in arguments.named.values() if isinstance(one, Function))
            return Effect(made, (), functions if made else (), given=made)
        case "rename":
            return Effect(_renamed(frame, arguments))
        case "drop":
            named = texts(arguments.named.get("columns")) or ()
            kept = columns.difference(text.value for text in named)
            return Effect(replace(frame, columns=kept), () if "errors" in arguments.named else named)
        case "groupby":
            by = arguments.get(0, "by")
            known = texts(by)
            is_by_level = "level" in arguments.named
            keys = None if known is None or is_by_level else frozenset(text.value for text in known)
            return Effect(FrameGroups(frame, keys), known or ())
        case "resample":
            on = texts(arguments.named.get("on"))
            # Without a column, the groups are those of the index, which may have the name of any column that was one.
            keys = frozenset(text.value for text in on) if on else frame.names | {"index"}
            return Effect(FrameGroups(frame, keys), on or ())
        case "merge" | "join":
            other = arguments.get(0, "right" if method == "merge" else "other")
            return _merged(frame, other, arguments, first=1, is_join=method == "join")
        case "melt":
            return _melted(arguments, first=0)
        case "pivot" | "pivot_table":
            return Effect(None, _pivoted(arguments))
        case "explode":
            return Effect(frame, reads)
        case "duplicated":
            return Effect(None, reads)
        case "value_counts":
            return Effect(Labelled(columns | _COUNTS), reads)
        case "agg" | "aggregate":
            return Effect(None, tuple(name for name, _ in first.items) if isinstance(first, Mapping) else ())
        case "apply" if isinstance(first, Function) and _is_by_row(call):
            return Effect(None, (), (first,), given=frame)
        case "iterrows":
            return Effect(Many.of(Items.of([None, frame])))
        case "to_dict" if isinstance(first, Text) and first.value == "records":
            return Effect(Many.of(frame))
        case _:
            return Effect()


def of_groups(groups: FrameGroups, method: str, arguments: Arguments) -> Effect:
    """Returns what a method of groups of a frame needs and gives."""
    first = arguments.positional[0] if arguments.positional else None
    if method in _STATISTICS:
        return Effect(_of_each(groups))
    match method:
        case "size":
            return Effect(_series(groups, _UNNAMED))
        case "value_counts":
            named = groups.frame.names if groups.selected is None else groups.selected
            return Effect(_series(groups, named | _COUNTS))
        case "agg" | "aggregate":
            return _aggregated(groups, first, arguments)
        case "apply" if isinstance(first, Function) and not groups.is_series:
            return Effect(None, (), (first,), given=groups.frame)
        case "filter" if isinstance(first, Function) and not groups.is_series:
            return Effect(groups.frame, (), (first,), given=groups.frame)
        case _ if method in _ROWS_OF_GROUPS and not groups.is_series:
            return Effect(groups.frame)
        case _:
            return Effect()


def of_series(series: Labelled, method: str, arguments: Arguments) -> Value:
    """Returns what a method of a series gives whose name and index are known."""
    names = series.names
    match method:
        case "reset_index" | "to_frame":
            name = arguments.get(1 if method == "reset_index" else 0, "name")
            if isinstance(name, Text):
                return Keyed(names | {name.value}, names)
            is_named = arguments.has(1 if method == "reset_index" else 0, "name") or "names" in arguments.named
            return None if is_named or not arguments.is_complete else Keyed(names | _UNNAMED, names)
        case "sort_values" | "sort_index" | "head" | "tail" | "nlargest" | "nsmallest" | "round" | "fillna" | "dropna":
            return series
        case "rename" if arguments.positional and isinstance(name := arguments.positional[0], Text):
            return Labelled(names | {name.value})
        case _:
            return None


def of_pandas(function: str, arguments: Arguments) -> Effect | None:
    """Returns what a function of pandas needs and gives, with `of` as the frame that it reads; None if unknown."""
    match function:
        case "Grouper":
            return Effect(key if isinstance(key := arguments.get(0, "key"), Text) else None)
        case "NamedAgg":
            return Effect(Items.of([arguments.get(0, "column"), None]))
        case "concat":
            parts = arguments.get(0, "objs")
            known = [one for one in parts.items if isinstance(one, Keyed)] if isinstance(parts, Items) else []
            is_whole = isinstance(parts, Items) and len(known) == len(parts.items) > 0
            is_plain = arguments.is_complete and not {"keys", "names"} & arguments.named.keys()
            columns = frozenset[str]().union(*(one.names for one in known))
            index = frozenset[str]().union(*(one.index for one in known))
            return Effect(Keyed(columns | {"index"}, index) if is_whole and is_plain else None)
        case "merge":
            left = arguments.get(0, "left")
            return _merged(left, arguments.get(1, "right"), arguments, first=2) if isinstance(left, Keyed) else None
        case "melt":
            return replace(_melted(arguments, first=1), of=_frame(arguments))
        case "pivot" | "pivot_table":
            return Effect(None, _pivoted(arguments), of=_frame(arguments))
        case "DataFrame":
            return Effect(_made(arguments))
        case _:
            return None


def is_mask(node: ast.expr) -> bool:
    """Returns whether an index surely is a mask, which chooses rows and keeps all columns."""
    match node:
        case ast.Compare():
            return True
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr() | ast.BitXor()):
            return True
        case ast.UnaryOp(op=ast.Invert()):
            return True
        case ast.Call(func=ast.Attribute(attr=method)):
            return method in _MASKS
        case _:
            return False


def _is_by_row(call: ast.Call) -> bool:
    axis = next((one.value for one in call.keywords if one.arg == "axis"), call.args[1] if len(call.args) > 1 else None)
    return isinstance(axis, ast.Constant) and axis.value in (1, "columns")


def _frame(arguments: Arguments) -> Keyed | None:
    frame = arguments.get(0, "frame" if "frame" in arguments.named else "data")
    return frame if isinstance(frame, Keyed) else None


def _renamed(frame: Keyed, arguments: Arguments) -> Keyed | None:
    names = arguments.named.get("columns")
    if not isinstance(names, Mapping) or arguments.positional or not arguments.is_complete:
        return None
    new = [name.value for _, name in names.items if isinstance(name, Text)]
    if len(new) < len(names.items):
        return None
    return replace(frame, columns=frame.columns.difference(old.value for old, _ in names.items).union(new))


def _merged(frame: Keyed, other: Value, arguments: Arguments, *, first: int, is_join: bool = False) -> Effect:
    """Returns the effect of merging two frames, with `on` after the argument at the position `first`.

    `join` compares with the index of the other frame.
    """
    on = texts(arguments.get(first if is_join else first + 1, "on")) or ()
    left = texts(arguments.named.get("left_on")) or ()
    right = other.names if isinstance(other, Keyed | Labelled) else None
    made: Keyed | None = None
    suffixes = _suffixes(arguments)
    if right is not None and suffixes is not None and arguments.is_complete:
        both = frame.names & right
        renamed = {f"{name}{suffix}" for name in both for suffix in suffixes}
        index = frame.index | (other.index if isinstance(other, Keyed) else right)
        made = Keyed(frame.names | right | renamed | {"_merge", "index"}, index)
    others = (*(() if is_join else on), *(texts(arguments.named.get("right_on")) or ()))
    checked = ((others, right),) if right is not None else ()
    return Effect(made, (*on, *left), of=frame, also=checked)


def _suffixes(arguments: Arguments) -> tuple[str, ...] | None:
    given = [value for name, value in arguments.named.items() if "suffix" in name]
    found: list[str] = []
    for one in given:
        known = texts(one)
        if known is None:
            return None
        found += [text.value for text in known]
    return tuple(found) if given else _SUFFIXES


def _melted(arguments: Arguments, *, first: int) -> Effect:
    kept, measured = arguments.get(first, "id_vars"), arguments.get(first + 1, "value_vars")
    reads = (*(texts(kept) or ()), *(texts(measured) or ()))
    names = [
        arguments.get(first + 2, "var_name") if arguments.has(first + 2, "var_name") else "variable",
        arguments.get(first + 3, "value_name") if arguments.has(first + 3, "value_name") else "value",
    ]
    made = [one.value if isinstance(one, Text) else one for one in names]
    known = texts(kept) if arguments.has(first, "id_vars") else ()
    if known is None or not arguments.is_complete or not all(isinstance(one, str) for one in made):
        return Effect(None, reads)
    return Effect(
        Keyed(frozenset([text.value for text in known] + [one for one in made if isinstance(one, str)])), reads
    )


def _pivoted(arguments: Arguments) -> tuple[Text, ...]:
    return tuple(text for name in ("values", "index", "columns") for text in texts(arguments.named.get(name)) or ())


def _made(arguments: Arguments) -> Value:
    """Returns the frame that `pd.DataFrame` makes of a dictionary, or of a list of dictionaries."""
    data = arguments.get(0, "data")
    if len(arguments.positional) > 1 or {"columns", "index"} & arguments.named.keys() or not arguments.is_complete:
        return None
    rows = data.items if isinstance(data, Items) else (data,)
    known = [one for one in rows if isinstance(one, Mapping)]
    values = [] if isinstance(data, Items) else [value for one in known for _, value in one.items]
    # A series would bring its index, with a name.
    if not known or len(known) < len(rows) or not all(isinstance(one, Items | Labelled | Many) for one in values):
        return None
    index = frozenset[str]().union(*(one.names for one in values if isinstance(one, Labelled)))
    return Keyed(frozenset(name.value for one in known for name, _ in one.items), index)


def _series(groups: FrameGroups, names: frozenset[str]) -> Labelled | None:
    return None if groups.keys is None else Labelled(names.union(groups.keys))


def _of_each(groups: FrameGroups) -> Value:
    """Returns one value for each group and each column."""
    if groups.keys is None:
        return None
    columns = groups.frame.names if groups.selected is None else groups.selected
    return Labelled(columns | groups.keys) if groups.is_series else Keyed(columns | groups.keys, groups.keys)


def _aggregated(groups: FrameGroups, first: Value, arguments: Arguments) -> Effect:
    reads = [
        value.items[0]
        for value in arguments.named.values()
        if isinstance(value, Items) and len(value.items) == 2 and not groups.is_series
    ]
    names: list[str] | None = [*arguments.named]
    if arguments.positional or "func" in arguments.named or not arguments.is_complete:
        names = None
        match first:
            case Mapping(items=pairs) if not groups.is_series:
                reads += [name for name, _ in pairs]
                is_flat = all(isinstance(function, Text | Function) for _, function in pairs)
                names = [name.value for name, _ in pairs] if is_flat else None
            case Items() if groups.is_series and (functions := texts(first)) is not None:
                names = [text.value for text in functions]
            case Text() | Function():
                return Effect(_of_each(groups))
            case _:
                pass
    made = None if names is None or groups.keys is None else Keyed(groups.keys.union(names), groups.keys)
    return Effect(made, tuple(one for one in reads if isinstance(one, Text)))
