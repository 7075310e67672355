"""Scripts and sources that make careless checks take minutes, because their parts multiply."""

from __future__ import annotations

import resource
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import WEATHER, column, csv_source, table_source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Column, Source

# All cases together take a tenth of it.
CPU_S: Final = 30
READ: Final = f"read({WEATHER.location!r})"


def _script(*lines: str) -> str:
    start = ("import ray", "from raylane_run import answer, read", f"ds = {READ}")
    return "\n".join((*start, *lines, "answer.value('rows', ds.count())"))


def _columns(*names: str) -> tuple[Column, ...]:
    return tuple(column(name, ColumnType.STRING) for name in names)


def _wide(count: int, name: str) -> list[Source]:
    return [csv_source(columns=_columns(*(name.format(number) for number in range(count))))]


def _nested(before: str, inside: str, after: str, depth: int) -> str:
    return before * depth + inside + after * depth


def _table(number: int) -> Source:
    return table_source(f"t{number}")


CASES: Final[dict[str, tuple[str, Sequence[Source]]]] = {
    "a column of letters": (_script(), _wide(1, "a" * 60_000)),
    "a column of dots": (_script(), _wide(1, "." * 60_000)),
    "a column of braces": (_script(), _wide(1, "{" * 60_000)),
    "a column of angle brackets": (_script(), _wide(1, "<bucket" * 9_000)),
    "a long header": (_script(), _wide(1, "https://" * 100_000)),
    "many long columns": (_script(), _wide(3_000, "a" * 5_000 + "{}")),
    "a literal of letters": (_script(f"x = {'a' * 60_000!r}"), [WEATHER]),
    "a literal of dots": (_script(f"x = {'.' * 12_000!r}"), [WEATHER]),
    "a path of angle brackets": (_script(f"read({'<bucket' * 7_000!r})"), [WEATHER]),
    "a path of slashes": (_script(f"read({'/' * 12_000!r})"), [_table(0), WEATHER]),
    "joined literals": (_script("x = " + "'a' " * 3_000), [WEATHER]),
    "unknown columns of a wide file": (
        _script(*(f"ds.groupby('column number {number}')" for number in range(800))),
        _wide(10_000, "number {} of the columns of this very wide file, of which there are many"),
    ),
    "unknown columns like long ones": (
        _script(*(f"ds.groupby('{'xy' * 20}{number}')" for number in range(900))),
        _wide(3_000, "yx" * 500 + "{}"),
    ),
    "names of columns in literals": (
        _script(*(f"x = 'AKIAABCDEFGHIJKLM{number:03}'" for number in range(900))),
        _wide(5_000, "AKIAABCDEFGHIJKL{:04}"),
    ),
    "readers of many tables": (
        _script(*(f"read('s3://lake/sales/x{number}/')" for number in range(500))),
        [WEATHER, *map(_table, range(2_000))],
    ),
    "readers of a wide file": (_script(*[f"ds = {READ}"] * 400), _wide(10_000, "number {}")),
    "new columns of a wide file": (
        _script(*(f"ds = ds.with_column('new {number}', 1).groupby('number 7')" for number in range(400))),
        _wide(10_000, "number {}"),
    ),
    "all columns of a wide file": (
        _script(*(f"x{number} = ds.columns() + ds.columns()" for number in range(400))),
        _wide(10_000, "number {}"),
    ),
    "readers among many files": (
        _script(*[f"ds = {READ}"] * 400),
        [*(csv_source(f"{number}.csv") for number in range(2_000)), WEATHER],
    ),
    "merges of wide frames": (
        _script(
            "import pandas as pd", "x = ds.to_pandas()", *["x = x.merge(x, on='number 7')", "y = pd.merge(x, x)"] * 200
        ),
        _wide(10_000, "number {}"),
    ),
    "frames below wide frames": (
        _script("import pandas as pd", "x = ds.to_pandas()", *[f"y = pd.concat([{'x, ' * 20}])"] * 100),
        _wide(10_000, "number {}"),
    ),
    "groups of a wide frame": (
        _script("x = ds.to_pandas()", *["x = x.groupby('number 7').mean().reset_index().assign(a=1)"] * 300),
        _wide(10_000, "number {}"),
    ),
    "charts in charts": (
        _script(f"x = {_nested('answer.chart(', ','.join(['1'] * 4_000), ')', 90)}"),
        [WEATHER],
    ),
    "many charts of a wide file": (
        _script(*(f"answer.chart('bar', data=ds, x='column {number}', y='b')" for number in range(250))),
        _wide(10_000, "number {} of the columns"),
    ),
    "other readers of many files": (
        _script(*(f"ray.data.read_csv('s3://a/{'x' * 40}{number}')" for number in range(600))),
        [*(csv_source(f"{'y' * 40}{number}.csv") for number in range(2_000)), WEATHER],
    ),
    "readers in readers": (
        _script(f"x = {_nested('read([', ','.join(['1'] * 4_000), '])', 90)}"),
        [WEATHER],
    ),
    "filters in filters": (
        _script(f"x = {_nested('ds.filter(expr=f(', ','.join(['1'] * 4_000), '))', 60)}"),
        [WEATHER],
    ),
    "expressions in variables": (
        _script("from ray.data.expressions import col", "x0 = col('é')", *(f"x{n + 1} = x{n}" for n in range(1_900))),
        [WEATHER],
    ),
    "calls in lambdas": (
        _script(f"x = {_nested('lambda: [', ','.join(['f()'] * 2_500), ']', 90)}"),
        [WEATHER],
    ),
    "credentials in lists": (
        _script(f"x = {_nested('[', ','.join(repr(f'AKIAABCDEFGHIJKL{one:04}') for one in range(2_000)), ']', 90)}"),
        [WEATHER],
    ),
    "attributes of attributes": (_script(*["x = ray.data" + ".a" * 45] * 100), [WEATHER]),
    "an import of many parts": (f"import a{'.a' * 30_000}", [WEATHER]),
    "a formatted text of many parts": (f"x = f'{'{a}' * 20_000}'", [WEATHER]),
    "a huge number as a base": (_script(f"class A(0x{'f' * 5_000}): pass"), [WEATHER]),
    "a deep base": (_script(f"class A({'-' * 400}1): pass"), [WEATHER]),
    "dictionaries of functions": (_script("def f(x): return x", f"x = {{{'**f,' * 2_000}}}"), [WEATHER]),
    "a large number": (_script(f"x = 0x{'f' * 60_000}", f"ds.groupby(0x{'f' * 1_000})"), [WEATHER]),
}


def verify_all() -> None:
    """Prints the name of each case, and a digest of its findings. The system ends it when it uses too much CPU time."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    for name, (code, sources) in CASES.items():
        print(name, flush=True)
        found = [finding.model_dump_json() for finding in verify(code, sources)]
        print(sha256("".join(found).encode()).hexdigest())


if __name__ == "__main__":
    verify_all()
