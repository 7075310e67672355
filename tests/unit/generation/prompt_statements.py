"""What the prompts of the agents say, as pieces of scripts that are run: (piece, what it prints)."""

from __future__ import annotations

from typing import Final

from raylane_worker.generation.checks.cluster import NOT_OF_DATASET, NOT_OF_GROUPS
from raylane_worker.generation.checks.operators import RENAMED, RENAMED_TEXT, RENAMED_TIME

LOCATION: Final = "s3://lake/sessions/ada/csv/sales.csv"
SALES: Final = """\
city,price,amount,sold,day,at,id,key
Köln,1.5,1,true,2020-01-01,10:30:00,9000000000000000000,a
Köln,2.5,2,false,2020-01-02,09:00:00,9000000000000000000,
,4.0,,true,2020-02-01,10:30:00,,b
Bonn,,8,,,,2,
"""
IMPORTS: Final = """\
import datetime
from decimal import Decimal
import json
import numpy as np
import pandas as pd
"""
NAMES: Final = """\
x = frame["price"]
edges = [0, 2, 4]
"""
# On the frame of `SALES`.
LOCAL: Final = {
    "types": (
        "print(frame.dtypes.map(str).to_dict())",
        (
            "{'city': 'object', 'price': 'float64', 'amount': 'float64', 'sold': 'object', 'day': 'datetime64[s]', "
            "'at': 'object', 'id': 'object', 'key': 'object'}"
        ),
    ),
    "integers stay exact": ("print(frame['id'].sum() == 18 * 10**18 + 2, type(frame['id'][0]).__name__)", "True int"),
    "times": (
        "print(frame['at'].dropna().min() == datetime.time(9), (frame['at'] < datetime.time(10)).sum())",
        "True 1",
    ),
    "a missing cell is NaN or NaT": (
        "print(frame.isna().sum().sum(), frame['day'][3], frame['city'][2], (frame['city'] == '').any())",
        "9 NaT nan False",
    ),
    "rows keep their order": ("print(frame['amount'].tolist())", "[1.0, 2.0, nan, 8.0]"),
    "dates are compared with text": (
        'print((frame["day"] >= "2020-01-31").tolist(), (frame["day"] >= pd.Timestamp("2020-01-31")).sum())',
        "[False, False, True, False] 1",
    ),
    "a date is no timestamp": ("print((frame['day'] == datetime.date(2020, 1, 1)).any())", "False"),
    "unequal and not are true for missing cells": (
        "print((x < 9).sum(), (x != 1.5).sum(), (~(x < 9)).sum(), ((x != 1.5) & frame['price'].notna()).sum())",
        "3 3 1 2",
    ),
    "parts of texts": (
        'print(frame["city"].str.contains("öl", regex=False, na=False).tolist())',
        "[True, True, False, False]",
    ),
    "booleans with missing values": (
        'print((frame["sold"] == True).tolist(), frame["sold"].sum())',
        "[True, False, True, False] 2",
    ),
    "groups of missing keys": (
        "print(frame.groupby('city').ngroups, frame.groupby('city', dropna=False).ngroups)",
        "2 3",
    ),
    "sums of missing values": (
        (
            "bonn = frame[frame['city'] == 'Bonn'].groupby('city')['price']\nprint(bonn.sum()[0:].tolist(), "
            "bonn.sum(min_count=1).tolist())"
        ),
        "[0.0] [nan]",
    ),
    "missing keys match each other": (
        (
            "other = frame[['key', 'amount']]\n"
            "print(len(frame.merge(other, on='key')), len(frame.merge(other.dropna(subset=['key']), on='key')), "
            "len(frame.merge(other.dropna(subset=['key']), on='key', how='left', validate='many_to_one')))"
        ),
        "6 2 4",
    ),
    "months and years": (
        'print(frame["day"].dt.strftime("%Y-%m").tolist(), frame["day"].dt.year.dtype)',
        "['2020-01', '2020-01', '2020-02', nan] float64",
    ),
    "bins": (
        (
            'banded = frame.assign(band=pd.cut(frame["price"], edges, labels=["low", "high"]))\n'
            "print(banded.groupby(\"band\", observed=True)['price'].sum().reset_index().values.tolist())"
        ),
        "[['low', 1.5], ['high', 6.5]]",
    ),
    "decimals": (
        (
            "prices = pd.Series([Decimal('1.10'), Decimal('2.20'), np.nan], dtype=object)\n"
            "print(prices.sum(), (prices.astype(float) * x).tolist())"
        ),
        "3.30 [1.6500000000000001, 5.5, nan, nan]",
    ),
    "correlations": (
        (
            'ranks = frame.corr(method="spearman", numeric_only=True).rename_axis("column").reset_index()\n'
            "print(ranks.columns.tolist(), ranks['column'].tolist(), ranks['price'].tolist())"
        ),
        "['column', 'price', 'amount'] ['price', 'amount'] [1.0, 1.0]",
    ),
    "counts of values": (
        'print(frame["city"].value_counts(dropna=False).reset_index().values.tolist())',
        "[['Köln', 2], [nan, 1], ['Bonn', 1]]",
    ),
    "what pandas and numpy have": (
        (
            "print([name for name in 'ffill map pivot_table'.split() if not hasattr(frame, name)],"
            " pd.date_range('2020', periods=2, freq='ME').size, pd.date_range('2020', periods=2, freq='h').size,"
            " np.trapezoid([1, 3]), np.std([1, 2]), np.std([1, 2], ddof=1) == pd.Series([1, 2]).std())\n"
            'frame.loc[x > 2, "x"] = 1\nprint(frame["x"].sum())'
        ),
        "[] 2 2 2.0 0.5 True\n2.0",
    ),
    "a seed": ("print(frame.sample(2, random_state=0).equals(frame.sample(2, random_state=0)))", "True"),
}


# On the dataset `ds`, and its `frame`, of ray_cases.
DISTRIBUTED: Final = {
    "aggregates are a dict": (
        "print(ds.aggregate(Mean('price'), Count()))",
        "{'mean(price)': 2.6666666666666665, 'count()': 4}",
    ),
    "values and rows": (
        (
            'priced = ds.rename_columns({"price": "x"})\n'
            'print(priced.aggregate(Count("x", ignore_nulls=True)), priced.aggregate(Count()))'
        ),
        "{'count(x)': 3} {'count()': 4}",
    ),
    "a quantile is interpolated": ("print(ds.aggregate(Quantile('amount', q=0.5)))", "{'quantile(amount)': 2.5}"),
    "a deviation of a sample": ("print(round(ds.std('price'), 4))", "1.2583"),
    "nulls are last in either order": (
        "print([[row['price'] for row in ds.sort('price', descending=down).take(4)] for down in (False, True)])",
        "[[1.5, 2.5, 4.0, None], [4.0, 2.5, 1.5, None]]",
    ),
    "a condition on a null is not true": ("print(ds.filter(expr=col('price') != 4).count())", "2"),
    "unique has null": (
        "print(ds.unique('price'), ds.unique('price', True))",
        "[1.5, 2.5, 4.0, None] [1.5, 2.5, 4.0]",
    ),
    "a join by looking up": (
        (
            'people = ray.data.from_items([{"id": 1, "name": "Ada"}, {"id": 8, "name": "Bob"}])\n'
            'sales = ds.rename_columns({"amount": "id"})\n'
            'names = {row["id"]: row["name"] for row in people.take_all()}\n'
            "joined = "
            'sales.map_batches(lambda frame: frame.assign(name=frame["id"].map(names)), batch_format="pandas")\n'
            'print([row["name"] for row in joined.take(4)])'
        ),
        "['Ada', None, None, 'Bob']",
    ),
    "texts that are not ASCII": ('print(ds.filter(lambda row: row["city"] == "Köln").count())', "2"),
    "dates": (
        (
            "print(ds.filter(expr=col('day') >= datetime.date(2020, 2, 1)).count(), "
            "ds.filter(expr=col('day').dt.year() == 2020).count())"
        ),
        "2 4",
    ),
    "times of day": (
        (
            "import pyarrow as pa\n"
            "def clock(frame):\n"
            "    return frame.assign(t=datetime.time(10, 30))\n"
            'text = col("t").cast(DataType.from_arrow(pa.string())).str.replace_regex(r"\\.0+$", "")\n'
            "print(ds.map_batches(clock, batch_format='pandas').with_column('t', text).unique('t'))"
        ),
        "['10:30:00']",
    ),
    "a division of integers": (
        (
            'numbers = ray.data.from_items([{"a": 1, "b": 2}])\n'
            'halved = numbers.with_column("x", col("a") * 1.0 / col("b")).with_column("y", col("a") / col("b"))\n'
            "print(halved.take(1))"
        ),
        "[{'a': 1, 'b': 2, 'x': 0.5, 'y': 0}]",
    ),
    "NaN in a condition": (
        (
            "nan = ds.map_batches(lambda batch: {'x': np.array([1.0, np.nan])}, batch_format='numpy')\n"
            "present = col('x').is_not_null()\n"
            'print(nan.filter(expr=present).count(), nan.filter(expr=present & (col("x") == col("x"))).count(),'
            " nan.aggregate(Mean('x')))"
        ),
        "2 1 {'mean(x)': 1.0}",
    ),
    "a large sum": (
        (
            "import pyarrow as pa\n"
            "large = ds.map_batches(lambda batch: {'n': np.array([2**62, 2**62, 2**62])}, batch_format='numpy')\n"
            'exact = large.with_column("n", col("n").cast(DataType.from_arrow(pa.decimal128(38, 0))))\n'
            "print(large.sum('n') == 3 * 2**62, int(exact.sum('n')) == 3 * 2**62)"
        ),
        "False True",
    ),
    "functions of groups": (
        (
            "def spread(group):\n"
            "    prices = group['price']\n"
            "    return pd.DataFrame({'city': [group['city'].iloc[0]], 'spread': [prices.max() - prices.min()]})\n"
            "print(ds.groupby('city').map_groups(spread, batch_format=\"pandas\").sort('city').take_all())"
        ),
        "[{'city': 'Bonn', 'spread': 0.0}, {'city': 'Köln', 'spread': 1.0}]",
    ),
    "the order is kept": (
        "print([row['amount'] for row in ds.repartition(3).map_batches(lambda batch: batch).take(4)])",
        "[1, 2, 3, 8]",
    ),
    "an exact number of rows": ("n = 2\nprint(ds.random_shuffle(seed=0).limit(n).count())", "2"),
    "types that are written": (
        (
            "import pyarrow as pa\n"
            "decimal = DataType.from_arrow(pa.float64())\n"
            "print(ds.with_column('x', col('amount').cast(decimal)).select_columns('x').take(1))"
        ),
        "[{'x': 1.0}]",
    ),
    "an index becomes columns": (
        "print(frame.groupby('city')['amount'].sum().reset_index().values.tolist())",
        "[['Bonn', 11], ['Köln', 3]]",
    ),
    "seeds": (
        (
            "print(ds.random_shuffle(seed=0).limit(2).take(2) == ds.random_shuffle(seed=0).limit(2).take(2),"
            " ds.random_sample(0.5, seed=0).take(4) == ds.random_sample(0.5, seed=0).take(4),"
            " [part.count() for part in ds.train_test_split(0.25, shuffle=True, seed=0)])"
        ),
        "True True [3, 1]",
    ),
    "dates are objects": (
        'print(frame["day"].dtype, pd.to_datetime(frame["day"]).dt.month.tolist())',
        "object [1, 1, 2, 2]",
    ),
    "integers with nulls are floats": (
        "print(ds.filter(lambda row: row['price'] is None).to_pandas()['amount'].dtype, frame['price'].isna().sum())",
        "int64 1",
    ),
    "weekdays and quarters": (
        "print([row['d'] for row in ds.with_column('d', col('day').dt.strftime('%u %A')).take(1)])",
        "['3 Wednesday']",
    ),
    "renamed attributes": (
        (
            f"names = {sorted(RENAMED)!r}, {sorted(RENAMED_TEXT)!r}, {sorted(RENAMED_TIME)!r}\n"
            "spaces = col('a'), col('a').str, col('a').dt\n"
            "print([name for space, listed in zip(spaces, names) for name in listed if hasattr(space, name)])"
        ),
        "[]",
    ),
    "methods that datasets do not have": (
        (
            f"print([name for name in {sorted(NOT_OF_DATASET)!r} if hasattr(ds, name)],"
            f" [name for name in {sorted(NOT_OF_GROUPS)!r} if hasattr(ds.groupby('city'), name)])"
        ),
        "[] []",
    ),
    "what pandas and Ray have": (
        (
            "print([name for name in 'ffill map pivot_table'.split() if not hasattr(frame, name)],"
            " [name for name in 'head describe fillna agg'.split() if hasattr(ds, name)], np.trapezoid([1, 3]),"
            " pd.date_range('2020', periods=2, freq='ME').size, pd.date_range('2020', periods=2, freq='h').size)"
        ),
        "[] [] 2.0 2 2",
    ),
}

# Lines for the example of either engine. A missing city and a missing price are among them.
EXAMPLE_CSV: Final = """\
city,kind,price,amount
Köln,retail,1.5,2
Köln,retail,2.5,4
Bonn,retail,4.0,3
,retail,1.0,1
Bonn,retail,,5
Bonn,retail,9.0,0
Bonn,wholesale,0.5,100
"""
# What the example finds in them.
EXAMPLE_MEAN: Final = 2.25
EXAMPLE_ROWS: Final = (("Köln", 13.0, 2.0, 2), ("Bonn", 12.0, 4.0, 2), (None, 1.0, 1.0, 1))
# Each line of the prompt's section about the answer.
ANSWERS: Final = f"""\
from raylane_run import answer, read, require_text

data = read({LOCATION!r})
require_text(data, "city", "Köln", "Bonn")
require_text(data, "kind", "whole", contains=True)
answer.value("mean price", {EXAMPLE_MEAN}, unit="EUR")
answer.table(data, title="All rows")
answer.chart("bar", data=data, x="city", y="price", title="Prices")
answer.chart("line", data=data, x="amount", y="price", color="city")
answer.chart("scatter", data=data, x="amount", y="price", color="kind")
answer.chart("pie", data=data, x="kind", y="amount")
answer.chart("histogram", data=data, x="price")
answer.chart("box", data=data, y="price", color="city")
answer.file(data, "name.parquet")
answer.file(data, "name.csv")
answer.file(data, "name.json")
answer.note("Wholesale is included.")
"""
