"""Runs generated code in this process: the few operations of Ray Data that templates use, on pyarrow tables.

`test_template_on_ray.py` and `test_template_fuzz_on_ray.py` compare it with a real Ray.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import statistics
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
from pyarrow import dataset, parquet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


def run_script(code: str, files: Mapping[str, bytes]) -> str:
    """Returns what the script prints. `files` are the objects that it may read, by URI."""
    output = io.StringIO()
    scope = {"__name__": "__main__", "__builtins__": vars(builtins) | {"__import__": _importer(files)}}
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        exec(compile(code, "main.py", "exec"), scope)
    return output.getvalue()


def _importer(files: Mapping[str, bytes]) -> Callable[..., Any]:
    def read_csv(uri: str, **options: Any) -> Dataset:
        options.pop("override_num_blocks", None)
        return Dataset(arrow_csv.read_csv(io.BytesIO(files[uri]), **options))

    def read_parquet(uri: str, **options: Any) -> Dataset:
        options.pop("override_num_blocks", None)
        return Dataset(parquet.read_table(io.BytesIO(files[uri]), **options))

    context = SimpleNamespace(execution_options=SimpleNamespace())
    data = SimpleNamespace(
        read_csv=read_csv,
        read_parquet=read_parquet,
        DataContext=SimpleNamespace(get_current=lambda: context),
        expressions=SimpleNamespace(col=_col, lit=_lit),
        datatype=SimpleNamespace(DataType=SimpleNamespace(from_arrow=lambda arrow_type: arrow_type)),
        aggregate=SimpleNamespace(**{name: partial(_Aggregate, name) for name in _AGGREGATES}),
    )
    modules = {
        "ray": SimpleNamespace(init=lambda: None, data=data),
        **{f"ray.data.{name}": getattr(data, name) for name in ("expressions", "datatype", "aggregate")},
    }

    def import_(name: str, *arguments: Any) -> Any:
        return modules[name] if name in modules else builtins.__import__(name, *arguments)

    return import_


class _Expression:
    """An expression on the columns of a table, as `ray.data.expressions` makes them."""

    def __init__(self, value: pc.Expression) -> None:
        self.value = value
        self.str = SimpleNamespace(
            contains=lambda text: _Expression(pc.match_substring(value, text)),
            replace=lambda old, new: _Expression(pc.replace_substring(value, old, new)),
        )

    def cast(self, arrow_type: pa.DataType, *, safe: bool) -> _Expression:
        return _Expression(self.value.cast(arrow_type, safe=safe))

    def is_in(self, values: Sequence[Any]) -> _Expression:
        return _Expression(self.value.isin(values))

    def is_null(self) -> _Expression:
        return _Expression(self.value.is_null())

    def is_not_null(self) -> _Expression:
        return _Expression(self.value.is_valid())

    def to_pyarrow(self) -> pc.Expression:
        return self.value

    def __and__(self, other: _Expression) -> _Expression:
        return _Expression(self.value & other.value)

    def __or__(self, other: _Expression) -> _Expression:
        return _Expression(self.value | other.value)

    def __eq__(self, other: _Expression) -> _Expression:  # type: ignore[override]  # comparing makes an expression
        return _Expression(self.value == other.value)

    def __ne__(self, other: _Expression) -> _Expression:  # type: ignore[override]  # comparing makes an expression
        return _Expression(self.value != other.value)

    def __lt__(self, other: _Expression) -> _Expression:
        return _Expression(self.value < other.value)

    def __le__(self, other: _Expression) -> _Expression:
        return _Expression(self.value <= other.value)

    def __gt__(self, other: _Expression) -> _Expression:
        return _Expression(self.value > other.value)

    def __ge__(self, other: _Expression) -> _Expression:
        return _Expression(self.value >= other.value)

    __hash__ = None  # type: ignore[assignment]  # an expression is compared, never hashed


def _col(name: str) -> _Expression:
    return _Expression(pc.field(name))


def _lit(value: Any) -> _Expression:
    return _Expression(pc.scalar(value))


@dataclass(frozen=True)
class _Aggregate:
    """One aggregate of a column, or of the rows."""

    kind: str
    on: str | None = None
    ignore_nulls: bool = True
    q: float = 0.5
    ddof: int = 1
    alias_name: str = ""

    def compute(self, table: pa.Table) -> Any:
        if self.on is None:
            return table.num_rows
        column = table[self.on].drop_null()
        values = column.to_pylist()
        match self.kind:
            case "Count":
                return len(values)
            case "CountDistinct":
                return len(set(values))
            case "Sum":
                return pc.sum(column).as_py()
            case "Std":
                return statistics.stdev(values) if len(values) > 1 else None
            case _ if not values:
                return None
            case "Mean":
                return statistics.fmean(values)
            case "Min" | "Max":
                return min(values) if self.kind == "Min" else max(values)
            case "Quantile":
                return pc.quantile(column, q=self.q)[0].as_py()
            case _:
                raise NotImplementedError(self.kind)


_AGGREGATES = ("Count", "CountDistinct", "Sum", "Mean", "Min", "Max", "Std", "Quantile")


class Dataset:
    """A Ray dataset of one block."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def map_batches(self, function: Callable[[pa.Table], pa.Table], *, batch_format: str, batch_size: None) -> Dataset:
        assert (batch_format, batch_size) == ("pyarrow", None)
        return Dataset(function(self.table))

    def filter(self, *, expr: _Expression) -> Dataset:
        return Dataset(self.table.filter(expr.value))

    def with_column(self, name: str, expression: _Expression) -> Dataset:
        column = dataset.dataset(self.table).to_table(columns={"new": expression.value}, use_threads=False)["new"]
        if name in self.table.column_names:
            return Dataset(self.table.set_column(self.table.column_names.index(name), name, column))
        return Dataset(self.table.append_column(name, column))

    def aggregate(self, *aggregates: _Aggregate) -> dict[str, Any]:
        return {one.alias_name: one.compute(self.table) for one in aggregates}

    def groupby(self, keys: list[str]) -> _Groups:
        return _Groups(self.table, keys)

    def sort(self, keys: list[str], *, descending: list[bool]) -> Dataset:
        orders = ["descending" if one else "ascending" for one in descending]
        return Dataset(self.table.sort_by(list(zip(keys, orders, strict=True))))

    def take(self, limit: int) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.table.slice(0, limit).to_pylist()
        return rows

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        return iter(self.table.to_pylist())

    def count(self) -> int:
        return int(self.table.num_rows)

    def schema(self) -> Any:
        # Ray has no schema for a file without rows.
        return self.table.schema if self.table.num_rows else None


@dataclass(frozen=True)
class _Groups:
    """The rows of a table by the values of some columns; missing values are a group."""

    table: pa.Table
    keys: list[str]

    def aggregate(self, *aggregates: _Aggregate) -> Dataset:
        positions: dict[tuple[Any, ...], list[int]] = {}
        for position, row in enumerate(self.table.select(self.keys).to_pylist()):
            positions.setdefault(tuple(row[key] for key in self.keys), []).append(position)
        rows = []
        for group, taken in positions.items():
            table = self.table.take(taken)
            rows.append(
                dict(zip(self.keys, group, strict=True)) | {one.alias_name: one.compute(table) for one in aggregates}
            )
        return _Rows(rows)


class _Rows(Dataset):
    """A dataset of rows that may have any type, such as decimals of different precision."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def iter_rows(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)
