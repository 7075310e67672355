"""Prompts of every form about files and tables, with the answers that pandas has, or that are counted by hand."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import Column, ColumnType, FileSource, Partition, Source, TableSource
from raylane_worker.generation.template.generator import write
from tests.helpers.files import uploaded
from tests.helpers.typed_rows import rows, same
from tests.integration import missing_value_cases
from tests.integration.other_files import other_files

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from raylane_common.wire.names import Engine
    from tests.helpers.kit import Ran

BUCKET = "templates"

DIRTY = '''\
,n,ratio,text,day,at,ok,"""); import os #",😀 x,zip
x,1,0.5,a|b,2020-01-01,2020-01-01 10:00:00,true,1,5,00501
y,2,,"line
break",2020-01-02,2020-01-02 10:00:00,false,2,5,01234
x,,-3.5,,2020-01-03,,true,3,6,00501
,4,1e-7,a|b,,2020-01-04 10:00:00,,4,6,99999
z,,,größer,2020-01-01,2020-01-01 10:00:00,true,5,7,00000
'''


def column(name: str, kind: ColumnType, native: str = "") -> Column:
    return Column(name=name, type=kind, native_type=native or str(kind))


@dataclass
class Store:
    """Objects to put on S3, and the sources that describe them."""

    objects: dict[str, bytes] = field(default_factory=dict)
    tables: list[TableSource] = field(default_factory=list)
    partitions: dict[str, tuple[Partition, ...]] = field(default_factory=dict)

    def csv(self, filename: str, data: bytes) -> FileSource:
        source, objects = uploaded(filename, data, bucket=BUCKET, session_id="s-1")
        self.objects |= objects
        return source

    def table(self, name: str, files: dict[str, bytes], **fields: Any) -> TableSource:
        self.objects |= {f"lake/{name}/{path}": data for path, data in files.items()}
        location = f"s3://{BUCKET}/lake/{name}/"
        source = TableSource(database="lake", table=name, location=location, job_id="j", **fields)
        directories = dict.fromkeys(path.rpartition("/")[0] for path in files)
        if source.partition_keys:
            values = {one: tuple(pair.partition("=")[2] for pair in one.split("/")) for one in directories}
            found = (Partition(values=values[one], location=f"{one}/") for one in directories)
            self.partitions[source.name] = tuple(found)
        self.tables = [one for one in self.tables if one.name != source.name] + [source]
        return source


STORE = Store()


_WEATHER_TYPES = {"date": "date", "weather": "string"}


def weather_cases() -> dict[str, Callable[[pd.DataFrame], Any]]:
    windy = "wind > 3"
    return {
        "average temp_max by weather": lambda d: d.groupby("weather")["temp_max"].mean().items(),
        "first 5 rows": lambda d: d.head(5).to_numpy().tolist(),
        "how many rows": lambda d: [[len(d)]],
        "describe": lambda d: d.describe().T.reset_index().to_numpy().tolist(),
        "sum of precipitation": lambda d: [[d["precipitation"].sum()]],
        "max and min of wind per weather": lambda d: d.groupby("weather")["wind"].agg(["max", "min"]).itertuples(),
        "median and std of temp_min by weather": lambda d: (
            d.groupby("weather")["temp_min"].agg(["median", "std"]).itertuples()
        ),
        "median temp_max": lambda d: [[d["temp_max"].median()]],
        "count distinct weather and wind": lambda d: [[d["weather"].nunique(), d["wind"].nunique()]],
        "number of unique wind by weather": lambda d: d.groupby("weather")["wind"].nunique().items(),
        "top 5 by temp_max": lambda d: (
            d.sort_values(["temp_max", "date"], ascending=[False, True]).head(5).to_numpy().tolist()
        ),
        "bottom 4 by wind": lambda d: d.sort_values(["wind", "date"]).head(4).to_numpy().tolist(),
        "top 3 weather by average temp_max": lambda d: d.groupby("weather")["temp_max"].mean().nlargest(3).items(),
        "bottom 2 weather by count": lambda d: d.groupby("weather").size().nsmallest(2).items(),
        "count where weather = 'rain'": lambda d: [[(d["weather"] == "rain").sum()]],
        "average temp_max by weather where wind > 3": lambda d: (
            d.query(windy).groupby("weather")["temp_max"].mean().items()
        ),
        "count rows by weather": lambda d: d.groupby("weather").size().items(),
        "rows where weather in (snow, fog) and temp_max between 9 and 9.5": lambda d: (
            d[d["weather"].isin(["snow", "fog"]) & d["temp_max"].between(9, 9.5)].to_numpy().tolist()
        ),
        "distinct weather where weather contains 'n'": lambda d: (
            d[d["weather"].str.contains("n")].groupby("weather").size().items()
        ),
        "missing values": lambda d: [[name, 0, 0] for name in d.columns],
        "sum and median of wind where wind > 1000": lambda d: [[None, None]],
        "count distinct date": lambda d: [[d["date"].nunique()]],
        "columns": lambda d: [[name, _WEATHER_TYPES.get(name, "number")] for name in d.columns],
    }


DIRTY_CASES: dict[str, list[list[object]]] = {
    "how many rows": [[5]],
    "sum, mean and median of n": [[7, 7 / 3, 2]],
    "sum of ratio by column_1": [["x", -3], ["y", None], ["z", None], [None, 1e-7]],
    "median ratio by column_1": [["x", -1.5], ["y", None], ["z", None], [None, 1e-7]],
    "count rows by at": [
        ["2020-01-01T10:00:00", 2],
        ["2020-01-02T10:00:00", 1],
        ["2020-01-04T10:00:00", 1],
        [None, 1],
    ],
    "max at and min day by ok": [
        [False, "2020-01-02T10:00:00", "2020-01-02"],
        [True, "2020-01-01T10:00:00", "2020-01-01"],
        [None, "2020-01-04T10:00:00", None],
    ],
    "distinct text": [["a|b", 2], ["größer", 1], ["line\nbreak", 1], [None, 1]],
    "missing values in n, text, day and column_1": [["n", 2, 40], ["text", 1, 20], ["day", 1, 20], ["column_1", 1, 20]],
    "count rows where text is missing": [[1]],
    "count rows where n is missing": [[2]],
    "count rows where day >= 2020-01-02": [[2]],
    "count rows where day in ('2020-01-01', 2020-01-03)": [[3]],
    "count rows where at > '2020-01-01 10:00:00' and ok = false": [[1]],
    'sum of `"); import os #` where "😀 x" = 6': [[7]],
    """distinct text where text in ('a|b', 'größer') and "😀 x" between 1 and 9""": [["a|b", 2], ["größer", 1]],
    "count rows where zip = '00501'": [[2]],
    "count where text contains 'ß'": [[1]],
    "count where text contains '|' and text != 'größer'": [[2]],
    'top 1 by "😀 x"': [
        ["z", None, None, "größer", "2020-01-01", "2020-01-01T10:00:00", True, 5, 7, "00000"],
    ],
    'average "😀 x" by zip': [["00000", 7], ["00501", 5.5], ["01234", 5], ["99999", 6]],
    "top 2 by n": [
        [None, 4, 1e-7, "a|b", None, "2020-01-04T10:00:00", None, 4, 6, "99999"],
        ["y", 2, None, "line\nbreak", "2020-01-02", "2020-01-02T10:00:00", False, 2, 5, "01234"],
    ],
    "standard deviation of n by column_1": [["x", None], ["y", None], ["z", None], [None, None]],
    "describe n": [["n", 3, 7 / 3, 1.5275252316519465, 1, 1.5, 2, 3, 4]],
}
HEADER_ONLY_CASES: dict[str, list[list[object]]] = {
    "how many rows": [[0]],
    "first 3 rows": [],
    "missing values": [["a", 0, None], ["b", 0, None]],
}


def tables() -> dict[str, tuple[TableSource, dict[str, list[list[object]]]]]:
    frame = pa.table(
        {
            "name": ["x", "y", None],
            "price": pa.array([Decimal("1.50"), None, Decimal("2.25")], pa.decimal128(10, 2)),
            "at": pa.array([datetime(2020, 1, 1, tzinfo=UTC), None, datetime(2020, 1, 2, tzinfo=UTC)]),
            "tags": [["a"], None, []],
        }
    )
    parquet = io.BytesIO()
    pq.write_table(frame, parquet)
    number, text = ColumnType.NUMBER, ColumnType.STRING
    return {
        "tab-separated, without header, partitioned": (
            STORE.table(
                "tsv",
                {
                    "year=2020/day=2020-05-01/part-0": b"x\t1.5\t001\nz\t\t003\n",
                    "year=2021/day=2021-06-01/part-0": b"y\t3\t001\n",
                },
                reading=TableReading(serde=SerDe.LAZY_SIMPLE, delimiter="\t"),
                columns=(column("name", text), column("price", number, "double"), column("code", text)),
                partition_keys=(column("year", ColumnType.INTEGER), column("day", ColumnType.DATE)),
            ),
            {
                "how many rows": [[3]],
                "sum of price by year": [[2020, 1.5], [2021, 3]],
                "count where code = 001": [[2]],
                "count where year > 2020": [[1]],
                "count where day >= 2021-01-01": [[1]],
                "count rows by day": [["2020-05-01", 2], ["2021-06-01", 1]],
                "top 1 by price": [["y", 3, "001", 2021, "2021-06-01"]],
            },
        ),
        "csv with a header of other names": (
            STORE.table(
                "headed",
                {"a.txt": b"Name,Price\nx,1\n", "_SUCCESS": b""},
                reading=TableReading(serde=SerDe.LAZY_SIMPLE, skip_lines=1),
                columns=(column("name", text), column("price", number, "double")),
            ),
            {"first 3 rows": [["x", 1]], "average price by name": [["x", 1]]},
        ),
        "parquet without extension": (
            STORE.table(
                "pq",
                {"year=2020/000000_0": parquet.getvalue(), "year=2021/b.parquet": parquet.getvalue()},
                reading=TableReading(serde=SerDe.PARQUET),
                columns=(
                    column("name", text),
                    column("price", number, "decimal(10,2)"),
                    column("at", ColumnType.TIMESTAMP, "timestamp"),
                    column("tags", ColumnType.OTHER, "array<string>"),
                ),
                partition_keys=(column("year", ColumnType.INTEGER),),
            ),
            {
                "how many rows": [[6]],
                "sum, std and median of price": [[Decimal("7.50"), 0.4330127018922193, 1.875]],
                "max price by name": [["x", Decimal("1.50")], ["y", None], [None, Decimal("2.25")]],
                "count where at >= '2020-01-02 00:00:00'": [[2]],
                "count rows by at": [["2020-01-01T00:00:00", 2], ["2020-01-02T00:00:00", 2], [None, 2]],
                "count where year = 2021 and name = 'x'": [[1]],
                "missing values in price": [["price", 2, 100 / 3]],
            },
        ),
        "json lines": (
            STORE.table(
                "js",
                {"part-0": b'{"name":"x","n":1,"date":"2020-01-01"}\n{"name":"y","n":null,"date":"2020-02-01"}\n'},
                reading=TableReading(serde=SerDe.OPENX_JSON),
                columns=(column("name", text), column("n", ColumnType.INTEGER), column("date", ColumnType.DATE)),
            ),
            {
                "sum of n by name": [["x", 1], ["y", None]],
                "count where date > 2020-01-15": [[1]],
                "max date": [["2020-02-01"]],
            },
        ),
    }


PEOPLE_CASES: dict[str, list[list[object]]] = {
    "how many rows": [[7]],
    "missing values in age, sex, cabin and region": [
        [name, count, 100 * count / 7] for name, count in (("age", 2), ("sex", 1), ("cabin", 4), ("region", 3))
    ],
    "count distinct sex and cabin": [[2, 3]],
    "count distinct cabin by sex": [["female", 3], ["male", 0], [None, 0]],
    "count rows by region": [["AS", 1], ["EU", 3], [None, 3]],
    "distinct sex and alive where region is missing": [["female", True, 1], ["male", True, 1], [None, None, 1]],
    "count where cabin is missing": [[4]],
    "count where sex != 'female'": [[3]],
    "count where age != 27": [[4]],
    "mean of age by sex": [["female", 42], ["male", 10.5], [None, None]],
    "top 1 by age": [["Fay", 61, 26.55, "female", "B58", True, None, "EU"]],
    "median and std of age where sex = 'female'": [[38, math.sqrt(301)]],
    "rows where age > 30 and region is missing": [
        ["Ann", 38, 71.5, "female", "C85", True, "2020-01-01T10:00:00", None]
    ],
}


def blocks() -> tuple[TableSource, dict[str, list[list[object]]]]:
    """The table of two files, and prompts about it."""
    large = 9 * 10**18
    files = {}
    for name, columns in missing_value_cases.BLOCKS.items():
        files[name] = io.BytesIO()
        pq.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), files[name])
    source = STORE.table(
        "blocks",
        {name: file.getvalue() for name, file in files.items()},
        reading=TableReading(serde=SerDe.PARQUET),
        columns=(
            column("x", ColumnType.NUMBER, "double"),
            column("n", ColumnType.INTEGER, "bigint"),
            column("zero", ColumnType.NUMBER, "double"),
            column("k", ColumnType.STRING),
        ),
    )
    x = pd.Series([1.0, math.nan, 3.0, 10.0, 20.0])
    n = pd.Series([float(large), 1, large, 2])
    without_quartiles = ["count", "mean", "std", "min", "max"]
    return source, {
        "mean x": [[8.5]],
        "sum, std, min, max and median of x": [[34, x.std(), 1, 20, x.median()]],
        "count distinct x": [[4]],
        "sum and mean of x by k": [["u", 11, 5.5], ["v", 3, 3], [None, 20, 20]],
        "describe x": [["x", *x.describe()[without_quartiles]]],
        "missing values in x and n": [["x", 1, 20], ["n", 1, 20]],
        "count rows by x": [[1, 1], [3, 1], [10, 1], [20, 1], [None, 1]],
        "count where x != 1": [[3]],
        "count where x is missing": [[1]],
        "count where x < 5": [[2]],
        "top 1 by x": [[20, 2, 0, None]],
        "bottom 4 by x": [[1, large, 0, "u"], [3, None, 1, "v"], [10, large, 0, "u"], [20, 2, 0, None]],
        "top 1 k by mean x": [[None, 20]],
        "sum of n": [[2 * large + 3]],
        "sum of n by k": [["u", 2 * large + 1], ["v", None], [None, 2]],
        "mean, std, min and max of n": [[n.mean(), n.std(), 1, large]],
        "describe n": [["n", *n.describe()[without_quartiles]]],
        "count rows by zero": [[0, 4], [1, 1]],
        "count distinct zero": [[2]],
        "count where zero >= 0": [[5]],
    }


@dataclass(frozen=True)
class Case:
    """A prompt about a source, and the rows of its answer. Several values are one row."""

    source: Source
    prompt: str
    rows: list[list[object]]

    def code(self, engine: Engine) -> str:
        return write(self.prompt, [self.source], engine=engine).code

    def difference(self, ran: Ran) -> list[str]:
        """Returns what is wrong with the answer, if anything is."""
        found = [] if ran.answer is None else rows(ran.answer)
        if ran.answer is not None and len(found) == len(self.rows) and all(map(same, found, self.rows)):
            return []
        return [f"{self.source.name}: {self.prompt}\nexpected {self.rows}\n{ran.error or ran.output}"]


MORE_FILES: dict[str, tuple[str, dict[str, list[list[object]]]]] = {
    "dirt, 100% #1 ü+=.csv": (DIRTY, DIRTY_CASES),
    "header only.csv": ("a,b\n", HEADER_ONLY_CASES),
    "people.csv": (missing_value_cases.PEOPLE, PEOPLE_CASES),
    "nan.csv": ('v\n1\nNaN\n4\nnan\n""\n', {"mean v": [[2.5]], "missing values": [["v", 3, 60]]}),
}


def template_cases(weather: Path) -> list[Case]:
    frame = pd.read_csv(weather)
    # Written as 2012/01/31, and read as dates.
    frame["date"] = frame["date"].str.replace("/", "-")
    source: Source = STORE.csv(weather.name, weather.read_bytes())
    cases = [Case(source, prompt, list(map(list, of(frame)))) for prompt, of in weather_cases().items()]
    for filename, (data, prompts) in MORE_FILES.items():
        source = STORE.csv(filename, data.encode())
        cases += [Case(source, prompt, right) for prompt, right in prompts.items()]
    for filename, (packed, prompts) in other_files().items():
        source = STORE.csv(filename, packed)
        cases += [Case(source, prompt, right) for prompt, right in prompts.items()]
    cases += [Case(found, prompt, right) for found, of in tables().values() for prompt, right in of.items()]
    table_of_blocks, prompts = blocks()
    return cases + [Case(table_of_blocks, prompt, right) for prompt, right in prompts.items()]
