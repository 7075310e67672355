"""Answers from datasets of a real Ray: whole, in their order, and with the types of all blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.answers import chart, file, table, types, value
from tests.helpers.ray_scripts import RUN_TIMEOUT_S, Batch

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from raylane_common.wire.answer import Answer
    from raylane_worker.embedded import EmbeddedMoto
    from tests.helpers.kit import Ran

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(RUN_TIMEOUT_S + 60),
    pytest.mark.xdist_group("ray_head"),
]

START = """\
import os
import pandas as pd, pyarrow as pa, pyarrow.parquet as pq
import ray
from raylane_run import answer
ray.data.DataContext.get_current().execution_options.preserve_order = True
"""
BLOCKS = """\
ds = ray.data.from_arrow([
    pa.table({"x": pa.nulls(2), "d": pa.array([1, 2], pa.date32()), "t": pa.array(["a", None]).dictionary_encode()}),
    pa.table({"x": pa.array([1.5, float("nan")]), "d": pa.array([3, None], pa.date32()), "t": ["b", "c"]}),
])
"""


def _is_long(answer: Answer) -> None:
    found = table(answer)
    assert (found.total_rows, found.rows[0], found.rows[-1], len(found.rows)) == (100_000, (0, 0), (999, 2), 1000)
    assert found.file is not None
    assert found.file.rows == 100_000


def _has_types_of_all_blocks(answer: Answer) -> None:
    found = table(answer)
    assert types(found.columns) == ["number", "date", "string"]
    assert found.rows == (
        (None, "1970-01-02", "a"),
        (None, "1970-01-03", None),
        (1.5, "1970-01-04", "b"),
        (None, None, "c"),
    )


def _is_empty(answer: Answer) -> None:
    assert answer.is_empty
    assert [column.name for column in table(answer).columns] == ["id", "half"]


def _has_aggregates(answer: Answer) -> None:
    assert value(answer).value == {"sum(id)": 45}
    assert table(answer, 1).rows == ((45,),)
    assert table(answer, 2).rows == ((0, 5), (1, 5))
    assert table(answer, 3).rows == ((0,), (1,))


def _has_charts(answer: Answer) -> None:
    assert sum(int(str(row[2])) for row in chart(answer).rows) == 20_000
    assert chart(answer, 1).rows == (
        (0, 0.0, 4999.5, 9999.0, 14998.5, 19998.0),
        (1, 1.0, 5000.5, 10000.0, 14999.5, 19999.0),
    )
    assert chart(answer, 2).rows == ((0, 0), (1, 1))


def _has_files(answer: Answer) -> None:
    assert [(file(answer, at).name, file(answer, at).rows) for at in range(3)] == [
        ("a.parquet", 5000),
        ("a.csv", 5000),
        ("a.json", 5000),
    ]


def _has_odd_columns(answer: Answer) -> None:
    found = table(answer)
    assert types(found.columns) == ["nested", "nested", "integer"]
    assert found.rows[1] == ([[1, 1], [1, 1]], {"k": "1"}, 2)


LONG = """\
ds = ray.data.range(100_000, override_num_blocks=7).map_batches(lambda b: {"id": b["id"], "r": b["id"] // 400})
answer.table(ds)
ids = pq.read_table(os.environ["RAYLANE_OUTPUT_URI"] + "/table-1.parquet").column("id").to_pylist()
print(ids == list(range(100_000)))
"""
NO_ROWS = """\
ds = ray.data.range(10).map_batches(lambda b: {"id": b["id"], "half": b["id"] / 2}).filter(lambda row: False)
answer.table(ray.data.from_arrow(pa.schema([("id", pa.int64()), ("half", pa.float64())]).empty_table()))
try:
    answer.table(ds)
except ValueError as error:
    print(error)
"""
AGGREGATES = """\
from ray.data.aggregate import Sum
ds = ray.data.range(10)
totals = ds.aggregate(Sum("id"))
answer.value("sum", totals)
answer.table(totals)
answer.table(ds.map_batches(lambda b: {"k": b["id"] % 2}).groupby("k").count().sort("k"))
answer.table(ds.take(2))
"""
CHARTS = """\
ds = ray.data.range(20_000).map_batches(lambda b: {"id": b["id"], "k": b["id"] % 2, "rest": b["id"]})
answer.chart("histogram", data=ds, x="id")
answer.chart("box", data=ds, x="k", y="id")
answer.chart("line", data=ds.limit(2), x="id", y="rest")
for x in ("k", "kk"):
    try:
        answer.chart("bar", data=ds, x=x, y="id")
    except ValueError as error:
        print(error)
"""
FILES = """\
ds = ray.data.range(5000, override_num_blocks=3)
for name in ("a.parquet", "a.csv", "a.json"):
    answer.file(ds, name)
print(pd.read_csv(os.environ["RAYLANE_OUTPUT_URI"] + "/a.csv")["id"].is_monotonic_increasing)
"""
ODD = """\
import numpy as np
ds = ray.data.range(3)
ds = ds.map_batches(lambda b: {"m": np.stack([np.full((2, 2), i) for i in b["id"]]), "n": b["id"]})
ds = ds.map(lambda row: {"m": row["m"], "o": {"k": str(row["n"])}, "n": int(row["n"]) + 1})
answer.table(ds)
"""
TOO_MANY = "a bar chart shows at most 5,000 rows; aggregate first, or draw a histogram or box"
UNKNOWN = "bar chart: the data has no column 'kk' for x; did you mean 'k'?"
# A script, what it prints, and a check of its answer.
CASES: dict[str, tuple[str, str, Callable[[Answer], None]]] = {
    "a long dataset": (LONG, "True", _is_long),
    "blocks of several types": (f"{BLOCKS}answer.table(ds)", "", _has_types_of_all_blocks),
    "no rows": (NO_ROWS, "", _is_empty),
    "aggregates": (AGGREGATES, "", _has_aggregates),
    "charts": (CHARTS, f"{TOO_MANY}\n{UNKNOWN}", _has_charts),
    "files": (FILES, "True", _has_files),
    "tensors and objects": (ODD, "", _has_odd_columns),
}


def batch(moto: EmbeddedMoto, weather: Path) -> Batch:
    return Batch([START + code for code, _, _ in CASES.values()])


@pytest.mark.parametrize("name", CASES)
def test_a_dataset_is_an_answer(results_on_ray: list[Ran], name: str) -> None:
    _, printed, check = CASES[name]
    ran = results_on_ray[list(CASES).index(name)]

    assert ran.error is None, ran.error
    assert ran.answer is not None
    assert printed in ran.output
    check(ran.answer)
