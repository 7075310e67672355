"""The arguments with which generated code may call what could do harm with others."""

from __future__ import annotations

from typing import Final

from raylane_worker.generation.checks.allowed.listing import listed
from raylane_worker.generation.checks.allowed.modules import MODULES


def _by_name(rows: dict[str, str]) -> dict[str, frozenset[str]]:
    return {name: frozenset(arguments.split()) for names, arguments in rows.items() for name in names.split()}


# Methods that write to the file in their first argument, and return text without it: the arguments they may have.
TEXT_METHODS: Final = _by_name(
    {
        "to_csv": """columns date_format decimal doublequote encoding escapechar float_format header index index_label
            lineterminator na_rep quotechar quoting sep""",
        "to_html": """bold_rows border classes col_space columns decimal escape float_format formatters header index
            index_names justify max_cols max_rows na_rep notebook render_links show_dimensions sparsify table_id""",
        "to_json": """date_format date_unit default_handler double_precision force_ascii indent index lines orient""",
        "to_latex": """bold_rows caption column_format columns decimal escape float_format formatters header index
            index_names label longtable multicolumn multirow na_rep position""",
        "to_markdown": "floatfmt index tablefmt",
        "to_string": """col_space columns decimal dtype element_limit float_format formatters header index index_names
            justify length line_width max_colwidth max_cols max_rows min_rows na_rep name preview_cols
            show_dimensions show_field_metadata show_metadata show_schema_metadata skip_new_lines sparsify
            top_level_indent truncate_metadata window""",
    }
)
# The options of tasks and actors that change neither their environment nor their lifetime.
_RAY_OPTIONS: Final = """
    max_calls max_concurrency max_restarts max_retries max_task_retries memory num_cpus num_gpus num_returns
    retry_exceptions scheduling_strategy
"""
_RAY_FUNCTION: Final = f"""
    batch_format batch_size compute concurrency fn fn_args fn_constructor_args fn_constructor_kwargs fn_kwargs
    udf_modifying_row_count zero_copy_batch {_RAY_OPTIONS}
"""
# Methods and functions of Ray that take options of tasks, with all arguments that they may have by name. `filter` and
# `map` are methods of pandas, too.
RAY_CALLS: Final = _by_name(
    {
        "flat_map map_batches map_groups": _RAY_FUNCTION,
        "filter": f"axis dropna expr func items like mask null_selection_behavior regex {_RAY_FUNCTION}",
        "map": f"arg engine func na_action {_RAY_FUNCTION}",
        "options ray.remote": _RAY_OPTIONS,
    }
)
# Arguments that name a file, a stream or a module, change the environment of a run, switch checks of memory off, or
# give an object attributes of any name (`extra` of logging).
REFUSED_ARGUMENTS: Final = listed(
    """
    assigned backend boundscheck buf excel_writer extra file filename filesystem global_dict handlers local_dict
    meta_provider path_or_buf ray_remote_args ray_remote_args_fn refcheck resolvers runtime_env storage_options stream
    types_mapper updated
    """
)
# Functions of which only these arguments are allowed, and how many of them by position.
FUNCTION_ARGUMENTS: Final = {
    "functools.wraps": (1, frozenset[str]()),
    "logging.basicConfig": (0, listed("datefmt force format level")),
    "pprint.pformat": (1, listed("compact depth indent sort_dicts underscore_numbers width")),
    "pprint.pp": (1, listed("compact depth indent sort_dicts underscore_numbers width")),
    "pprint.pprint": (1, listed("compact depth indent sort_dicts underscore_numbers width")),
    # Its metadata could name an extension type, which Arrow makes of it in the next process.
    "pyarrow.field": (3, listed("name nullable type")),
    "warnings.catch_warnings": (0, listed("action category record")),
}
# What keyword arguments from a dictionary are harmless for: calls that only store or compute with them.
UNPACKING_METHODS: Final = listed("_replace agg aggregate assign format remote replace update")
UNPACKING_FUNCTIONS: Final = (
    "collections.",
    "dataclasses.replace",
    "datetime.",
    "decimal.",
    "json.",
    "numpy.",
    "pandas.DateOffset",
    "pandas.Timedelta",
    "pandas.Timestamp",
)
# Which of these hand the arguments on to another function, where any name may do harm; `agg` if it is given one.
HAND_ARGUMENTS_ON: Final = frozenset({"numpy.apply_along_axis", "numpy.fromfunction", "numpy.piecewise"})
HAND_ARGUMENTS_ON_IF_GIVEN: Final = frozenset({"agg", "aggregate"})

# Methods and functions that take a function by name, each with the position and keyword of that argument.
METHODS_THAT_TAKE_NAMES: Final = {
    "agg": (0, "func"),
    "aggregate": (0, "func"),
    "apply": (0, "func"),
    "pivot_table": (3, "aggfunc"),
    "transform": (0, "func"),
}
FUNCTIONS_THAT_TAKE_NAMES: Final = {
    "pandas.NamedAgg": (1, "aggfunc"),
    "pandas.crosstab": (5, "aggfunc"),
    "pandas.pivot_table": (4, "aggfunc"),
}
# Functions of pyarrow that make a type, which a script may hand to what converts values.
TYPE_FUNCTIONS: Final = listed(
    """
    binary bool_ date32 date64 decimal128 decimal256 dictionary duration field float16 float32 float64 int16 int32 int64
    int8 large_binary large_list large_string large_utf8 list_ map_ null schema string struct time32 time64 timestamp
    uint16 uint32 uint64 uint8 utf8
    """
)
# What converts values to a type or a schema, with the positions and the keywords of these arguments.
CONVERTING_FUNCTIONS: Final[dict[str, tuple[tuple[int, ...], frozenset[str]]]] = {
    "pandas.ArrowDtype": ((0,), frozenset({"pyarrow_dtype"})),
    "pyarrow.array": ((1,), frozenset({"type"})),
    "pyarrow.chunked_array": ((1,), frozenset({"type"})),
    "pyarrow.compute.CastOptions": ((0,), frozenset({"target_type"})),
    "pyarrow.compute.CastOptions.safe": ((0,), frozenset({"target_type"})),
    "pyarrow.compute.CastOptions.unsafe": ((0,), frozenset({"target_type"})),
    "pyarrow.compute.cast": ((1,), frozenset({"target_type"})),
    "pyarrow.dictionary": ((0, 1), frozenset({"index_type", "value_type"})),
    "pyarrow.field": ((1,), frozenset({"type"})),
    "pyarrow.large_list": ((0,), frozenset({"value_type"})),
    "pyarrow.list_": ((0,), frozenset({"value_type"})),
    "pyarrow.map_": ((0, 1), frozenset({"item_type", "key_type"})),
    "pyarrow.nulls": ((1,), frozenset({"type"})),
    "pyarrow.record_batch": ((1, 2), frozenset({"names", "schema"})),
    "pyarrow.scalar": ((1,), frozenset({"type"})),
    "pyarrow.schema": ((0,), frozenset({"fields"})),
    "pyarrow.struct": ((0,), frozenset({"fields"})),
    "pyarrow.table": ((1, 2), frozenset({"names", "schema"})),
    "ray.data.datatype.DataType.from_arrow": ((0,), frozenset({"arrow_type"})),
    "ray.data.expressions.udf": ((0,), frozenset({"return_dtype"})),
}
CONVERTING_METHODS: Final[dict[str, tuple[tuple[int, ...], frozenset[str]]]] = {
    "cast": ((0,), frozenset({"dtype", "target_schema", "target_type"})),
    "from_arrays": ((1, 2), frozenset({"fields", "names", "schema"})),
    "from_batches": ((1,), frozenset({"schema"})),
    "from_pandas": ((1, 2), frozenset({"schema", "type"})),
    "from_pydict": ((1,), frozenset({"schema"})),
    "from_pylist": ((1,), frozenset({"schema"})),
    "view": ((0,), frozenset({"dtype", "target_type", "type"})),
    "with_type": ((0,), frozenset({"new_type"})),
}
# Methods and functions whose arguments are checked, so that they must be called where they are named.
CALLED_DIRECTLY: Final = (
    TEXT_METHODS.keys()
    | METHODS_THAT_TAKE_NAMES.keys()
    | CONVERTING_METHODS.keys()
    | {"flat_map", "from_bytes", "map_batches", "map_groups", "options"}
)
FUNCTIONS_CALLED_DIRECTLY: Final = (
    FUNCTIONS_THAT_TAKE_NAMES.keys() | FUNCTION_ARGUMENTS.keys() | CONVERTING_FUNCTIONS.keys() | {"ray.init"}
)
# What may only be a decorator, called or not: `dataclass` makes code from text, and `wraps` changes what it is given.
DECORATORS_ONLY: Final = frozenset({"dataclasses.dataclass", "functools.wraps"})
# What may be named as a type, but not called: an array over any memory, any object of the cluster, any settings.
# With what to write instead.
TYPES_ONLY: Final = {
    "numpy.ndarray": "np.array, np.zeros or np.empty",
    "ray.ObjectRef": "what .remote() and ray.put() return",
    "ray.data.DataContext": "ray.data.DataContext.get_current()",
    "ray.data.context.DataContext": "DataContext.get_current()",
}
# Classes that are not values. Libraries use them in this process, and setting a method of theirs, such as
# `Mapping.get`, would hand its caller's objects to the script: `os.environ` is a Mapping.
NO_VALUES: Final = TYPES_ONLY.keys() | {
    "abc.ABC",
    "collections.ChainMap",
    "collections.UserDict",
    "collections.UserList",
    "json.JSONEncoder",
    "logging.Logger",
    "logging.NullHandler",
    *(f"collections.abc.{name}" for name in MODULES["collections.abc"]),
    *(f"typing.{name}" for name in MODULES["collections.abc"] & MODULES["typing"]),
}
