"""Verification knows which values are datasets and which columns these have, and reports what is surely missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.checks.evaluate import MAX_STEPS, Evaluator
from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import ORDERS, WEATHER, column, csv_source, table_source

if TYPE_CHECKING:
    from raylane_common.wire.generate import Finding

CITIES = csv_source("cities.csv", columns=(column("city", ColumnType.STRING), column("people", ColumnType.INTEGER)))
HEAD = f"""import ray
import pandas as pd
from ray.data.aggregate import AggregateFn, Count, CountDistinct, Mean, Quantile, Std, Sum
from ray.data.expressions import col, lit
from raylane_run import answer, read
ds = read({WEATHER.location!r})
cities = read({CITIES.location!r})
answer.table(ds)
"""


def found(*lines: str) -> list[Finding]:
    return [one for one in verify(HEAD + "\n".join(lines) + "\n", [WEATHER, CITIES, ORDERS]) if "column" in one.rule]


def names(*lines: str) -> list[str]:
    """The columns that are reported, in their order."""
    return [finding.message.split("'")[1] for finding in found(*lines)]


KNOWN = {
    # what a script may do with columns: its lines
    "a column of a frame": (
        "df = ds.limit(1000).to_pandas()",
        "df['band'] = df['wind'] // 2",
        "print(df.groupby('band').size().sort_values().max('index'))",
    ),
    "a column set for some rows": ("df = ds.to_pandas()", "df.loc[df['wind'] > 3, 'windy'] = 1", "print(df['windy'])"),
    "columns set together": ("df = ds.to_pandas()", "df[['a', 'b']] = 0", "print(df['a'], df[['b', 'wind']])"),
    "an inserted column": ("df = ds.to_pandas()", "df.insert(0, 'nr', 1)", "print(df['nr'])"),
    "renamed columns of a frame": ("df = ds.to_pandas()", "df.columns = list('abcdef')", "print(df['a'])"),
    "a frame that is renamed in place": (
        "df = ds.to_pandas()",
        "df.rename(columns={'wind': 'w'}, inplace=True)",
        "print(df['w'])",
    ),
    "columns of a variable name": (
        "df = ds.to_pandas()",
        "for k in ds.columns():",
        "    df[f'{k}_sq'] = 1",
        "print(df['wind_sq'])",
    ),
    "a frame by a helper": (
        "def add(df):",
        "    return df.assign(f=1)",
        "df = add(ds.to_pandas())",
        "print(df['f'], df.groupby('f').sum('wind'))",
    ),
    "with_columns": ("print(ds.with_columns({'total': col('wind') * 2}).sum('total'))",),
    "columns of several with_columns": (
        "print(ds.with_columns({'a': col('wind')}, {'b': col('wind')}).sum(['a', 'b']))",
    ),
    "columns of with_columns from a variable": (
        "new = {'a': col('wind')}",
        "new['b'] = col('wind')",
        "print(ds.with_columns(new).sum('b'))",
    ),
    "columns of with_columns from a comprehension": (
        "print(ds.with_columns({f'{k}_sq': col(k) * col(k) for k in ('wind', 'temp_max')}).sum('wind_sq'))",
    ),
    "a positional alias": ("print(ds.groupby('weather').aggregate(Sum('wind', True, 'total')).sort('total').take(3))",),
    "aliases at other positions": (
        "by = ds.groupby('weather').aggregate(Std('wind', 1, True, 's'), Quantile('wind', 0.9, True, 'q'))",
        "print(by.sum(['s', 'q']))",
    ),
    "an aggregate function of the script": (
        "low = AggregateFn(init=lambda k: 0, merge=min, accumulate_row=lambda a, r: a, name='low')",
        "print(ds.groupby('weather').aggregate(low).sort('low').take(3))",
    ),
    "a class of the script": (
        "class Span(Sum):",
        "    pass",
        "print(ds.groupby('weather').aggregate(Span('wind')).sort('any').take(3))",
    ),
    "default names": (
        "g = ds.groupby(['weather', 'date'])",
        "print(g.count().sort('count()').take(1), g.mean(['wind', 'temp_max']).sum('mean(temp_max)'))",
        "print(g.aggregate(Count(), CountDistinct('wind')).sort(['count()', 'count_distinct(wind)', 'date']).take(1))",
    ),
    "aggregates of a list": (
        "aggs = [Sum(c, alias_name=f'{c}_total') for c in ('wind', 'precipitation')]",
        "for row in ds.groupby('weather').aggregate(*aggs, Mean('wind')).sort('wind_total').take(3):",
        "    print(row['weather'], row['precipitation_total'], row['mean(wind)'])",
    ),
    "aggregates of a list that grows": (
        "aggs = []",
        "for c in ds.columns():",
        "    aggs.append(Sum(c, alias_name='s_' + c))",
        "print(ds.groupby('weather').aggregate(*aggs).sort('s_wind').take(3))",
    ),
    "a helper below its caller": (
        "def main():",
        "    print(prepare(ds).sum('total'))",
        "def prepare(d):",
        "    return d.map_batches(lambda df: df.assign(total=1), batch_format='pandas')",
        "main()",
    ),
    "a helper that adds a column": (
        "def add(d, name, source):",
        "    return d.with_column(name, col(source) * 2)",
        "for n in ('a', 'b'):",
        "    ds = add(ds, n, 'wind')",
        "print(ds.sum(['a', 'b']))",
    ),
    "only one dataset is mapped": (
        "other = ds.map(lambda r: {'x': r['wind']})",
        "print(other.sum('x'), ds.sum('wind'))",
    ),
    "a conditional column": (
        "if ds.count() > 3:",
        "    ds = ds.with_column('x', col('wind'))",
        "else:",
        "    ds = ds.with_column('y', col('wind'))",
        "print(ds.sum('x'), ds.sum('y'))",
    ),
    "columns in a loop": ("for i in range(3):", "    ds = ds.with_column(f'x{i}', col('wind'))", "print(ds.sum('x2'))"),
    "a loop with an early end": (
        "d = ds",
        "for name in ['a', 'b']:",
        "    d = d.with_column(name, col('wind'))",
        "    if d.count() > 2:",
        "        break",
        "print(d.sum('b'))",
    ),
    "a column of a branch that returns": (
        "def pick(d, wide):",
        "    if wide:",
        "        return d.with_column('x', col('wind'))",
        "    return d",
        "print(pick(ds, True).sum('x'))",
    ),
    "an attempt": (
        "try:",
        "    d = ds.with_column('x', col('wind'))",
        "except ValueError:",
        "    d = ds",
        "print(d.sum('x'))",
    ),
    "constants": (
        "KEY, MEASURES = 'weather', ['wind', 'temp_max']",
        "by = ds.groupby(KEY).mean(MEASURES)",
        "print(by.sort(f'mean({MEASURES[0]})').select_columns([KEY] + ['mean(temp_max)']).take(3))",
    ),
    "a renamed column": ("print(ds.rename_columns({'wind': 'w'}).filter(expr=col('w') > 1).mean('w'))",),
    "renamed columns": (
        "print(ds.rename_columns(['d', 'p', 'hi', 'lo', 'w', 'kind']).groupby('kind').max('hi').take(9))",
    ),
    "a union": ("print(ds.union(cities).unique('people'), ds.union(cities).sum('wind'))",),
    "a zip": ("print(ds.zip(ds, cities).select_columns(['wind_1', 'people', 'wind_2']).take(1))",),
    "two parts": ("a, b = ds.train_test_split(0.2)", "print(a.mean('wind'), b.mean('wind'))"),
    "rows and their own keys": (
        "rows = ds.groupby('weather').mean('wind').take(100)",
        "for rank, row in enumerate(sorted(rows, key=lambda r: r['mean(wind)']), 1):",
        "    row['rank'] = rank",
        "print([r['rank'] for r in rows], rows[0]['weather'], rows[:2][0]['mean(wind)'])",
    ),
    "rows that get any key": (
        "rows = ds.take(5)",
        "for row in rows:",
        "    for k in ('a', 'b'):",
        "        row[k] = 1",
        "print([r['a'] for r in rows])",
    ),
    "a column that may be missing": ("if 'gust' in ds.columns():", "    print(ds.sum('gust'))"),
    "a key that may be missing": (
        "for row in ds.take(3):",
        "    try:",
        "        print(row['gust'])",
        "    except KeyError:",
        "        print('none')",
    ),
    "a key whose absence is ignored": (
        "from contextlib import suppress",
        "with suppress(KeyError):",
        "    print(ds.take(1)[0]['gust'])",
    ),
    "a key with a default": ("print([r.get('gust') for r in ds.take(3)])",),
    "a batch with a new key": (
        "def f(batch):",
        "    batch['f'] = batch['wind'] * 2",
        "    batch['g'] = batch['f'] + 1",
        "    return batch",
        "print(ds.map_batches(f).sum('g'))",
    ),
    "an aggregate of the whole": ("r = ds.aggregate(Sum('wind'), Count())", "print(r['sum(wind)'], r['count()'])"),
    "a method with Dataset's name": (
        "class Ledger:",
        "    def sum(self, name): return name",
        "    def groupby(self, name): return self",
        "print(Ledger().groupby('any').sum('thing'))",
    ),
    "rows of a list": ("rows = [{'k': 1}]", "print(rows[0]['k'], ray.data.from_items(rows).sum('k'))"),
    "a shared name": (
        "part = None",
        "def load():",
        "    global part",
        "    part = ds.with_column('x', col('wind'))",
        "part = ds",
        "load()",
        "print(part.sum('x'))",
    ),
    "a function that is called in another way": (
        "def report():",
        "    print(ds.sum('wind'))",
        "steps = {'report': report}",
        "steps['report']()",
        "ds = ds.groupby('weather').count()",
        "print(ds.sort('count()').take(3))",
    ),
    "a match": (
        "match ds.count():",
        "    case 0:",
        "        d = ds",
        "    case n:",
        "        d = ds.with_column('x', col('wind'))",
        "print(d.sum('x'))",
    ),
    "a generator": (
        "def parts():",
        "    yield ds.with_column('x', col('wind'))",
        "for part in parts():",
        "    print(part.sum('x'))",
    ),
    "the first of a recursion": (
        "def deepen(d, n):",
        "    return d if n == 0 else deepen(d.with_column(f'x{n}', col('wind')), n - 1)",
        "print(deepen(ds, 2).sum('x1'))",
    ),
    "a chart of what was aggregated": (
        "by = ds.groupby('weather').mean('wind')",
        "answer.chart('bar', data=by, x='weather', y='mean(wind)', color='weather')",
    ),
    "a chart of unknown columns": (
        "answer.chart('bar', data=ds.map_batches(lambda batch: batch), x='any', y='thing')",
    ),
    "texts of a column": (
        "from raylane_run import require_text",
        "require_text(ds.with_column('kind', col('weather')), 'kind', 'rain')",
    ),
}


@pytest.mark.parametrize("lines", KNOWN.values(), ids=KNOWN)
def test_a_column_that_may_exist_is_no_finding(lines: tuple[str, ...]) -> None:
    assert found(*lines) == []


MISSING = {
    # how a script names a column that does not exist: (its lines, the columns)
    "after an aggregate, by its old name": (("print(ds.groupby('weather').sum('wind').sort('wind').take(3))",), "wind"),
    "after an aggregate, by another name": (
        ("print(ds.groupby('weather').aggregate(Sum('wind', alias_name='total')).sort('sum(wind)').take(3))",),
        "sum(wind)",
    ),
    "after select_columns": (("print(ds.select_columns(['date']).sum('wind'))",), "wind"),
    "after drop_columns": (("print(ds.drop_columns(['wind']).sum('wind'))",), "wind"),
    "after rename_columns": (("print(ds.rename_columns({'wind': 'w'}).sum('wind'))",), "wind"),
    "of another dataset": (("print(ds.groupby('city').count().take(3))",), "city"),
    "of a row": (("for row in ds.groupby('weather').count().take(3):", "    print(row['count'])"), "count"),
    "of a row of rows": (("rows = ds.take(3)", "print([r['gust'] for r in rows])"), "gust"),
    "of the first row": (("print(ds.take(1)[0]['gust'])",), "gust"),
    "of a result": (("print(ds.aggregate(Sum('wind'))['wind'])",), "wind"),
    "of a frame": (("df = ds.limit(9).to_pandas()", "print(df['gust'], df[['date', 'gusts']])"), "gust gusts"),
    "of a frame without empty cells": (("df = ds.to_pandas().dropna()", "print(df['gust'].sum())"), "gust"),
    "in a function for rows": (("print(ds.map(lambda r: {'x': r['gust']}).count())",), "gust"),
    "in a function for batches": (
        ("def f(df):", "    return df.assign(x=df['gust'])", "print(ds.map_batches(f, batch_format='pandas').count())"),
        "gust",
    ),
    "in a function for groups": (
        ("def f(g):", "    return {'x': [max(g['gust'])]}", "print(ds.groupby('weather').map_groups(f).take(3))"),
        "gust",
    ),
    "in a function for a new column": (("print(ds.add_column('x', lambda df: df['gust']).count())",), "gust"),
    "in a filter": (("print(ds.filter(lambda r: r['gust'] > 3).count())",), "gust"),
    "in an expression of a variable": (
        ("strong = (col('wind') > 3) & (col('gust') > 5)", "print(ds.filter(expr=strong).count())"),
        "gust",
    ),
    "in the text of an expression": (("print(ds.filter(expr=col('kind').str.contains('n')).count())",), "kind"),
    "in with_columns": (("print(ds.with_columns({'x': col('gust') * 2}).count())",), "gust"),
    "in an aggregate of a variable": (("a = [Mean('gust')]", "print(ds.aggregate(*a))"), "gust"),
    "in a constant": (("KEY = 'wether'", "print(ds.groupby(KEY).count().take(3))"), "wether"),
    "in a loop over names": (("for c in ['wind', 'gust']:", "    print(ds.mean(c))"), "gust"),
    "in a loop over rows": (("for _ in range(3):", "    print(ds.mean('gust'))"), "gust"),
    "in a comprehension": (("print({c: ds.mean(c) for c in ('wind', 'gust')})",), "gust"),
    "in a helper": (("def mean(d, c):", "    return d.mean(c)", "print(mean(ds, 'wind'), mean(ds, 'gust'))"), "gust"),
    "in a helper below its caller": (
        ("def main():", "    print(top(ds))", "def top(d):", "    return d.sort('gust').take(3)", "main()"),
        "gust",
    ),
    "in a function that is never called": (("def main():", "    print(ds.mean('gust'))"), "gust"),
    "in a method": (("class Job:", "    def run(self):", "        print(ds.mean('gust'))", "Job().run()"), "gust"),
    "in a default": (("def mean(c='gust'):", "    return ds.mean(c)", "print(mean())"), "gust"),
    "in both branches": (("d = ds if ds.count() else ds.limit(3)", "print(d.mean('gust'))"), "gust"),
    "in a handler": (("try:", "    print(1)", "except ValueError:", "    print(ds.mean('gust'))"), "gust"),
    "in a with block": (("with pd.option_context('display.width', 99):", "    print(ds.mean('gust'))"), "gust"),
    "in each of several places": (("print(ds.sort('a').groupby('b').mean('c').take(3))",), "a b c"),
    "of a part": (("a, b = ds.train_test_split(0.2)", "print(b.mean('gust'))"), "gust"),
    "of a union": (("print(ds.union(cities).mean('gust'))",), "gust"),
    "of a chart": (("answer.chart('bar', data=ds.groupby('weather').count(), x='weather', y='count')",), "count"),
    "of all parts of a chart": (
        ("answer.chart('scatter', data=ds, x='hi', y='lo', color='kind')",),
        "hi kind lo",
    ),
    "of a chart of a frame": (("answer.chart('line', data=ds.to_pandas(), x='day', y='wind')",), "day"),
    "of texts": (("from raylane_run import require_text", "require_text(ds, 'kind', 'rain')"), "kind"),
}


@pytest.mark.parametrize(("lines", "missing"), MISSING.values(), ids=MISSING)
def test_a_column_that_surely_is_missing_is_found(lines: tuple[str, ...], missing: str) -> None:
    assert sorted(names(*lines)) == missing.split()


def test_the_message_says_which_columns_there_are_at_this_point() -> None:
    (finding,) = found("print(ds.groupby('weather').sum('wind').sort('wind').take(3))")
    assert finding.line == 9
    assert finding.message == (
        "there is no column 'wind' here any more; the nearest are 'sum(wind)'; the columns are 'sum(wind)', 'weather'"
    )
    (finding,) = found("KEY = 'wether'", "print(ds.groupby(KEY).count().take(3))")
    assert finding.line == 9
    assert finding.message.startswith("there is no column 'wether' in 'seattle-weather.csv'; the nearest are 'weather'")


def test_a_name_is_reported_once_for_each_line() -> None:
    lines = ["def mean(d):", "    return d.mean('gust')", *["print(mean(ds))"] * 30, "print(ds.mean('gust'))"]
    assert [finding.line for finding in found(*lines)] == [10, 41]


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("ds.take_all()", True),
        ("ds.to_pandas()", True),
        ("ds.filter(expr=col('city') == lit('x')).to_pandas()", True),
        ("ds.map(lambda r: r).take_all()", True),
        ("ds.groupby('city').sum('amount').to_pandas()", False),
        ("ds.groupby('city').map_groups(lambda g: g).take_all()", False),
        ("ds.limit(10).sort('city').to_pandas()", False),
        ("ds.take_all(limit=5)", False),
        ("ds.map_batches(lambda table: table.to_pandas()).take_all()", False),
        ("ray.data.from_items([1]).take_all()", False),
        ("ds.take(1)[0].to_pandas()", False),
        ("def rows(d):\n    return d.take_all()\nrows(ds.limit(3))", False),
        ("def rows(d):\n    return d.take_all()\nrows(ds)", True),
    ],
)
def test_only_an_unbounded_result_of_a_large_dataset_is_found(line: str, is_found: bool) -> None:
    source = table_source(size_bytes=None)
    head = HEAD.splitlines()
    code = "\n".join([*head[:5], f"ds = read({source.location!r})", line, "answer.table(ds)"])
    assert [finding.rule for finding in verify(code, [source])] == ["unbounded"] * is_found


@pytest.mark.parametrize(
    ("line", "is_found"),
    [
        ("ds.join(cities, 'inner', 2, ('city',))", True),
        ("print(ds.summary())", True),
        ("print(', '.join(ds.columns()))", False),
    ],
)
def test_methods_that_need_a_package_which_the_cluster_lacks_are_found_on_datasets_only(
    line: str, is_found: bool
) -> None:
    assert ("missing_package" in {one.rule for one in verify(HEAD + line, [WEATHER, CITIES])}) == is_found


BIG = csv_source("big.csv", columns=tuple(column(f"measure {number}", ColumnType.NUMBER) for number in range(3000)))
LONG = {
    # what could make following a script long: its lines
    "many datasets": "\n".join(f"d{number} = ds.with_column('c{number}', 1)" for number in range(600)),
    "many columns": "\n".join(f"ds = ds.with_column('c{number}', 1)" for number in range(600)),
    "a long sum": "x = " + "+".join(["'a'"] * 400),
    "many branches of one": "\n".join(["if ds: x = 1", *["elif ds: x = 2"] * 200, "print(x)"]),
    "many levels": "\n".join(f"{' ' * depth}if ds:" for depth in range(90)) + " pass",
    "many functions": "\n".join([*(f"def f{number}(): return f{number + 1}()" for number in range(300)), "f0()"]),
    "a long chain": "x = ds" + ".limit(3)" * 200,
    "functions that call functions twice": "\n".join(
        [*(f"def f{number}(d): return f{number + 1}(d), f{number + 1}(d)" for number in range(30)), "f0(ds)"]
    ),
    "loops in loops": "\n".join(
        [*(f"{' ' * depth}for a{depth} in 'a', 'b', 'c', 'd':" for depth in range(60)), " " * 60 + "ds"]
    ),
    "comprehensions in comprehensions": "x = " + "[" * 9 + "0" + " for a in ('a', 'b', 'c', 'd')]" * 9,
    "growing lists": "\n".join(["x = ['a'] * 5 + ['b']", *["x = x + x"] * 60]),
    "nested lists": "\n".join(["x = y = 'a'", *["x = [x, x]; y = [y, y]"] * 60, "z = x if ds else y"]),
    "nested comprehensions": "\n".join(
        ["x = y = 'a'", *["x = [x for _ in ds]; y = [y for _ in ds]"] * 300, "z = x if ds else y"]
    ),
    "growing dictionaries": "\n".join(["x = {'a': 1, 'b': 2}", *["x = {**x, 'c': x}"] * 60, "z = x if ds else 0"]),
    "growing expressions": "\n".join(["x = col('a')", *(f"x = x | col('{number}')" for number in range(600))]),
    "growing text": "\n".join(["x = 'a'", *["x = x + x"] * 60, "y = f'{x}{x}'"]),
    "many branches": "\n".join("if ds: x = 1" for _ in range(1100)),
    "many attempts": "\n".join(f"try: x{number} = 1\nexcept ValueError: x{number} = 2" for number in range(400)),
    "many findings": "\n".join(f"print(ds.sum('gone {number}'))" for number in range(600)),
}


@pytest.mark.parametrize("lines", LONG.values(), ids=LONG)
def test_following_a_script_takes_a_bounded_number_of_steps(lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = 0
    step = Evaluator.step

    def counted(self: Evaluator, count: int = 1) -> None:
        nonlocal steps
        step(self, count)
        steps += count

    monkeypatch.setattr(Evaluator, "step", counted)
    code = HEAD.replace(WEATHER.location, BIG.location) + lines
    assert len([one for one in verify(code, [BIG, CITIES]) if one.rule == "unknown_column"]) <= 10
    assert 0 < steps <= MAX_STEPS
