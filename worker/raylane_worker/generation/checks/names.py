"""Checks imports, names and attributes against an allow-list, and refuses builtins that could bypass it."""

from __future__ import annotations

import ast
import collections
import collections.abc
import datetime
import decimal
import heapq
import itertools
import math
import re
import statistics
import textwrap
from typing import TYPE_CHECKING, Final

from raylane_worker.generation.checks.script import AstScript, finding_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import ModuleType

    from raylane_common.wire.generate import Finding


def _only(names: str | Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(names.split() if isinstance(names, str) else names))


def _public(module: ModuleType) -> re.Pattern[str]:
    """Returns the public names of a module of the standard library, without the modules that it imports."""
    return _only(getattr(module, "__all__", None) or [name for name in dir(module) if not name.startswith("_")])


# The names of each module that a script may use. A module that is not listed cannot be imported.
MODULES: Final[dict[str, re.Pattern[str]]] = {
    "__future__": _only("annotations"),
    "collections": _public(collections),
    "collections.abc": _public(collections.abc),
    "datetime": _public(datetime),
    "decimal": _public(decimal),
    "functools": _only("cmp_to_key lru_cache partial reduce"),
    "heapq": _public(heapq),
    "itertools": _public(itertools),
    "json": _only("dumps loads"),
    "math": _public(math),
    "operator": _only("itemgetter add mul"),
    "re": _public(re),
    "statistics": _public(statistics),
    "textwrap": _public(textwrap),
    "time": _only("monotonic perf_counter time"),
    "typing": _only("Any Callable Dict Iterable Iterator List Mapping Optional Sequence Set Tuple Union cast"),
    "numpy": re.compile(
        r"(?!load|save|fromfile|fromregex|genfromtxt|memmap|DataSource|lib$|ctypeslib|f2py|distutils|testing|core$)"
        r"[A-Za-z]\w*"
    ),
    "pandas": _only(
        """Categorical CategoricalDtype DataFrame DateOffset DatetimeIndex Grouper Index Interval IntervalIndex
        MultiIndex NA NaT NamedAgg Period Series Timedelta Timestamp concat crosstab cut date_range factorize
        get_dummies isna isnull melt merge notna notnull option_context pivot pivot_table qcut set_option to_datetime
        to_numeric to_timedelta unique value_counts"""
    ),
    "pyarrow": re.compile(
        r"u?int\d+|float\d+|double|bool_|date\d+|time\d+|timestamp|duration|decimal\d+|string|large_string|null|nulls"
        r"|list_|struct|map_|dictionary|field|schema|Schema|array|Array|chunked_array|ChunkedArray|scalar|Scalar"
        r"|table|Table|RecordBatch|record_batch|concat_tables|concat_arrays|DataType|types|compute|csv"
    ),
    "pyarrow.compute": re.compile(r"[a-z]\w*"),
    "pyarrow.csv": _only("ConvertOptions ParseOptions ReadOptions"),
    "pyarrow.types": re.compile(r"is_\w+"),
    "ray": _only("init get put wait remote shutdown data cluster_resources available_resources"),
    "ray.data": _only(
        """read_csv read_json read_parquet from_items from_pandas from_arrow from_numpy range Dataset DataContext
        Schema ActorPoolStrategy TaskPoolStrategy aggregate expressions datatype datasource context"""
    ),
    "ray.data.aggregate": re.compile(r"(?!Approximate)[A-Z]\w*"),
    "ray.data.context": _only("DataContext"),
    "ray.data.datasource": _only("Partitioning partitioning"),
    "ray.data.datasource.partitioning": _only("Partitioning"),
    "ray.data.datatype": _only("DataType"),
    "ray.data.expressions": _only("col lit star udf"),
}
# For the findings and for the prompt of the agents.
IMPORTABLE: Final = ", ".join(sorted(MODULES))

# Modules that the allowed ones import. Through any of them a script could reach everything.
_UNSAFE_MODULES: Final = frozenset(
    {"builtins", "ctypes", "importlib", "inspect", "io", "lib", "os", "pathlib", "subprocess", "sys", "warnings"}
)
_BUILTINS: Final = frozenset(
    {
        "breakpoint",
        "compile",
        "delattr",
        "dir",
        "eval",
        "exec",
        "exit",
        "getattr",
        "globals",
        "help",
        "input",
        "locals",
        "memoryview",
        "open",
        "quit",
        "setattr",
        "vars",
    }
)
_ALLOWED_PRIVATE_NAMES: Final = frozenset({"__name__", "_asdict", "_fields", "_replace"})
_ALLOWED_DUNDER_METHODS: Final = frozenset({"__init__", "__call__"})
# Methods that write to the file in their first argument; without arguments they return text.
_TEXT_METHODS: Final = frozenset({"to_csv", "to_html", "to_json", "to_latex", "to_markdown", "to_string", "to_xml"})
_FORBIDDEN_METHODS: Final = {
    **dict.fromkeys(
        (
            "to_clipboard",
            "to_excel",
            "to_feather",
            "to_gbq",
            "to_hdf",
            "to_orc",
            "to_parquet",
            "to_pickle",
            "to_sql",
            "to_stata",
            "tofile",
        ),
        "writes a file; print the result instead",
    ),
    **dict.fromkeys(("eval", "query"), "runs text as code; use an expression or a boolean mask"),
    **dict.fromkeys(("deserialize_lineage", "serialize_lineage"), "is not allowed"),
    "summary": "needs a package that the cluster does not have; aggregate Mean, Std, Min, Max and Count instead",
}
_JOIN_KEYWORDS: Final = frozenset({"join_type", "num_partitions", "on"})


def check_names(script: AstScript) -> Iterator[Finding]:
    """Yields a finding for each import, name, attribute and method that is not allowed."""
    seen: dict[str, str] = {}
    for node in script.nodes:
        match node:
            case ast.Import():
                for alias in node.names:
                    yield from _check_import(node, alias.name, seen, alias.asname or alias.name.partition(".")[0])
            case ast.ImportFrom():
                yield from _check_import_from(node, seen)
            case ast.Name() | ast.Attribute():
                yield from _check_name(script, node)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                if _is_dunder(node.name) and node.name not in _ALLOWED_DUNDER_METHODS:
                    yield finding_at("dunder", node, f"do not define {node.name!r}")
            case ast.MatchClass():
                for name in node.kwd_attrs:
                    if name.startswith("_"):
                        yield finding_at("dunder", node, f"the attribute {name!r} is private; do not use it")
            case ast.Call():
                yield from _check_call(node)


def _check_import(node: ast.stmt, module: str, seen: dict[str, str], name: str) -> Iterator[Finding]:
    if module not in MODULES:
        yield finding_at("import_not_allowed", node, f"module {module!r} cannot be imported; use only {IMPORTABLE}")
    bound = module if name != module.partition(".")[0] else name
    if seen.setdefault(name, bound) != bound:
        yield finding_at("name_bound_twice", node, f"{name!r} is imported twice as different things; use two names")


def _check_import_from(node: ast.ImportFrom, seen: dict[str, str]) -> Iterator[Finding]:
    module = "." * node.level + (node.module or "")
    allowed = MODULES.get(module)
    if allowed is None:
        yield finding_at("import_not_allowed", node, f"module {module!r} cannot be imported; use only {IMPORTABLE}")
        return
    for alias in node.names:
        full = f"{module}.{alias.name}"
        if not allowed.fullmatch(alias.name):
            yield finding_at("name_not_allowed", node, f"{full!r} may not be used")
        name = alias.asname or alias.name
        if seen.setdefault(name, full) != full:
            yield finding_at("name_bound_twice", node, f"{name!r} is imported twice as different things; use two names")


def _check_name(script: AstScript, node: ast.Name | ast.Attribute) -> Iterator[Finding]:
    if isinstance(node, ast.Attribute):
        of_self = isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")
        of_super = isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name)
        harmless = (of_self and not _is_dunder(node.attr)) or (of_super and node.attr == "__init__")
        if node.attr.startswith("_") and node.attr not in _ALLOWED_PRIVATE_NAMES and not harmless:
            yield finding_at("private_name", node, f"the attribute {node.attr!r} is private; do not use it")
        if problem := _FORBIDDEN_METHODS.get(node.attr):
            yield finding_at("method_not_allowed", node, f".{node.attr}() {problem}")
        parent = script.parents.get(node)
        is_called = isinstance(parent, ast.Call) and parent.func is node
        if not is_called and (node.attr in _TEXT_METHODS or node.attr.startswith("write_")):
            yield finding_at("method_not_allowed", node, f".{node.attr} may only be called directly")
    elif node.id in _BUILTINS:
        yield finding_at("builtin_not_allowed", node, f"{node.id}() is not allowed; the script may only use Ray Data")
    elif _is_dunder(node.id) and node.id not in _ALLOWED_PRIVATE_NAMES:
        yield finding_at("dunder", node, f"{node.id!r} is not allowed")
    if (origin := script.references.get(node)) and (problem := _problem_of(origin)):
        yield finding_at("name_not_allowed", node, problem)


def _problem_of(origin: str) -> str | None:
    """Returns what is wrong with an imported name; None if nothing is."""
    parts = origin.split(".")
    length = next((size for size in range(len(parts), 0, -1) if ".".join(parts[:size]) in MODULES), 0)
    if length == 0:
        return None
    if length == len(parts):
        return f"the module {origin!r} is used as a value; write '{origin}.name'"
    allowed = MODULES[".".join(parts[:length])]
    if not allowed.fullmatch(parts[length]):
        return f"{'.'.join(parts[: length + 1])!r} may not be used"
    if not _UNSAFE_MODULES.isdisjoint(parts) or (parts[0] == "numpy" and not all(map(allowed.fullmatch, parts))):
        return f"{origin!r} may not be used"
    return None


def _check_call(call: ast.Call) -> Iterator[Finding]:
    for keyword in call.keywords:
        if keyword.arg == "runtime_env":
            yield finding_at("runtime_env", call, "remove runtime_env; Raylane sets the environment of the run")
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    if method in _TEXT_METHODS and (call.args or call.keywords):
        yield finding_at(
            "method_not_allowed", call, f".{method}() may write a file; call it without arguments and print"
        )
    if method == "join" and any(keyword.arg in _JOIN_KEYWORDS for keyword in call.keywords):
        problem = "needs a package that the cluster does not have; join with map_batches and a dictionary instead"
        yield finding_at("method_not_allowed", call, f"Dataset.join {problem}")


def _is_dunder(name: str) -> bool:
    return name.startswith("__")
