"""Objects of the libraries that generated code may use: one of each kind that it can get hold of."""

from __future__ import annotations

import calendar
import collections
import contextlib
import dataclasses
import datetime
import decimal
import difflib
import enum
import fractions
import functools
import hashlib
import json
import logging
import operator
import random
import re
import statistics
import string
import textwrap
import time
import typing
import warnings
import zoneinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import ray
import ray.data
from pyarrow import csv
from ray.data.aggregate import AggregateFn, Mean, Quantile
from ray.data.datasource.partitioning import Partitioning, PartitionStyle
from ray.data.datatype import DataType
from ray.data.expressions import col, lit, star
from ray.data.grouped_data import GroupedData

if TYPE_CHECKING:
    from collections.abc import Iterator


class Colour(enum.Enum):
    RED = 1


class Point(typing.NamedTuple):
    x: int


@dataclasses.dataclass
class Row:
    value: int


def _generator() -> Iterator[int]:
    yield 1


async def _coroutine() -> int:
    return 1


async def _agenerator() -> Any:
    yield 1


def _standard_library() -> list[Any]:
    coroutine = _coroutine()
    coroutine.close()
    with decimal.localcontext() as context:
        pass
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        warnings.warn("x", stacklevel=1)
    try:
        raise ExceptionGroup("x", [ValueError(1)])
    except ExceptionGroup as error:
        group, trace = error, error.__traceback__
    return [
        "", b"", bytearray(), 1, 1.0, 1j, True, None, [], (), {}, set(), frozenset(), range(1), slice(1),
        object(), type,
        {}.items(), iter([]), len, "".join, _generator, lambda: 1, property(lambda self: 1), super(Row),
        memoryview(b""),
        map(len, []), zip(), enumerate([]), staticmethod(len), _generator(), coroutine, _agenerator(),
        ValueError(), AttributeError(), KeyError(), StopIteration(), UnicodeDecodeError("utf8", b"", 0, 1, ""), group,
        trace, OSError(), SystemExit(), ImportError(), SyntaxError(), NameError(),
        calendar.Calendar(), collections.Counter(), collections.deque(), collections.OrderedDict(),
        collections.defaultdict(int), collections.ChainMap(), collections.UserDict(), collections.UserList(),
        Point(1),
        contextlib.suppress(KeyError), contextlib.nullcontext(), contextlib.contextmanager(_generator)(),
        Colour, Colour.RED, Row, Row(1), dataclasses.fields(Row)[0], datetime.datetime(2024, 1, 1),
        datetime.date(2024, 1, 1),
        datetime.time(), datetime.timedelta(), datetime.UTC, zoneinfo.ZoneInfo("UTC"), decimal.Decimal(1), context,
        difflib.SequenceMatcher(), difflib.Differ(), fractions.Fraction(1), functools.partial(len),
        functools.cache(len),
        functools.cached_property(len), functools.cmp_to_key(operator.add), hashlib.md5(), json.JSONEncoder(),
        json.JSONDecodeError("", "", 0), logging.getLogger("x"), operator.itemgetter(1), operator.attrgetter("x"),
        random.Random(), re.compile(""), re.match("", ""), re.RegexFlag.A, statistics.NormalDist(),
        statistics.linear_regression([1, 2], [1, 2]), string.Template(""), textwrap.TextWrapper(), time.gmtime(),
        list[int], typing.Any, typing.TypeVar("T"), typing.Literal[1], typing.NewType("New", int), *recorded,
    ]  # fmt: skip


def _numpy() -> list[Any]:
    array = np.array([1.0, 2.0])
    return [
        array, np.array(["a"]), np.array(["2024-01-01"], "M8[D]"), np.array([(1, 2)], dtype=[("a", "i4"), ("b", "i4")]),
        array.dtype, np.float64(1), np.int64(1), np.bool_(True), np.str_(""), np.datetime64("2024-01-01"),
        np.timedelta64(1, "s"), np.add, np.random.default_rng(0), np.random.RandomState(0), np.random.SeedSequence(0),
        np.random.PCG64(0), np.poly1d([1]), np.polynomial.Polynomial([1]), np.polynomial.Chebyshev([1]),
        np.ma.masked_array([1]), np.ma.masked, np.finfo("f8"), np.iinfo("i8"), np.vectorize(len), np.errstate(), np.r_,
        np.c_, np.s_, np.mgrid, np.ndenumerate(array), np.ndindex(1), array.flat, array.flags, np.busdaycalendar(),
        np.printoptions(), np.linalg.LinAlgError(), np.linalg.svd(np.eye(2)), np.unique_all(array),
        np.frompyfunc(len, 1, 1),
        np.broadcast_arrays(array), array.data, np.exceptions.AxisError(""), np.dtypes.StringDType(),
    ]  # fmt: skip


def _pandas() -> list[Any]:
    frame = pd.DataFrame(
        {"a": [1, 2], "b": ["x", "y"], "t": pd.to_datetime(["2024-01-01", "2024-01-02"]), "d": pd.to_timedelta([1, 2])}
    )
    series, times = frame["a"], frame.set_index("t")
    category = frame["b"].astype("category")
    arrow = pd.Series([{"k": 1}], dtype=pd.ArrowDtype(pa.struct([("k", pa.int64())])))
    lists = pd.Series([[1]], dtype=pd.ArrowDtype(pa.list_(pa.int64())))
    return [
        frame, series, frame["b"], frame["t"], category, frame.index, pd.Index(["x"]), times.index,
        pd.MultiIndex.from_tuples([(1, 2)]), pd.period_range("2024", periods=2, freq="D"), pd.Index(frame["d"]),
        pd.CategoricalIndex(["x"]), pd.interval_range(0, 2), frame.groupby("a"), frame.groupby("a")["b"],
        frame.groupby("a").rolling(2), times.resample("D"), times.groupby("a").resample("D"), series.rolling(2),
        series.expanding(), series.ewm(1), frame["b"].str, frame["t"].dt, frame["d"].dt, category.cat, arrow.struct,
        lists.list, frame.iloc, frame.loc, frame.at, frame.iat, frame.flags, pd.Timestamp("2024"), pd.Timedelta(1),
        pd.Period("2024"), pd.Interval(0, 1), pd.DateOffset(), pd.offsets.MonthEnd(), pd.offsets.BDay(), pd.NaT, pd.NA,
        series.array, pd.array([1, None]), pd.array([1.5, None]), pd.array(["x"]), pd.array([True, None]),
        category.array,
        frame["t"].array, arrow.array, category.dtype, pd.Int64Dtype(), pd.StringDtype(), pd.ArrowDtype(pa.int64()),
        pd.DatetimeTZDtype(tz="UTC"), pd.Grouper(key="a"), pd.IndexSlice, pd.options.display,
        pd.NamedAgg("a", "sum"), frame.dtypes, pd.errors.MergeError(), frame.attrs, frame.to_records(),
        next(frame.itertuples()), pd.option_context("display.max_rows", 5),
    ]  # fmt: skip


def _pyarrow() -> list[Any]:
    table = pa.table({"a": [1, 2], "b": ["x", "y"]})
    struct, lists = pa.array([{"k": 1}]), pa.array([[1]])
    return [
        table, table.to_batches()[0], table["a"], table["a"].chunk(0), table["a"][0], table["b"][0], table.schema,
        table.schema.field(0), pa.int64(), pa.list_(pa.int64()), pa.struct([("k", pa.int64())]), pa.timestamp("s"),
        pa.dictionary(pa.int8(), pa.string()), pa.decimal128(5, 2), struct, struct[0], lists, lists[0],
        table["b"].chunk(0).dictionary_encode(), pa.array([1.5]), pa.array([True]), pa.nulls(1), table.group_by("a"),
        pa.array([datetime.datetime(2024, 1, 1)]), pc.field("a"), pc.field("a") > 1, pc.sum(table["a"]), pc.add,
        pc.SortOptions(), pa.ArrowInvalid(""), csv.ConvertOptions(), csv.ReadOptions(), csv.ParseOptions(),
        pa.map_(pa.string(), pa.int64()), pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int64())),
    ]  # fmt: skip


def _ray() -> list[Any]:
    dataset: Any = ray.data.Dataset
    context = ray.data.DataContext.get_current()
    expression = col("a")
    infer = DataType.from_arrow(pa.int64())
    return [
        dataset, GroupedData, ray.data.Schema, context, type(context), context.execution_options, ray.ObjectRef,
        ray.remote(lambda: 1), ray.remote(Row), expression, lit(1), star(), expression.alias("x"), expression.is_null(),
        expression + 1, expression.str, expression.dt, expression.list, expression.struct, expression.arr, Mean("a"),
        Quantile("a"), AggregateFn, infer, ray.data.ActorPoolStrategy(size=1), ray.data.TaskPoolStrategy(),
        Partitioning(PartitionStyle.HIVE), ray.exceptions.RayError(), ray.exceptions.RayTaskError,
        ray.data.ExecutionResources(),
    ]  # fmt: skip


def library_objects() -> list[Any]:
    """Returns objects of all kinds that allowed functions and attributes return."""
    return [*_standard_library(), *_numpy(), *_pandas(), *_pyarrow(), *_ray()]
