"""Data with missing values, and what pandas and SQL say of it.

The expressions are evaluated on Ray, by the code of an agent, and here with pandas itself.
"""

from __future__ import annotations

import io
import json
import math
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PEOPLE: Final = """\
name,age,fare,sex,cabin,alive,seen,region
Ann,38,71.5,female,C85,true,2020-01-01 10:00:00,NA
Bob,,8.05,male,,false,,EU
Cid,4,16.7,male,"",true,2020-01-02 11:00:00,
Dot,27,,female,C123,true,2020-01-03 23:59:59,EU
Eve,,15.5,,,,2020-01-02 00:00:00,N/A
Fay,61,26.55,female,B58,true,,EU
Gus,17,0,male,null,,2020-01-05 01:00:00,AS
"""
# What people write about a DataFrame `df`. Each gives another number, or fails, if missing values are neither true nor
# false (as in columns of Arrow), or if an empty text is a value.
EXPRESSIONS: Final = (
    "(df['age'] > 30).mean()",
    "(df['age'] > 30).sum()",
    "(df['age'] != 27).sum()",
    "(df['age'] == 27).tolist()",
    "(~(df['age'] > 30)).sum()",
    "len(df[df['age'] < 18])",
    "len(df[~(df['age'] < 18)])",
    "df['age'].mask(df['age'] > 30, 0).isna().sum()",
    "df['age'].where(df['age'] > 30, -1).tolist()",
    "np.where(df['age'] < 18, 'child', 'adult').tolist()",
    "(df['age'] % 2 == 0).sum()",
    "(df['age'] // 10 * 10).value_counts().to_dict()",
    "df['age'].mean()",
    "df['age'].std()",
    "df['age'].median()",
    "df['age'].quantile(0.9)",
    "df['age'].sum()",
    "df['age'].sum(skipna=False)",
    "df['age'].count()",
    "df['age'].dropna().astype(int).tolist()",
    "df['age'].fillna(0).astype(int).sum()",
    "df['age'].isin([27, 61]).sum()",
    "df['age'].between(18, 40).sum()",
    "df['age'].apply(lambda age: age > 30).sum()",
    "df['age'].clip(lower=18).mean()",
    "df['age'].rank().max()",
    "df['age'].cumsum().tolist()",
    "df['age'].diff().tolist()",
    "df['age'].corr(df['fare'])",
    "df['age'].nlargest(2).tolist()",
    "df.sort_values('age')['name'].tolist()",
    "pd.cut(df['age'], [0, 18, 40, 99]).value_counts().sort_index().tolist()",
    "np.isnan(df['age']).sum()",
    "np.log1p(df['age']).sum()",
    "np.nanmean(df['age'].to_numpy())",
    "str(df['age'].dtype)",
    "df['fare'].round().tolist()",
    "(df['fare'] / df['age']).mean()",
    "df['sex'].isna().sum()",
    "df['sex'].nunique()",
    "(df['sex'] == 'female').mean()",
    "(df['sex'] != 'female').sum()",
    "df['sex'].isin(['male']).sum()",
    "df['sex'].value_counts().to_dict()",
    "df['sex'].value_counts(dropna=False).tolist()",
    "df['cabin'].isna().sum()",
    "df['cabin'].notna().mean()",
    "df['cabin'].nunique()",
    "df['cabin'].str.startswith('C').sum()",
    "df['cabin'].str.len().mean()",
    "df['cabin'].str[0].value_counts().to_dict()",
    "df['cabin'].fillna('none').value_counts().to_dict()",
    "(df['cabin'] + '!').isna().sum()",
    "df['region'].isna().sum()",
    "df['region'].value_counts().to_dict()",
    "(df['alive'] == True).sum()",
    "(df['alive'] == False).sum()",
    "(df['alive'] != True).sum()",
    "df['alive'].isna().sum()",
    "df['alive'].sum()",
    "df['alive'].dropna().astype(bool).mean()",
    "df['seen'].dt.hour.mean()",
    "df['seen'].dt.day_name().value_counts().to_dict()",
    "(df['seen'] > pd.Timestamp('2020-01-02')).sum()",
    "df['seen'].max().isoformat()",
    "df['seen'].isna().sum()",
    "df.isna().sum().to_dict()",
    "df.dropna().shape[0]",
    "df.dropna(subset=['age', 'sex'])['name'].tolist()",
    "df.groupby('sex')['age'].mean().to_dict()",
    "df.groupby('sex', dropna=False).size().tolist()",
    "df.groupby('region')['age'].agg(['count', 'sum']).to_dict()",
    "df.groupby('sex')['age'].transform('mean').tolist()",
    "df.groupby(df['age'] > 30).size().tolist()",
    "df.pivot_table(index='sex', values='age', aggfunc='mean')['age'].tolist()",
    "df.drop_duplicates('region').shape[0]",
    "df.describe().loc['count'].to_dict()",
)
_FUNCTION: Final = '''\
def answers(df):
    """Returns each expression's value, or the name of the error, as JSON."""
    found = []
    for ask in {asks}:
        try:
            value = ask(df)
        except Exception as error:
            value = type(error).__name__
        found.append(json.dumps(value, default=plain))
    return pd.DataFrame({{"answer": found}})


def plain(value):
    """Returns what JSON can hold."""
    if value is pd.NA:
        return "pd.NA"
    return value.item() if hasattr(value, "item") else str(value)
'''
# An agent's script: the same expressions in tasks, on groups, and on the driver.
SCRIPT: Final = """\
import json

import numpy as np
import pandas as pd
from raylane_run import read

{function}

ds = read({uri!r})
tasks = ds.map_batches(answers, batch_format="pandas", batch_size=None)
print(json.dumps({{
    "map_batches": [row["answer"] for row in tasks.take_all()],
    "to_pandas": answers(ds.to_pandas())["answer"].tolist(),
    "map_groups": [
        row["answer"]
        for row in ds.add_column("all", lambda df: 1).groupby("all").map_groups(
            lambda df: answers(df.drop(columns="all").sort_values("name")), batch_format="pandas"
        ).take_all()
    ],
}}))
"""
# A file of two row groups, with NaN, large integers and zeros of both signs.
BLOCKS: Final[dict[str, dict[str, list[Any]]]] = {
    "a": {"x": [1.0, math.nan, 3.0], "n": [9 * 10**18, 1, None], "zero": [0.0, -0.0, 1.0], "k": ["u", "u", "v"]},
    "b": {"x": [10.0, 20.0], "n": [9 * 10**18, 2], "zero": [0.0, -0.0], "k": ["u", None]},
}
# An agent's script: Ray's own aggregates of a column with NaN, read or computed.
NAN_SCRIPT: Final = """\
import json

import pyarrow as pa
from raylane_run import read
from ray.data.aggregate import Count, CountDistinct, Mean, Quantile, Std, Sum
from ray.data.datatype import DataType
from ray.data.expressions import col

ds = read({uri!r}).repartition(2)
made = ds.map_batches(lambda batch: {{"x": batch["x"] - 1, "list": [[1.0]] * len(batch["x"])}})
exact = ds.with_column("n", col("n").cast(DataType.from_arrow(pa.decimal128(38, 0))))
print(json.dumps({{
    "mean": ds.mean("x"),
    "sum": ds.sum("x"),
    "std": ds.std("x"),
    "min": ds.min("x"),
    "max": ds.max("x"),
    "two": ds.sum(["x", "zero"]),
    "aggregate": ds.aggregate(
        Mean("x"),
        Std("x", ddof=0, alias_name="deviation"),
        Quantile("x", q=0.25, alias_name="quarter"),
        CountDistinct("x"),
        Count("x", ignore_nulls=True),
    ),
    "groups": {{str(row["k"]): row["mean(x)"] for row in ds.groupby("k").mean("x").iter_rows()}},
    "keys": sorted(row["count()"] for row in ds.groupby("x").count().iter_rows()),
    "unique": len(ds.unique("x")),
    "made": made.mean("x"),
    "exact": int(exact.sum("n")),
}}))
"""


def blocks_as_parquet() -> bytes:
    """Returns a file with the blocks as its row groups."""
    file = io.BytesIO()
    tables = [
        pa.table({name: pa.array(values, from_pandas=False) for name, values in columns.items()})
        for columns in BLOCKS.values()
    ]
    with pq.ParquetWriter(file, tables[0].schema) as writer:
        for table in tables:
            writer.write_table(table)
    return file.getvalue()


def nan_by_pandas() -> dict[str, Any]:
    """Returns what pandas says without Ray to the questions of `NAN_SCRIPT`."""
    frame = pd.concat(pd.DataFrame(columns) for columns in BLOCKS.values())
    x = frame["x"]
    return {
        "mean": x.mean(),
        "sum": x.sum(),
        "std": x.std(),
        "min": x.min(),
        "max": x.max(),
        "two": {"sum(x)": x.sum(), "sum(zero)": frame["zero"].sum()},
        "aggregate": {
            "mean(x)": x.mean(),
            "deviation": x.std(ddof=0),
            "quarter": x.quantile(0.25),
            "count_distinct(x)": x.nunique(),
            "count(x)": int(x.count()),
        },
        "groups": {str(key): x for key, x in frame.fillna({"k": "None"}).groupby("k")["x"].mean().items()},
        "keys": sorted(frame.groupby("x", dropna=False).size().tolist()),
        "unique": len(x.unique()),
        "made": (x - 1).mean(),
        "exact": sum(number for columns in BLOCKS.values() for number in columns["n"] if number is not None),
    }


def function() -> str:
    """Returns the source of the function that evaluates the expressions."""
    asks = "[" + ", ".join(f"lambda df: {one}" for one in EXPRESSIONS) + "]"
    return _FUNCTION.format(asks=asks)


def by_pandas() -> list[str]:
    """Returns the answers of pandas without Ray."""
    names: dict[str, Any] = {"pd": pd, "np": np, "json": json}
    exec(function(), names)
    frame = pd.read_csv(io.StringIO(PEOPLE), parse_dates=["seen"])
    return list(names["answers"](frame)["answer"])


def same(one: str, other: str) -> bool:
    """Returns whether two answers are equal."""
    return close(json.loads(one), json.loads(other))


def close(one: Any, other: Any) -> bool:
    """Returns whether two values of JSON are equal, with NaN equal to NaN and floats to 9 digits."""
    if isinstance(one, float) and isinstance(other, float | int):
        return (math.isnan(one) and math.isnan(other)) or math.isclose(one, other, rel_tol=1e-9)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(close(one[key], other[key]) for key in one)
    return bool(one == other)
