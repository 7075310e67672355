"""Finds calls that surely fail on the cluster.

They need a package that neither Ray nor pandas installs, or a method that Ray's datasets do not have. Each was tried
on Ray 2.60 (tests/integration/test_prompt_on_ray.py). See docs/decisions/0027.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import AstScript, argument, finding_at, text_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from raylane_common.wire.generate import Finding

# What models reach for most often, and no cluster of `ray[data]` has.
MISSING_PACKAGES: Final = (
    "scipy",
    "scikit-learn",
    "statsmodels",
    "matplotlib",
    "seaborn",
    "tabulate",
    "jinja2",
    "polars",
    "datasketches",
    "numba",
    "torch",
)

_AS_TEXT: Final = "use answer.table(frame)"
# Methods that need a package for any arguments: (package, what to do instead). Plots and others are not allowed at all.
_METHODS: Final = {"to_latex": ("jinja2", _AS_TEXT), "to_markdown": ("tabulate", _AS_TEXT)}
# The same for methods of a dataset, whose names mean something else on other objects.
_DATASET_METHODS: Final = {
    "join": ("polars", "join with map_batches and a dictionary"),
    "summary": ("datasketches", "aggregate Mean, Std, Min, Max and Count"),
}
_FRAMES: Final = 'map_batches(f, batch_format="pandas")'
_GROUPS: Final = 'map_groups(f, batch_format="pandas")'
# Methods that a dataset does not have, and what it has instead.
NOT_OF_DATASET: Final = {
    "agg": "aggregate(...)",
    "apply": _FRAMES,
    "assign": "with_column(name, expression)",
    "collect": "take_all()",
    "describe": "aggregate(Count(column), Mean(column), Std(column))",
    "distinct": "unique(column), or groupby(columns).count()",
    "drop": "drop_columns(names)",
    "drop_duplicates": "groupby(columns).count()",
    "dropna": "filter(expr=col(column).is_not_null())",
    "fillna": _FRAMES,
    "head": "take(n)",
    "median": "aggregate(Quantile(column, q=0.5))",
    "merge": f"a dictionary and {_FRAMES}",
    "mode": "aggregate(ValueCounter(column))",
    "nlargest": "sort(column, descending=True).take(n)",
    "nsmallest": "sort(column).take(n)",
    "nunique": "aggregate(CountDistinct(column))",
    "order_by": "sort(column)",
    "quantile": "aggregate(Quantile(column, q=q))",
    "rename": "rename_columns({old: new})",
    "sample": "random_sample(fraction, seed=0)",
    "select": "select_columns(names)",
    "sort_values": "sort(column, descending=False)",
    "to_dict": "take_all()",
    "value_counts": "groupby(column).count()",
    "where": "filter(expr=...)",
}
NOT_OF_GROUPS: Final = {
    "agg": "aggregate(...)",
    "apply": _GROUPS,
    "describe": "aggregate(Count(column), Mean(column), Std(column))",
    "first": _GROUPS,
    "head": _GROUPS,
    "last": _GROUPS,
    "median": "aggregate(Quantile(column, q=0.5))",
    "nunique": "aggregate(CountDistinct(column))",
    "quantile": "aggregate(Quantile(column, q=q))",
    "size": "count()",
    "transform": _GROUPS,
    "value_counts": "aggregate(ValueCounter(column))",
}
# The same the other way round: methods of datasets and their groups that pandas does not have.
NOT_OF_FRAME: Final = {
    "add_column": "assign(name=…)",
    "drop_columns": "drop(columns=[…])",
    "flat_map": "explode(column)",
    "iter_batches": "the frame itself",
    "iter_rows": 'to_dict("records")',
    "limit": "head(n)",
    "map_batches": "the function on the frame itself",
    "map_groups": "apply(f) of groupby(…)",
    "materialize": "the frame itself",
    "num_blocks": "the frame itself",
    "random_sample": "sample(frac=…, random_state=0)",
    "random_shuffle": "sample(frac=1, random_state=0)",
    "rename_columns": "rename(columns={…})",
    "repartition": "the frame itself",
    "schema": "dtypes",
    "select_columns": "frame[[…]]",
    "show": "answer.table(frame)",
    "sort": "sort_values(columns)",
    "take_all": 'to_dict("records")',
    "take_batch": "head(n)",
    "to_pandas": "the frame itself",
    "union": "pd.concat([…])",
    "with_column": "assign(name=…)",
    "with_columns": "assign(name=…)",
}
# The methods of `interpolate` that pandas computes without scipy.
_INTERPOLATIONS: Final = frozenset({"index", "linear", "time", "values"})
_RANKS: Final = frozenset({"kendall", "spearman"})


def check_cluster(script: AstScript, absent: Iterable[tuple[ast.Call, str, str]]) -> Iterator[Finding]:
    """Yields a finding for each call that needs a package or a method that the cluster does not have.

    `absent` are the calls for which `problem_of_method` has a rule and a message.
    """
    for call, rule, message in absent:
        yield finding_at(rule, call, message)
    for call in script.calls:
        if isinstance(call.func, ast.Attribute):
            needed = _METHODS.get(call.func.attr) or _by_argument(call, call.func.attr)
            if needed is not None:
                yield finding_at("missing_package", call, _missing(*needed))


def problem_of_method(method: str, *, of_groups: bool) -> tuple[str, str] | None:
    """Returns the rule that calling this method of a dataset, or of its groups, breaks, and the message."""
    if method in _DATASET_METHODS and not of_groups:
        return "missing_package", _missing(*_DATASET_METHODS[method])
    instead = (NOT_OF_GROUPS if of_groups else NOT_OF_DATASET).get(method)
    return None if instead is None else ("fails_on_ray", f"a dataset of Ray has no .{method}(); use {instead}")


def problem_of_frame_method(method: str) -> tuple[str, str] | None:
    """Returns the rule that calling this method of a frame, or of its groups, breaks, and the message."""
    instead = NOT_OF_FRAME.get(method)
    return (
        None if instead is None else ("engine", f"read() gives a pandas DataFrame, without .{method}(); use {instead}")
    )


def _missing(package: str, instead: str) -> str:
    return f"this needs {package}, which the cluster does not have; {instead}"


def _by_argument(call: ast.Call, method: str) -> tuple[str, str] | None:
    named = {one.arg: text_of(one.value) for one in call.keywords}
    if named.get("engine") == "numba":
        return "numba", "leave engine out"
    if named.get("batch_format") in ("cudf", "polars"):
        return str(named["batch_format"]), 'use batch_format="pandas" or "pyarrow"'
    match method:
        # The method of a frame takes no other column, and pandas computes it without scipy.
        case "corr" | "corrwith" if _other(call, method) and _RANKS & {named.get("method"), *map(text_of, call.args)}:
            return "scipy", 'write frame[["a", "b"]].corr(method="spearman")'
        case "rolling" if named.get("win_type") is not None:
            return "scipy", "leave win_type out, or compute the weights with numpy"
        case "interpolate":
            how = text_of(argument(call, 0, "method"))
            if how is not None and how not in _INTERPOLATIONS:
                return "scipy", "use interpolate(), which is linear"
        case _:
            pass
    return None


def _other(call: ast.Call, method: str) -> bool:
    """Returns whether a correlation gets the column to compare with."""
    other = argument(call, 0, "other")
    return method == "corrwith" or (other is not None and text_of(other) not in _RANKS)
