"""Verification knows which columns pandas' frames have in the local engine, and reports what is surely missing."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.names import Engine
from raylane_worker.generation.checks.cluster import NOT_OF_FRAME
from raylane_worker.generation.verify import verify
from tests.fuzz import frames as fuzz
from tests.helpers import profiles
from tests.unit.generation.local_corpus import SOURCES, objects
from tests.unit.generation.schemas import column, csv_source

if TYPE_CHECKING:
    from raylane_common.wire.generate import Finding

HEAD = """import pandas as pd
from raylane_run import answer, note_missing_words, read, require_text
df = read("s3://lake/sessions/ada/csv/weather.csv")
sales = read("s3://lake/sessions/ada/csv/sales.csv")
people = read("s3://lake/sessions/ada/csv/customers.csv")
answer.value("rows", len(df))
"""


def found(*lines: str, engine: Engine = Engine.LOCAL) -> list[Finding]:
    return verify(HEAD + "\n".join(lines) + "\n", SOURCES, engine)


def draw(data: str, x: str) -> str:
    return f"answer.chart('histogram', data={data}, x='{x}')"


KNOWN = {
    # what a script may do with columns: its lines
    "an assigned column": ("df['band'] = df['wind'] // 2", "print(df.groupby('band').size(), df['band'])"),
    "columns of a variable name": ("for k in df.columns:", "    df[f'{k}_sq'] = 1", "print(df['wind_sq'])"),
    "columns set for some rows": ("df.loc[df['wind'] > 3, 'windy'] = 1", "print(df.sort_values('windy'))"),
    "renamed columns": ("df = df.rename(columns={'wind': 'w'})", "print(df['w'], df.groupby('w').size())"),
    "columns renamed by a function": ("df = df.rename(columns=str.upper)", "print(df['WIND'])"),
    "new labels": ("df.columns = list('abcdef')", "print(df['a'])"),
    "assign with functions": ("df = df.assign(a=lambda d: d['wind'], b=lambda d: d['a'] * 2)", "print(df['b'])"),
    "assign with a dictionary": ("df = df.assign(**{f'{k}_x': 1 for k in 'ab'})", "print(df['a_x'])"),
    "named aggregation": (
        "r = df.groupby('weather').agg(n=('date', 'size'), top=('wind', 'max')).reset_index()",
        draw("r.sort_values('n')", "top"),
    ),
    "named aggregation of a column": ("r = df.groupby('weather')['wind'].agg(a='mean', b='max')", draw("r", "b")),
    "aggregates by a list": ("r = df.groupby('weather')['wind'].agg(['mean', 'max']).reset_index()", draw("r", "mean")),
    "aggregates by a dictionary": ("r = df.groupby('weather').agg({'wind': 'mean'}).reset_index()", draw("r", "wind")),
    "aggregates with two levels": (
        "r = df.groupby('weather').agg({'wind': ['mean', 'max']})",
        draw("r", "wind_mean"),
    ),
    "the key of a group": ("r = df.groupby('weather')['wind'].mean()", draw("r", "weather"), draw("r", "wind")),
    "sizes": ("r = df.groupby('weather').size()", draw("r", "weather"), draw("r.reset_index(name='n')", "n")),
    "sizes as a frame": ("r = df.groupby('weather', as_index=False).size()", draw("r", "size"), "print(r['size'])"),
    "groups by a grouper": (
        "r = df.groupby(pd.Grouper(key='date', freq='MS'))['wind'].sum().reset_index()",
        draw("r", "wind"),
    ),
    "groups by a series": (
        "r = df.groupby(df['date'].dt.year.rename('year'))['wind'].sum().reset_index()",
        draw("r", "year"),
    ),
    "groups by a level": ("r = df.set_index('weather').groupby(level='weather')['wind'].mean()", draw("r", "weather")),
    "resampling": ("r = df.set_index('date').resample('MS')['wind'].mean().reset_index()", draw("r", "date")),
    "resampling by a column": ("r = df.resample('W', on='date')['wind'].mean().reset_index()", draw("r", "wind")),
    "values by count": (
        "r = df['weather'].value_counts().reset_index()",
        draw("r", "count"),
        draw("df.value_counts('weather').reset_index()", "count"),
    ),
    "a merge": ("m = sales.merge(people, on='customer_id')", "print(m['city_x'], m['city_y'], m['segment'])"),
    "a merge with suffixes": (
        "m = pd.merge(sales, people, on='customer_id', how='left', suffixes=('', '_c'), indicator=True)",
        "print(m['city_c'], m['city'], m[m['_merge'] == 'both'].groupby('segment').size())",
    ),
    "a merge of other keys": (
        "other = people.rename(columns={'customer_id': 'id'})",
        "print(sales.merge(other, left_on='customer_id', right_on='id')['id'])",
    ),
    "a merge with groups": (
        "means = sales.groupby('region')['amount'].mean().rename('mean')",
        "print(sales.merge(means, on='region')['mean'], sales.merge(means.reset_index(), on='region')['mean'])",
    ),
    "a join by the index": (
        "names = people.set_index('customer_id')[['name']]",
        "j = sales.join(names, on='customer_id')",
        "print(j['name'], names.reset_index()['customer_id'])",
    ),
    "the name of an index": (
        "print(people.set_index('name').groupby('name').size(), people.set_index('name')['city'])",
    ),
    "a melt": (
        "m = df.melt(id_vars='date', value_vars=['temp_max', 'temp_min'])",
        "print(m['variable'], m['value'])",
        "print(pd.melt(df, ['date'], ['wind'], 'kind', 'x')['kind'])",
    ),
    "a pivot": ("p = sales.pivot_table(index='region', columns='product', values='amount')", draw("p", "lamp")),
    "a frame of a dictionary": (
        "g = df.groupby('weather')['wind']",
        "r = pd.DataFrame({'low': g.min(), 'high': g.max()}).reset_index()",
        draw("r", "weather"),
        draw("r", "low"),
    ),
    "a frame of rows": ("r = pd.DataFrame([{'a': 1, 'b': 2}, {'c': 3}])", draw("r", "c")),
    "a frame of rows and columns": ("r = pd.DataFrame([[1, 2]], columns=['a', 'b'])", draw("r", "b")),
    "a frame of a list that grows": (
        "rows = []",
        "for k, part in df.groupby('weather'):",
        "    rows.append({'kind': k, 'n': len(part), 'hot': part['temp_max'].max()})",
        draw("pd.DataFrame(rows)", "hot"),
    ),
    "frames one below the other": (
        "both = pd.concat([sales[['city']], people[['city', 'name']]])",
        "print(both['name'], both.reset_index()['index'])",
    ),
    "masks": (
        "cold = df[(df['temp_max'] < 5) & df['weather'].isin(['snow'])]",
        "print(cold['wind'], cold[~cold['date'].isna()][['date']].head(3)['date'])",
    ),
    "a mask of a variable": ("mask = df['wind'] > 3", "print(df[mask]['anything'])"),
    "rows": ("for row in df.to_dict('records'):", "    row['x'] = 1", "    print(row['x'], row['wind'])"),
    "rows of a loop": ("for i, row in df.iterrows():", "    print(i, row['wind'])"),
    "a function for rows": ("df['x'] = df.apply(lambda row: row['wind'] + row['temp_max'], axis=1)", "print(df['x'])"),
    "a function for columns": ("print(df.apply(lambda values: values['any'] if len(values) else 0))",),
    "a function for groups": (
        "def best(part):",
        "    part = part.assign(rank=part['wind'].rank())",
        "    return part.nsmallest(1, 'rank')",
        "print(df.groupby('weather').apply(best))",
    ),
    "pipes": (
        "def add(frame, name='x'):",
        "    return frame.assign(**{name: 1})",
        "print(df.pipe(add)['x'], df.pipe(lambda d: d.assign(y=1))['y'])",
    ),
    "exploded lists": ("p = people.assign(tag=people['tags'].str.split(';')).explode('tag')", "print(p['tag'])"),
    "a described frame": ("d = df.describe().reset_index()", draw("d", "index"), draw("d", "wind")),
    "a column that may be missing": ("if 'gust' in df.columns:", "    print(df.groupby('gust').size())"),
    "an ignored column": ("print(df.drop(columns=['gust'], errors='ignore')['wind'])",),
    "dropped columns of a variable": ("cols = ['wind', 'date']", "d = df.drop(columns=cols)", "print(d['weather'])"),
    "a change in place": ("df.rename(columns={'wind': 'w'}, inplace=True)", "print(df['w'])"),
    "an index that is renamed": ("df.index.name = 'row'", draw("df", "row")),
    "missing words": ("note_missing_words(df.assign(kind=df['weather']), 'kind', 'weather')", "note_missing_words(df)"),
    "a series that is renamed": (
        "s = df.groupby('weather')['wind'].mean()",
        "s.index.name = 'kind'",
        "s.name = 'mean'",
        draw("s", "kind"),
        draw("s.reset_index()", "mean"),
    ),
    "a name of the index that rename leaves": (
        "r = df.groupby('weather')[['wind']].max().rename(columns={'weather': 'kind'})",
        "print(r.groupby('weather').max(), r.reset_index()['weather'])",
    ),
    "a merge of assigned columns": (
        "sales['total'] = sales['amount'] * 2",
        "m = sales.merge(sales, on='order_id', suffixes=('_of_one', '_of_other'))",
        "print(m['total_of_other'], sales.merge(sales, on='city')['total_y'])",
    ),
    "sizes by name": ("r = df.groupby('weather').agg('size').reset_index(name='n')", draw("r", "n")),
    "two indexes": ("r = df.reset_index().reset_index()", draw("r", "level_0")),
    "texts": ("require_text(df.assign(kind=df['weather']), 'kind', 'rain')",),
    "a helper for any frame": (
        "def total(frame, key, value):",
        "    return frame.groupby(key)[value].sum().reset_index(name='total')",
        "print(total(df, 'weather', 'wind')['total'], total(sales, 'region', 'amount')['total'])",
    ),
    "the transposed": ("t = df.set_index('date').T", "print(t['2020-01-01'])"),
    "cleaned in steps": (
        "d = df.dropna().drop_duplicates('date').sort_values(['date', 'wind']).reset_index(drop=True).copy()",
        "print(d['wind'], d.astype({'wind': int}).round(1)['wind'])",
    ),
}


@pytest.mark.parametrize("lines", KNOWN.values(), ids=KNOWN)
def test_a_column_that_may_exist_is_no_finding(lines: tuple[str, ...]) -> None:
    assert found(*lines) == []


MISSING = {
    # how a script names a column that does not exist: (its lines, the columns)
    "of a frame": (("print(df['gust'], df[['date', 'gusts']])",), "gust gusts"),
    "of another frame": (("print(sales['wind'])",), "wind"),
    "in a group": (("print(df.groupby('wether').size())",), "wether"),
    "in groups": (("print(sales.groupby(['region', 'chanel'])['amount'].sum())",), "chanel"),
    "in a grouper": (("print(df.groupby(pd.Grouper(key='day', freq='MS'))['wind'].sum())",), "day"),
    "of groups": (
        ("print(df.groupby('weather')['gust'].mean(), df.groupby('weather')[['wind', 'rain']].sum())",),
        "gust rain",
    ),
    "in a named aggregation": (("print(df.groupby('weather').agg(top=('gust', 'max')))",), "gust"),
    "in an aggregation by objects": (
        ("print(df.groupby('weather').agg(top=pd.NamedAgg(column='gust', aggfunc='max')))",),
        "gust",
    ),
    "in a dictionary of aggregates": (("print(df.groupby('weather').agg({'gust': 'max'}))",), "gust"),
    "after an aggregation": (
        ("r = df.groupby('weather', as_index=False).agg(top=('wind', 'max'))", "print(r['wind'])"),
        "wind",
    ),
    "in a chart after an aggregation": (
        ("r = df.groupby('weather').agg(top=('wind', 'max')).reset_index()", draw("r", "max")),
        "max",
    ),
    "in a chart of a series": (("r = df.groupby('weather')['wind'].mean()", draw("r", "mean")), "mean"),
    "in a chart of sizes": (("r = df.groupby('weather').size().reset_index(name='n')", draw("r", "count")), "count"),
    "in an order": (("print(df.sort_values('gust'), df.nlargest(3, 'gusts'))",), "gust gusts"),
    "in a subset": (("print(df.dropna(subset=['gust']), df.drop_duplicates('gusts'))",), "gust gusts"),
    "among the dropped": (("print(df.drop(columns=['gust']))",), "gust"),
    "after it was dropped": (("d = df.drop(columns='wind')", "print(d['wind'])"), "wind"),
    "after it was renamed": (("d = df.rename(columns={'wind': 'w'})", "print(d['wind'])"), "wind"),
    "of an index": (("print(df.set_index('day'))",), "day"),
    "of chosen columns": (("d = df[['date', 'wind']]", "print(d['weather'])"), "weather"),
    "of chosen rows": (("d = df[df['wind'] > 3]", "print(d['gust'])"), "gust"),
    "in a mask": (("print(df[df['gust'] > 3])",), "gust"),
    "in a merge": (("print(sales.merge(people, on='customer'))",), "customer customer"),
    "on the right of a merge": (
        ("print(pd.merge(sales, people, left_on='customer_id', right_on='id'))",),
        "id",
    ),
    "of a merge": (("m = sales.merge(people, on='customer_id')", "print(m['city'], m['town'])"), "town"),
    "in a melt": (("print(df.melt(id_vars=['day'], value_vars=['wind']))",), "day"),
    "in a pivot": (("print(sales.pivot_table(index='region', columns='year', values='amount'))",), "year"),
    "in a function for rows": (("print(df.apply(lambda row: row['gust'], axis=1))",), "gust"),
    "in a function for groups": (("print(df.groupby('weather').apply(lambda part: part['gust'].max()))",), "gust"),
    "in the groups of a loop": (("for k, part in df.groupby('weather'):", "    print(part['gust'])"), "gust"),
    "in rows": (("for row in df.to_dict('records'):", "    print(row['gust'])"), "gust"),
    "in a function of assign": (("print(df.assign(x=lambda d: d['gust'] * 2))",), "gust"),
    "in a pipe": (("print(df.pipe(lambda d: d['gust']))",), "gust"),
    "in a frame of a dictionary": (("r = pd.DataFrame({'a': [1], 'b': [2]})", "print(r['c'])"), "c"),
    "in frames one below the other": (("print(pd.concat([df, sales])['gust'])",), "gust"),
    "in resampling": (("print(df.resample('W', on='day')['wind'].mean())",), "day"),
    "of texts": (("require_text(df, 'kind', 'rain')",), "kind"),
    "of missing words": (("note_missing_words(df, 'weather', 'kind')",), "kind"),
}


@pytest.mark.parametrize(("lines", "missing"), MISSING.values(), ids=MISSING)
def test_a_column_that_surely_is_missing_is_found(lines: tuple[str, ...], missing: str) -> None:
    findings = found(*lines)
    assert {one.rule for one in findings} == {"unknown_column"}
    assert sorted(one.message.split("'")[1] for one in findings) == sorted({*missing.split()})


def test_the_message_names_the_columns_at_this_point() -> None:
    (finding,) = found("r = df.groupby('weather').agg(top=('wind', 'max')).reset_index()", "print(r['topp'])")
    assert finding.line == 8
    assert finding.message == (
        "there is no column 'topp' here; the nearest are 'top'; the columns are 'index', 'level_0', 'top', 'weather'"
    )


def test_no_random_program_that_runs_has_a_finding_about_a_column() -> None:
    random, known = Random(profiles.seed()), fuzz.frames()
    ran = 0
    for _ in range(profiles.by_profile(fast=10, ci=40, deep=2_000)):
        lines, error = fuzz.program(random, known)
        if error is None:
            ran += 1
            assert fuzz.found_in(lines) == [], lines
    assert ran > 5


@pytest.mark.parametrize("method", sorted(NOT_OF_FRAME))
def test_a_method_of_datasets_is_found_on_frames_only(method: str) -> None:
    assert not hasattr(pytest.importorskip("pandas").DataFrame, method)
    (finding,) = [one for one in found(f"print(df.{method}())") if one.rule == "engine"]
    assert "; use " in finding.message
    assert [one for one in found(f"print(df.{method}())", engine=Engine.DISTRIBUTED) if one.rule == "engine"] == []
    assert [
        one for one in found("class A:", f"    def {method}(self): pass", f"A().{method}()") if one.rule == "engine"
    ] == []


@pytest.mark.parametrize(
    "lines",
    [
        "import ray\nray.init()\nds = ray.data.from_pandas(df)",
        "from ray.data.aggregate import Mean\nfrom ray.data.expressions import col\nprint(Mean('wind'), col('wind'))",
        "def f():\n    from ray import data\n    return data.range(3)",
        "import ray.data",
    ],
)
def test_ray_is_one_finding_in_the_local_engine(lines: str) -> None:
    (finding,) = found(*lines.splitlines())
    assert finding.rule == "engine"
    assert "without Ray" in finding.message
    assert finding.message.count("ray.") == 0


def test_readers_of_ray_are_told_to_be_read_in_the_local_engine_too() -> None:
    rules = [one.rule for one in found("import ray", "ray.data.read_csv('s3://lake/sessions/ada/csv/sales.csv')")]
    assert sorted(rules) == ["engine", "reader_not_allowed"]


def test_a_frame_of_a_large_source_is_read_as_a_whole() -> None:
    big = csv_source("big.csv", (column("a", SOURCES[0].columns[1].type),), size_bytes=10**12)
    code = f"from raylane_run import answer, read\ndf = read({big.location!r})\nanswer.value('n', df.sum())\n"
    assert verify(code, [big], Engine.LOCAL) == []


def test_the_known_columns_are_those_that_the_data_has() -> None:
    for source in SOURCES:
        header = objects()[source.s3_uri].decode().partition("\n")[0]
        assert header.split(",") == [one.name for one in source.columns]
