"""Only the location of a source can be read, written as a literal; any other text is only text."""

from __future__ import annotations

import pytest

from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import ORDERS, WEATHER, csv_source

LOCATION = WEATHER.location
READ = f"ds = read({LOCATION!r})"


def script(*lines: str, imports: str = "", read: str = READ) -> str:
    start = ["import ray", "from raylane_run import answer, read", *filter(None, [imports]), read]
    return "\n".join([*start, *lines, "answer.value('rows', ds.count())", ""])


def rules(code: str) -> set[str]:
    return {finding.rule for finding in verify(code, [WEATHER, ORDERS])}


TEXT = {
    "a pattern that begins with a slash": script("short = re.sub('/.*', '', 'a/b')", imports="import re"),
    "a pattern for URLs": script("host = re.match(r'https?://([^/]+)', 'x')", imports="import re"),
    "a prefix to remove": script("ds = ds.map(lambda row: {'site': row['weather'].replace('https://', '')})"),
    "a URL that is printed": script("print('see https://en.wikipedia.org/wiki/Pearson')"),
    "a URL in a list": script("sites = ['https://example.com/a', 'http://b.org']"),
    "a URL in an f-string": script("b = 'x'", "print(f's3://{b}/y')"),
    "bytes that are a URL": script("print(b'http://raylane.test')"),
    "a table in angle brackets": script("print('<table>', '<session name>')"),
    "a rate": script("print(3, '/day', f'{3}/{4}')"),
    "paths": script("print('data/../../x', '/etc/passwd', '~/x', 'C:\\\\x', 'path/to/file.csv')"),
    "a docstring": f'"""Reads s3://your-bucket/x, and nothing else."""\n{script()}',
    "a docstring of a function": script("def f():", "    'See /path/to/x or https://x.org.'", "    return 1"),
    "the location in a text": script(f"print('the data of {LOCATION}')"),
    "a constant": script(f"PATH = {LOCATION!r}", "ds = read(PATH)"),
    "a constant with a type": script(f"PATH: str = {LOCATION!r}", "ds = read(PATH)"),
    "two constants": script(f"A = {LOCATION!r}", f"B = {ORDERS.location!r}", "ds = read(A)", "t = read(B)"),
    "a constant of a function": script("def main():", f"    path = {LOCATION!r}", "    return read(path)", "main()"),
    "one value with two names": script(f"A = B = {LOCATION!r}", "ds = read(B)"),
}


@pytest.mark.parametrize("code", TEXT.values(), ids=TEXT)
def test_text_that_nothing_opens_is_no_finding(code: str) -> None:
    assert verify(code, [WEATHER, ORDERS]) == []


OTHER = "s3://raylane/sessions/s-2/csv/secret.csv"
BINDINGS = {
    "assigned again": f"PATH = {OTHER!r}",
    "assigned in a function": f"def f():\n    global PATH\n    PATH = {OTHER!r}",
    "declared in a function": "def f():\n    global PATH",
    "extended": "PATH += '/../secret.csv'",
    "a loop": f"for PATH in [{OTHER!r}]: pass",
    "a comprehension": f"x = [read(PATH) for PATH in [{OTHER!r}]]",
    "a walrus": f"print(PATH := {OTHER!r})",
    "a context": "with ds as PATH: pass",
    "an unpacking": f"PATH, x = {OTHER!r}, 1",
    "a parameter": f"def load(PATH):\n    return read(PATH)\nload({OTHER!r})",
    "a parameter of a lambda": f"x = (lambda PATH: read(PATH))({OTHER!r})",
    "a keyword-only parameter": "def load(*, PATH=1): pass",
    "an import": "import math as PATH",
    "a name of a module": "from math import pi as PATH",
    "a function": "def PATH(): pass",
    "a class": "class PATH: pass",
    "a caught error": "try:\n    pass\nexcept ValueError as PATH:\n    pass",
    "a pattern": "match ds:\n    case PATH: pass",
    "a pattern that takes the rest": "match ds:\n    case [*PATH]: pass\n    case {1: 2, **x}: pass",
    "a pattern of a mapping": "match ds:\n    case {1: 2, **PATH}: pass",
    "a deletion": "del PATH",
}


@pytest.mark.parametrize("binding", BINDINGS.values(), ids=BINDINGS)
def test_a_name_with_a_second_binding_is_no_constant(binding: str) -> None:
    assert "path_not_literal" in rules(script(f"PATH = {LOCATION!r}", binding, "ds = read(PATH)"))


@pytest.mark.parametrize(
    "line",
    [
        f"ds = read([{LOCATION!r}])",
        f"ds = read({LOCATION!r} or {OTHER!r})",
        f"ds = read(*[{OTHER!r}])",
        f"PATHS = [{LOCATION!r}]\nPATHS.append({OTHER!r})\nds = read(PATHS)",
        f"PATH = {LOCATION!r}\nds = read(PATH + '/../secret.csv')",
        f"PATH = {LOCATION!r}\nds = read(f'{{PATH}}/..')",
        f"PATH = {LOCATION!r}.replace('s-1', 's-2')\nds = read(PATH)",
        "PATH = 's3://x', 'y'\nds = read(PATH)",
        "ds = read(PATH)",
        f"ds = read({LOCATION!r}.strip())",
        f"ds = read(b{LOCATION!r})",
    ],
)
def test_what_is_no_literal_cannot_be_read(line: str) -> None:
    assert "path_not_literal" in rules(script(line))


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        f"uri={LOCATION!r}",
        f"{LOCATION!r}, None",
        f"{LOCATION!r}, filesystem=None",
        f"{LOCATION!r}, *[]",
        f"{LOCATION!r}, **{{}}",
        f"**{{'uri': {OTHER!r}}}",
    ],
)
def test_read_takes_one_argument(arguments: str) -> None:
    assert rules(script(f"ds = read({arguments})")) == {"reader_argument"}


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        (OTHER, "foreign_path"),
        ("/etc/passwd", "foreign_path"),
        (f" {LOCATION}", "foreign_path"),
        (f"{LOCATION}/", "foreign_path"),
        ("s3://your-bucket/data.csv", "placeholder"),
        ("path/to/file.csv", "placeholder"),
        ("<location of the table>", "placeholder"),
        ("s3://.../weather.csv", "placeholder"),
    ],
)
def test_a_constant_is_judged_like_a_literal(path: str, rule: str) -> None:
    assert rules(script(read=f"ds = read({path!r})")) == {rule}
    assert rules(script(read=f"PATH = {path!r}\nds = read(PATH)")) == {rule}


def test_the_columns_of_a_source_that_is_read_by_a_constant_are_known() -> None:
    read = f"PATH = {ORDERS.location!r}\nds = read(PATH)"
    assert rules(script("ds.groupby('city')", read=read)) == set()
    assert rules(script("ds.groupby('wind')", read=read)) == {"unknown_column"}


@pytest.mark.parametrize("below", ["year=2020/", "year=2020/part-0.parquet", "../secret/", "[a-z]", "?versionId=1"])
def test_a_table_is_read_by_its_whole_location(below: str) -> None:
    code = script(read=f"ds = read({ORDERS.location + below!r})")
    assert rules(code) == {"foreign_path"}


def test_a_location_with_a_control_character_is_quoted() -> None:
    odd = csv_source("x\u202e.csv")
    (finding,) = verify(script(read="ds = read('s3://a/\u202e\x1b[31m')"), [odd])
    assert finding.message.isprintable()
