"""Lines of scripts that fail on Ray or give a wrong result there, for the tests of the checks and for a real Ray.

`ds` is a dataset of `SALES`, `frame` the same as a pandas frame.
"""

from __future__ import annotations

from typing import Final

from raylane_common.wire.sources import ColumnType
from tests.unit.generation.schemas import column, csv_source

SALES_CSV: Final = """\
city,price,amount,sold,day
Köln,1.5,1,true,2020-01-01
Köln,2.5,2,false,2020-01-02
Bonn,4.0,3,true,2020-02-01
Bonn,,8,true,2020-02-02
"""
SALES: Final = csv_source(
    "sales.csv",
    (
        column("city", ColumnType.STRING),
        column("price", ColumnType.NUMBER),
        column("amount", ColumnType.INTEGER),
        column("sold", ColumnType.BOOLEAN),
        column("day", ColumnType.DATE),
    ),
)
IMPORTS: Final = """\
import datetime
import math
import numpy as np
import pandas as pd
import pyarrow.compute as pc
import ray
from ray.data.aggregate import Count, CountDistinct, Mean, Quantile, Sum
from ray.data.datatype import DataType
from ray.data.expressions import col, lit
from raylane_run import answer, read
"""
READ: Final = f"""\
ds = read({SALES.location!r})
frame = ds.limit(100).to_pandas()
"""


def script(*lines: str) -> str:
    """A script that reads the source, runs these lines, and answers something."""
    return "\n".join([IMPORTS + READ.rstrip(), *lines, "answer.value('rows', ds.count())", ""])


def sales(expression: str) -> str:
    """A line that prints the rows of an expression of `ds`."""
    return f"print(ds.{expression}.take(9))"


# Each raises an exception on Ray.
FAILS_ON_RAY: Final = (
    sales("filter(col('amount') > 1)"),
    sales("filter(expr=not (col('amount') > 1))"),
    sales("filter(expr=col('amount') in [1, 2])"),
    sales("with_column('x', col('amount') ** 2)"),
    sales("with_column('x', -col('amount'))"),
    sales("with_column('x', abs(col('amount')))"),
    sales("with_column('x', round(col('price')))"),
    sales("with_column('x', col('price').round(2))"),
    sales("with_column('x', math.sqrt(col('amount')))"),
    sales("with_column('x', np.log(col('amount')))"),
    sales("with_column('x', pc.year(col('day')))"),
    sales("with_column('x', pd.to_datetime(col('day')))"),
    sales("with_column('x', col('amount').cast('float64'))"),
    sales("with_column('x', col('amount').cast(float))"),
    sales("with_column('x', col('price').fillna(0))"),
    sales("with_column('x', col('day').dt.quarter())"),
    sales("with_column('x', lambda row: row['amount'])"),
    sales("filter(expr=col('day').dt.year == 2020)"),
    sales("filter(expr=col('amount').between(1, 2))"),
    sales("filter(expr=col('city').isin(['Bonn']))"),
    sales("filter(expr=col('price').isnull())"),
    sales("filter(expr=col('price').notna())"),
    sales("filter(expr=col('city').str.startswith('B'))"),
    sales("filter(expr=col('city').startswith('B'))"),
    sales("sort(col('amount'))"),
    sales("groupby(col('city')).count()"),
    sales("select_columns([col('city')])"),
    sales("drop_columns(col('city'))"),
    "print(ds.unique(col('city')))",
    "print(ds.aggregate(Mean(col('price'))))",
    "print(ds.aggregate(Mean(['price', 'amount'])))",
    "is_large = col('amount') > 1\n" + sales("filter(is_large)"),
    sales("sort('amount', ascending=False)"),
    "print(ds.filter(expr=col('amount') > 1).describe())",
    "print(ds.groupby('city').agg(Mean('price')))",
    "def first(data):\n    return data.head()\nprint(first(ds))",
    "for group in (ds.groupby('city'), ds.groupby('sold')):\n    print(group.median('price'))",
)
TEXT_NOT_ASCII: Final = (
    sales("filter(expr=col('city') == 'Köln')"),
    sales("filter(expr=col('city') == lit('Köln'))"),
    "city = 'Köln'\n" + sales("filter(expr=col('city') == city)"),
    "cities = ['Köln', 'Bonn']\n" + sales("filter(expr=col('city').is_in(cities))"),
    "cities = ['Bonn', 'Köln']\nfirst = sorted(cities)[1]\n" + sales("filter(expr=col('city') == first)"),
    "for city in ('Köln', 'Bonn'):\n    " + sales("filter(expr=col('city') == city)"),
    "def of(city):\n    return ds.filter(expr=col('city') == city)\nprint(of('Köln').count())",
    "def of(city):\n    return ds.filter(expr=col('city') == city)\nprint(of(city='Köln').count())",
    "print([ds.filter(expr=col('city') == city).count() for city in ('Köln',)])",
    "condition = (col('city') == 'Köln') & col('sold')\n" + sales("filter(expr=condition)"),
)
MISSING_PACKAGE: Final = (
    "print(frame['price'].corr(frame['amount'], method='spearman'))",
    "print(frame['price'].corr(frame['amount'], 'kendall'))",
    "print(frame['price'].corr(other=frame['amount'], method='spearman'))",
    "print(frame[['price', 'amount']].corrwith(frame['price'], method='spearman'))",
    "print(frame.groupby('city')['price'].corr(frame['amount'], method='spearman'))",
    "print(frame['price'].rolling(2, win_type='gaussian').mean(std=1))",
    "print(frame['price'].interpolate(method='spline', order=2))",
    "print(frame['price'].interpolate('cubic'))",
    "print(frame.groupby('city')['price'].mean(engine='numba'))",
    "print(frame.to_markdown())",
    "print(frame.to_latex())",
    "print(ds.map_batches(len, batch_format='cudf').take(1))",
)
# These need a package, too, but are refused whatever the cluster has.
REFUSED_METHODS: Final = (
    "print(frame['price'].plot())",
    "frame.plot.bar(x='city')",
    "frame['price'].plot.hist()",
    "frame['price'].hist()",
    "frame.groupby('city').boxplot()",
    "print(frame.to_xml())",
    "print(frame.to_xarray())",
    "print(frame.style.format('{:.2f}').to_string())",
    "print(frame['price'].astype('Sparse[float]').sparse.to_coo())",
    "print(next(iter(ds.iter_torch_batches())))",
    "print(next(iter(ds.iter_tf_batches())))",
    "print(next(iter(ds.iter_jax_batches())))",
    "print(ds.to_tf('price', 'amount'))",
    *(f"print(ds.to_{name}())" for name in ("daft", "dask", "mars", "modin")),
    "print(ds.to_spark(None))",
)
# Each gives a result on Ray without an error, but not the one of the line beside it.
WRONG_ON_RAY: Final = {
    "filter(expr=(col('amount') > 1) and (col('price') > 1))": "filter(expr=(col('amount') > 1) & (col('price') > 1))",
    "filter(expr=(col('amount') == 1) or (col('amount') == 8))": (
        "filter(expr=(col('amount') == 1) | (col('amount') == 8))"
    ),
    "filter(expr=1 < col('amount') < 8)": "filter(expr=(1 < col('amount')) & (col('amount') < 8))",
    "with_column('x', lit(1) if col('amount') > 2 else lit(0)).select_columns('x')": (
        "with_column('x', (col('amount') > 2).cast(DataType.int64())).select_columns('x')"
    ),
    "with_column('x', col('amount') / 2)": "with_column('x', col('amount') * 1.0 / 2)",
    "with_column('x', (col('amount') + 1) / lit(2))": "with_column('x', (col('amount') + 1) / lit(2.0))",
    "with_column('x', 7 / col('amount'))": "with_column('x', 7.0 / col('amount'))",
    "groupby('city').aggregate(Count(alias_name='n'), CountDistinct('amount', alias_name='k'))"
    ".with_column('x', col('k') / (col('n') + 1)).sort('city')": (
        "groupby('city').aggregate(Count(alias_name='n'), CountDistinct('amount', alias_name='k'))"
        ".with_column('x', col('k') * 1.0 / (col('n') + 1)).sort('city')"
    ),
    "groupby('city').aggregate(Quantile('amount', q=[0.1, 0.9], alias_name='q')).sort('city')": (
        "groupby('city').aggregate(Quantile('amount', q=0.9, alias_name='q')).sort('city')"
    ),
    "with_columns(x=col('amount') + 1)": "with_columns({'x': col('amount') + 1})",
}

# None of these is a finding, and each runs on Ray.
FINE_ON_RAY: Final = (
    sales("filter(expr=(col('amount') > 1) & ~(col('price').is_null()))"),
    sales("filter(lambda row: row['amount'] > 1 and row['city'] == 'Köln')"),
    sales("filter(expr=col('city').str.starts_with('B') | col('city').is_in(['Bonn']))"),
    sales("filter(expr=col('day') >= datetime.date(2020, 1, 2))"),
    sales("filter(expr=col('day').dt.year() == 2020)"),
    sales("with_column('z', col('city') == 'Köln')"),
    sales("with_column('x', col('price') / col('amount'))"),
    sales("with_column('x', col('price').round() / 2)"),
    sales("with_column('x', col('amount').cast(DataType.float64()) / 2)"),
    sales("with_column('amount', col('amount') * 1.0).with_column('x', col('amount') / 2)"),
    sales("map_batches(lambda batch: batch.assign(amount=batch['amount'] / 3), batch_format='pandas')"),
    "keep = None\nif keep is not None and col('amount') is not None:\n    ds = ds.filter(expr=keep)",
    "n = 7\nprint(n / 2, 1 < n < 9, n > 1 and n < 9, not n)",
    "rows = ds.filter(expr=col('amount') > 1).count()\nprint(rows and 1 < rows < 9)",
    "print(frame[['price', 'amount']].corr(method='spearman').round(3))",
    "print(frame['price'].corr(frame['amount']), frame.corr(numeric_only=True))",
    "print(frame['price'].interpolate().rolling(2).mean(), frame['price'].interpolate(method='index'))",
    "plot = frame['price']\nprint(plot.sum())",
    "print(frame.head(2).describe().to_string(), frame.groupby('city')['price'].agg('median').to_string())",
    "print(ds.map_batches(lambda batch: batch.head(1), batch_format='pandas').count())",
    "t = DataType.float64()\n" + sales("with_column('x', col('amount').cast(t))"),
)
