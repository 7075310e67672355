"""What verification accepts and what it finds; no text makes it raise or run anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raylane_common.wire.generate import Finding
from raylane_common.wire.sources import ColumnType, PreparedCopy
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import ORDERS, WEATHER, column, csv_source, table_source

if TYPE_CHECKING:
    from raylane_common.wire.sources import Source

LOCATION = WEATHER.location
READ = f"ds = read({LOCATION!r})"


def script(*lines: str, imports: str = "", read: str = READ) -> str:
    start = ["import ray", "from raylane_run import answer, read", *filter(None, [imports]), read]
    return "\n".join([*start, *lines, "answer.value('rows', ds.count())", ""])


def rules(code: str, *sources: Source) -> set[str]:
    return {finding.rule for finding in verify(code, sources or [WEATHER])}


MAY_RUN = {
    "the smallest script": script(),
    "everything in main()": f"""
from ray.data.aggregate import Mean
from raylane_run import answer, read

def main():
    ds = read({LOCATION!r})
    groups = ds.groupby("weather").aggregate(Mean("temp_max", alias_name="mean_max")).sort("mean_max", descending=True)
    for row in groups.take(100):
        print(f"{{row['weather']:<10}} {{row['mean_max']:.4f}} °C/day")
    answer.table(groups)

if __name__ == "__main__":
    main()
""",
    "expressions and new columns": script(
        "ds = ds.filter(expr=(col('weather') == lit('rain')) & (col('wind') > lit(3)))",
        "ds = ds.with_column('range', col('temp_max') - col('temp_min')).rename_columns({'wind': 'w'})",
        "print(ds.select_columns(['range', 'w', 'date']).sort('range').limit(5).take_all())",
        imports="from ray.data.expressions import col, lit",
    ),
    "a UDF with pandas and numpy": script(
        "def add(frame: pd.DataFrame) -> pd.DataFrame:",
        "    frame['log'] = np.log1p(frame['wind'])",
        "    return frame.groupby('wind').sum() if frame.empty else frame",
        "ds = ds.map_batches(add, batch_format='pandas')",
        "print(ds.groupby('log').count().take(5))",
        imports="import numpy as np\nimport pandas as pd",
    ),
    "aggregates by their default names": script("print(ds.groupby('weather').mean('wind').sort('mean(wind)').take(5))"),
    "auto address": script(read=f"ray.init(address='auto', ignore_reinit_error=True)\n{READ}"),
    "aliases": f"from raylane_run import answer as a, read as load\nds = load({LOCATION!r})\na.value('n', ds.count())",
    "the kit as a module": (
        f"import raylane_run as kit\nds = kit.read({LOCATION!r})\nkit.answer.table(ds.limit(5), title='Five')"
    ),
    "all parts of an answer": script(
        "answer.value('rows', ds.count(), 'rows')",
        "answer.table(ds.limit(3), 'Three')",
        "answer.chart('scatter', data=ds, x='temp_min', y='temp_max', color='weather', title='Temperatures')",
        "answer.file(ds, 'all of it (1).parquet')",
        "answer.note('Days without rain are left out.')",
    ),
    "required text": script(
        "require_text(ds, 'weather', 'rain', 'sun', contains=True)", imports="from raylane_run import require_text"
    ),
    "constants of the kit's arguments": script(
        "KIND, NAME = 'bar', 'x'",
        "FILE = 'x.csv'",
        "SHAPE: str = 'line'",
        "answer.file(ds, FILE)",
        "answer.chart(SHAPE, data=ds, x='date', y='wind')",
    ),
    "data that looks like a path": script(
        "ds = ds.filter(expr=col('weather') == lit('/etc/passwd'))",
        "ds = ds.filter(expr=col('weather').is_in(['https://example.com', 'your-bucket']))",
        imports="from ray.data.expressions import col, lit",
    ),
    "an escape of bad style": script("print('\\d')"),
    "a UDF that is a class": script(
        "class Scale:",
        "    def __init__(self):",
        "        self._factor = 2",
        "    def __call__(self, batch):",
        "        batch['wind'] = batch['wind'] * self._factor",
        "        return batch",
        "ds = ds.map_batches(Scale, concurrency=1)",
    ),
    "text of a small frame": script("print(ds.to_pandas().to_string())", "print(', '.join(['a', 'b']))"),
}

FOUND: dict[str, tuple[str, str]] = {
    # what is wrong: (rule, code)
    "prose around the code": ("syntax", "Here is the script:\n```python\nprint(1)\n```"),
    "a null byte": ("syntax", script("x = 'a\0b'")),
    "a surrogate": ("syntax", script("x = '\udc80'")),
    "too long": ("too_long", script("#" * 70_000)),
    "nested too deeply": ("too_complex", script(f"x = {'-' * 5000}1")),
    "a long chain": ("too_complex", script(f"x = ds{'.a' * 600}")),
    "a placeholder": ("placeholder", script(read="ds = read('s3://your-bucket/data.csv')")),
    "another session's path": (
        "foreign_path",
        script(read=f"ds = read({LOCATION.replace('s-1', 's-2')!r})"),
    ),
    "a path with a suffix": ("foreign_path", script(read=f"ds = read({LOCATION + '/../x.csv'!r})")),
    "two paths": ("path_not_literal", script(read=f"ds = read([{LOCATION!r}, 's3://x/y.csv'])")),
    "a path from an f-string": ("path_not_literal", script(read="ds = read(f's3://{1}/x')")),
    "a concatenated path": ("path_not_literal", script(read="ds = read('s3:' + '//x/y')")),
    "no path": ("reader_argument", script(read="ds = read(**{'paths': 'x'})")),
    "a filesystem": ("reader_argument", script(read=f"ds = read({LOCATION!r}, filesystem=ds)")),
    "the reader as a value": ("reader_as_value", script("f = read")),
    "the reader by another name": (
        "reader_as_value",
        script("f = load", imports="from raylane_run import read as load"),
    ),
    "a reader of Ray": ("reader_not_allowed", script(f"ray.data.read_csv({LOCATION!r})")),
    "an imported reader": ("reader_not_allowed", script(imports="from ray.data import read_csv")),
    "a reader of pandas": ("reader_not_allowed", script(f"pd.read_csv({LOCATION!r})", imports="import pandas as pd")),
    "a reader of Arrow": ("reader_not_allowed", script("pq.read_table('x')", imports="import pyarrow.parquet as pq")),
    "no source read": ("nothing_read", "import ray\nprint(ray.data.range(5).count())"),
    "a credential": ("credential", script("x = 'AKIAABCDEFGHIJKLMNOP'")),
    "requests": ("import_not_allowed", script(imports="import requests")),
    "os": ("import_not_allowed", script("print(os.environ)", imports="import os")),
    "a submodule that is not allowed": ("import_not_allowed", script(imports="from pyarrow.fs import S3FileSystem")),
    "a relative import": ("import_not_allowed", script(imports="from . import secrets")),
    "pyarrow.fs": ("name_not_allowed", script("print(pa.fs)", imports="import pyarrow as pa")),
    "pyarrow's csv reader": ("reader_not_allowed", script("csv.read_csv('x')", imports="from pyarrow import csv")),
    "everything of a module": ("name_not_allowed", script(imports="from numpy import *")),
    "numpy readers": ("reader_not_allowed", script("np.load('x')", imports="import numpy as np")),
    "a module's own imports": ("name_not_allowed", script("statistics.sys.modules", imports="import statistics")),
    "another module's own imports": (
        "name_not_allowed",
        script("pc.inspect.sys.modules", imports="import pyarrow.compute as pc"),
    ),
    "ray._private": ("name_not_allowed", script("ray._private.worker.x()")),
    "ray.util": ("name_not_allowed", script("ray.util.get_node_ip_address()")),
    "ray's download expression": ("name_not_allowed", script(imports="from ray.data.expressions import download")),
    "other readers of Ray": ("reader_not_allowed", script("ray.data.read_sql('x', 'y')")),
    "an alias for a module": ("name_not_allowed", script("r = ray", "r.data.read_csv('/etc/passwd')")),
    "one name for two things": ("name_bound_twice", script(imports="import json as x\nimport math as x")),
    "eval": ("builtin_not_allowed", script("eval('1')")),
    "eval by another name": ("builtin_not_allowed", script("e = eval")),
    "open": ("builtin_not_allowed", script("open('x')")),
    "getattr": ("builtin_not_allowed", script("getattr(ds, name)")),
    "input": ("builtin_not_allowed", script("input()")),
    "__import__": ("dunder", script("__import__('os')")),
    "__builtins__": ("dunder", script("print(__builtins__)")),
    "a walk over dunders": ("private_name", script("().__class__.__base__.__subclasses__()")),
    "a formatted dunder": ("private_name", script("print('{0.__class__}'.format(ds))")),
    "a matched dunder": ("private_name", script("match ds:\n    case object(__class__=c):\n        pass")),
    "a private attribute": ("private_name", script("ds._plan")),
    "a method for pickle": ("dunder", script("class A:\n    def __reduce__(self): return print, ('x',)")),
    "a written file": ("method_not_allowed", script("ds.to_pandas().to_parquet('x')")),
    "a written CSV": ("method_not_allowed", script("ds.to_pandas().to_csv('x')")),
    "a writer as a value": ("method_not_allowed", script("w = ds.write_csv")),
    "pandas' eval": ("method_not_allowed", script("ds.to_pandas().query('a > 1')")),
    "a join of Ray": ("missing_package", script("ds.join(ds, join_type='inner', num_partitions=1, on=('date',))")),
    "a summary of Ray": ("missing_package", script("print(ds.summary())")),
    "a condition as text": ("text_expression", script("ds.filter(expr='wind > 3')")),
    "a filter by text that Ray cannot name": (
        "text_not_ascii",
        script("ds.filter(expr=col('weather') == lit('schön'))", imports="from ray.data.expressions import col, lit"),
    ),
    "a file written by Ray": ("write_not_allowed", script("ds.write_csv('s3://x/y')")),
    "a database written by Ray": ("write_not_allowed", script("ds.write_sql('x', print)")),
    "a runtime environment": ("runtime_env", script("ray.remote(runtime_env={'pip': ['x']})(print)")),
    "two calls of ray.init()": ("ray_init", script(read=f"ray.init()\nray.init()\n{READ}")),
    "an address": ("ray_init", script(read=f"ray.init(address='ray://10.0.0.1:10001')\n{READ}")),
    "resources": ("ray_init", script(read=f"ray.init(num_cpus=4)\n{READ}")),
    "a positional address": ("ray_init", script(read=f"ray.init('auto')\n{READ}")),
    "in a loop": ("ray_init", script(read=f"for _ in range(2):\n    ray.init()\n{READ}")),
    "in a UDF": ("ray_init", script(read=f"def f(x):\n    ray.init()\n{READ}")),
    "too late": ("ray_init", script("ray.init()")),
    "no answer": ("no_answer", script().replace("answer.value('rows', ds.count())", "print(ds.count())")),
    "only a note": ("no_answer", script().replace("answer.value('rows', ds.count())", "answer.note('none')")),
    "the answer as a value": ("name_not_allowed", script("a = answer")),
    "a method of the answer as a value": ("answer_as_value", script("show = answer.table")),
    "another method of the answer": ("name_not_allowed", script("answer.open('x')")),
    "a changed answer": ("name_not_allowed", script("answer.table = print")),
    "a module of the kit": ("import_not_allowed", script(imports="import raylane_run.filesystem")),
    "another name of the kit": ("name_not_allowed", script(imports="from raylane_run import filesystem")),
    "an unknown argument": ("answer_argument", script("answer.table(ds, caption='x')")),
    "an argument too many": ("answer_argument", script("answer.table(ds, 'title', 3)")),
    "an argument too few": ("answer_argument", script("answer.value('total')")),
    "an argument twice": ("answer_argument", script("answer.value('total', 3, name='x')")),
    "unpacked arguments": ("answer_argument", script("answer.value(*['total', 3])")),
    "named unpacked arguments": ("answer_argument", script("answer.table(ds, **{'title': 'x'})")),
    "an unknown chart": ("chart_kind", script("answer.chart('area', data=ds, x='date', y='wind')")),
    "a chart by a variable": ("chart_kind", script("for k in ['bar']:\n    answer.chart(k, data=ds, x='date')")),
    "a chart without y": ("answer_argument", script("answer.chart('pie', data=ds, x='weather')")),
    "a chart of several columns": (
        "answer_argument",
        script("answer.chart('line', data=ds, x='date', y=['temp_min', 'temp_max'])"),
    ),
    "a histogram with y": ("answer_argument", script("answer.chart('histogram', data=ds, x='wind', y='wind')")),
    "a box without y": ("answer_argument", script("answer.chart('box', data=ds, x='weather')")),
    "an unknown column of a chart": ("unknown_column", script("answer.chart('bar', data=ds, x='date', y='winds')")),
    "an unknown column of texts": (
        "unknown_column",
        script("require_text(ds, 'wether', 'rain')", imports="from raylane_run import require_text"),
    ),
    "a file in a directory": ("file_name", script("answer.file(ds, '../x.csv')")),
    "a file of another format": ("file_name", script("answer.file(ds, 'x.xlsx')")),
    "a file without a name": ("file_name", script("answer.file(ds, '.csv')")),
    "a file by an f-string": ("file_name", script("answer.file(ds, f'{1}.csv')")),
    "an unknown group": ("unknown_column", script("ds.groupby('wether').count()")),
    "an unknown key of several": ("unknown_column", script("ds.sort(['weather', 'when'])")),
    "an unknown aggregate": (
        "unknown_column",
        script("ds.aggregate(Sum(on='rain'))", imports="from ray.data.aggregate import Sum"),
    ),
    "an unknown operand": (
        "unknown_column",
        script("ds.filter(expr=col('windy') > 3)", imports="from ray.data.expressions import col"),
    ),
    "an unknown selection": ("unknown_column", script("ds.select_columns(['wind', 'gust'])")),
    "an unknown name to change": ("unknown_column", script("ds.rename_columns({'gust': 'g'})")),
}


@pytest.mark.parametrize("code", MAY_RUN.values(), ids=MAY_RUN)
def test_code_that_follows_the_rules_may_run(code: str) -> None:
    assert verify(code, [WEATHER, ORDERS]) == []


@pytest.mark.parametrize(("rule", "code"), FOUND.values(), ids=FOUND)
def test_a_broken_rule_has_a_finding_with_its_line_and_what_to_do(rule: str, code: str) -> None:
    findings = [finding for finding in verify(code, [WEATHER, ORDERS]) if finding.rule == rule]
    assert findings
    assert all(len(finding.message) > 15 for finding in findings)
    assert all(finding.line is None or 1 <= finding.line <= len(code.splitlines()) + 1 for finding in findings)


def test_a_finding_names_the_line_the_name_and_the_nearest_ones() -> None:
    (finding,) = verify(script("print(ds.groupby('wether').count())"), [WEATHER])
    assert (finding.rule, finding.line) == ("unknown_column", 4)
    assert "'wether'" in finding.message
    assert "nearest are 'weather'" in finding.message
    (finding,) = verify(script(read="ds = read('s3://b/x.csv')"), [WEATHER])
    assert finding.message == f"'s3://b/x.csv' is not the location of a source; use read({LOCATION!r})"


def test_findings_are_sorted_by_line_distinct_and_at_most_fifty() -> None:
    found = verify(script(*["eval('1'); eval('2')"] * 100), [WEATHER])
    assert [finding.line for finding in found] == list(range(4, 54))


def test_only_the_sessions_own_sources_may_be_read() -> None:
    other = csv_source("other.csv")
    assert rules(script(), other) == {"foreign_path"}
    assert rules(script(), WEATHER, other) == set()
    assert "foreign_path" in {finding.rule for finding in verify(script(), [])}


def test_a_source_is_named_as_it_was_uploaded_and_not_by_what_is_read_instead() -> None:
    copy = PreparedCopy(s3_uri="s3://raylane/sessions/s-1/data/a b#1.csv.parquet", size_bytes=9, reasons=("large",))
    source = csv_source("a b#1.csv", prepared=copy)
    assert rules(script(read=f"ds = read({source.location!r})"), source) == set()
    for wrong in (copy.s3_uri, source.readable_location, source.location.replace(" ", "%20"), "a b#1.csv", "/a/A B#1"):
        (finding,) = verify(script(read=f"ds = read({wrong!r})"), [WEATHER, source])
        assert (finding.rule, finding.message.partition("use ")[2]) == ("foreign_path", f"read({source.location!r})")


@pytest.mark.parametrize("call", ["ray.data.read_csv({})", "pd.read_parquet({}, columns=['a'])", "pc.read_csv([{}])"])
@pytest.mark.parametrize("path", [LOCATION, "seattle-weather.parquet", "data/seattle_weather.csv"])
def test_the_finding_about_another_reader_says_what_to_write_instead(call: str, path: str) -> None:
    code = script(call.format(repr(path)), imports="import pandas as pd\nimport pyarrow.csv as pc")
    (finding,) = verify(code, [ORDERS, WEATHER])
    assert (finding.rule, finding.line) == ("reader_not_allowed", 6)
    assert f"; use read({LOCATION!r}), with 'from raylane_run import answer, read'" in finding.message


@pytest.mark.parametrize(
    "line", ["ds.write_parquet('s3://b/x')", "ds.to_pandas().to_csv('x.csv')", "ds.to_pandas().to_parquet('x')"]
)
def test_the_finding_about_a_writer_names_what_gives_a_file(line: str) -> None:
    (finding,) = verify(script(line), [WEATHER])
    assert "use answer.file(data, " in finding.message


def test_the_finding_about_an_unknown_chart_names_those_that_there_are() -> None:
    (finding,) = verify(script("answer.chart('area', data=ds, x='date', y='wind')"), [WEATHER])
    assert "'bar', 'line', 'scatter', 'histogram', 'pie', 'box'" in finding.message


def test_a_script_that_only_prints_is_told_how_to_answer() -> None:
    (finding,) = verify(f"from raylane_run import read\n{READ}\nprint(ds.count())", [WEATHER])
    assert finding.rule == "no_answer"
    assert "what is printed is no answer" in finding.message
    assert 'answer.value("name", number)' in finding.message


@pytest.mark.parametrize(
    ("path", "may"),
    [
        ("s3://lake/sales/orders/", True),
        ("s3://lake/sales/orders", True),
        ("s3://lake/sales/orders/year=2020/", False),
        ("s3://lake/sales/orders/../secret/", False),
        ("s3://lake/sales/orders/*.parquet", False),
        ("s3://lake/sales/orders_of_others/", False),
        ("s3://lake/sales/", False),
    ],
)
def test_a_table_is_read_as_a_whole(path: str, may: bool) -> None:
    code = script(read=f"ds = read({path!r})")
    assert rules(code, ORDERS) == (set() if may else {"foreign_path"})


def test_partition_keys_are_columns() -> None:
    read = f"ds = read({ORDERS.location!r})"
    assert rules(script("ds.groupby('year')", read=read), ORDERS) == set()
    assert rules(script("ds.groupby('month')", read=read), ORDERS) == {"unknown_column"}


def test_only_the_columns_of_the_sources_that_are_read_are_known() -> None:
    code = script("ds.groupby('city')")
    assert rules(code, WEATHER, ORDERS) == {"unknown_column"}
    both = script("other = read('s3://lake/sales/orders/')", "other.groupby('city')")
    assert rules(both, WEATHER, ORDERS) == set()


@pytest.mark.parametrize(
    "line",
    [
        "ds.map_batches(lambda batch: batch).groupby('new')",
        "ds.rename_columns(dict(wind='new')).groupby('new')",
        "ds.with_column(f'x{1}', 1).groupby('x1')",
        "ds.with_column('new', 1).groupby('new')",
        "ray.data.from_items([{'new': 1}]).groupby('new')",
    ],
)
def test_columns_that_the_code_creates_are_known(line: str) -> None:
    assert rules(script(line)) == set()


def test_a_name_before_the_columns_become_unknown_is_still_checked() -> None:
    assert rules(script("ds.groupby('wether').map_groups(print).sort('any')")) == {"unknown_column"}


@pytest.mark.parametrize("size_bytes", [None, 64 * 1024 * 1024 + 1])
def test_an_unbounded_result_of_a_large_source_or_one_of_unknown_size_is_found(size_bytes: int | None) -> None:
    source = table_source(size_bytes=size_bytes)
    read = f"ds = read({source.location!r})"
    for line in ("ds.take_all()", "ds.to_pandas()"):
        assert rules(script(line, read=read), source) == {"unbounded"}
    for line in ("ds.take(1000)", "ds.limit(10).to_pandas()", "ds.map_batches(lambda table: table.to_pandas())"):
        assert rules(script(line, read=read), source) == set()
    small = table_source(size_bytes=1000)
    assert rules(script("ds.take_all()", read=read), small) == set()


AN_API_KEY = "sk-abcdefghijklmnopqrstuvwxyz12"


@pytest.mark.parametrize(
    "secret",
    [
        "AKIAABCDEFGHIJKLMNOP",
        AN_API_KEY,
        "github_pat_11ABCDEFG0abcdefghijkl",
        "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJl",
        "xoxr-1234567890-abcdef",
        "s3://user:password1@raylane/data.csv",
    ],
)
@pytest.mark.parametrize("line", ["print(ds.count(), {!r})", "key = {!r}", "x = f'{{ds}} ' {!r}", "x = {!r}.encode()"])
def test_a_credential_is_refused_on_its_line_and_not_repeated(secret: str, line: str) -> None:
    findings = verify(script(line.format(secret)), [WEATHER])
    assert ("credential", 4) in {(finding.rule, finding.line) for finding in findings}
    assert all(secret not in finding.message for finding in findings)


@pytest.mark.parametrize(
    "line",
    [
        "x = 'https://evil.test/?key={}'",
        "ds.groupby('{}')",
        "ds.filter(expr=col('{}') > 3)",
        "other = read('s3://b/{}')",
    ],
)
def test_no_finding_repeats_a_credential(line: str) -> None:
    code = script(line.format(AN_API_KEY), imports="from ray.data.expressions import col")
    findings = verify(code, [WEATHER])
    assert findings
    assert all(AN_API_KEY not in finding.message for finding in findings)


def test_a_credential_in_a_column_name_or_in_data_is_no_finding() -> None:
    source = csv_source(columns=(column(AN_API_KEY, ColumnType.STRING),))
    read = f"ds = read({source.location!r})"
    assert rules(script(f"ds.groupby({AN_API_KEY!r})", read=read), source) == set()
    line = f"ds.filter(expr=col('weather') == lit({AN_API_KEY!r}))"
    assert rules(script(line, imports="from ray.data.expressions import col, lit")) == set()


def test_code_is_never_run(capsys: pytest.CaptureFixture[str]) -> None:
    verify("print('ran')\nraise SystemExit(3)\n", [WEATHER])
    verify("class A(metaclass=print): pass\n@print\ndef f(x=print('ran')): ...\n", [WEATHER])
    assert capsys.readouterr().out == ""


CODES = [*MAY_RUN.values(), *(code for _, code in FOUND.values() if len(code) < 2000)]
CODES += [
    write(prompt, [WEATHER]).code for prompt in ("describe", "missing values", "top 5 by wind", "count by weather")
]
PIECES = [
    "\0",
    "(" * 300,
    "[" * 150,
    "\udc80",
    "9" * 5000,
    "'",
    '"""',
    "\\",
    "\n",
    "    ",
    "\t",
    "{",
    "f'{",
    "ray",
    ".",
    "*",
]
PIECES += [
    "__import__('os')",
    "\r",
    "\f",
    "lambda:" * 100,
    "not " * 500,
    "é",
    "\ufeff",
    "# coding: latin-1\n",
    "import ray\n",
]


@st.composite
def mutated(draw: st.DrawFn) -> str:
    code = draw(st.sampled_from(CODES))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(code)))
        end = min(len(code), start + draw(st.integers(0, 30)))
        code = code[:start] + draw(st.sampled_from(PIECES) | st.text(max_size=5)) + code[end:]
    return code


@given(st.text() | mutated())
@example("x = 1" + "+1" * 30_000)
@example("x" + "[0]" * 20_000)
@example("x" + "()" * 30_000)
@example("if x: pass\n" + "elif x: pass\n" * 4_000)
@example("@a\n" * 20_000 + "def f(): pass")
@example("-" * 60_000 + "1")
@example("x = " + "9" * 60_000)
@example("\n".join(" " * depth + "if 1:" for depth in range(120)))
def test_any_text_is_verified_without_an_exception(code: str) -> None:
    found = verify(code, [WEATHER, ORDERS])
    assert all(isinstance(finding, Finding) for finding in found)
    assert all(finding.model_dump_json() for finding in found)
