"""Makes scripts and sources that nobody would write out of those that somebody did, for the fuzzer of verification."""

from __future__ import annotations

import ast
import copy
from types import EllipsisType
from typing import TYPE_CHECKING, Final, TypeAlias

from raylane_common.wire.reading import SerDe, TableReading
from raylane_common.wire.sources import ColumnType
from tests.unit.generation import local_corpus
from tests.unit.generation.schemas import ORDERS, WEATHER, column, csv_source, table_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from random import Random

    from raylane_common.wire.sources import Column, Source

# One of each kind of syntax, as a place for odd parts.
ZOO: Final = """
@f(1)
class A(B, *C, metaclass=M, **D):
    x: list[int] = 1
    def __init__(self, a, /, b: int = 2, *c, d=3, **e) -> None:
        super().__init__(); self.x = a; nonlocal_ = lambda f, *g, h=4: f
async def main():
    async with a as (b, c), d: pass
    async for i in j: await k
    return [l async for l in m if n]
try:
    raise E(1) from x
except (F, G) as error:
    assert a, b
else:
    del a.b, c[1:2, ::3]
finally:
    global_ = yield_ = {**a, 'b': 1, c: {*d, 2}}
match x:
    case A(b=1 | 2, c=[d, *e]) as f if g: pass
    case {'h': i, **j}: pass
    case -1 | 2j | 'k' | None | l.m: pass
with open_(x) as y, z: y @= 1; y //= 2; y **= ~3
while not (a := b) < c <= d is not e not in f: break
for i, (j, *k) in l: print(f'{a!r:>{b}}' 'c' rf'{d}', sep='', *e, **f)
'{0.a} {b[c]}'.format(d, e=f) % g
type(h).__name__, (i if j else k), *l
"""
# Written for this number, since Python does not write it itself.
_HUGE: Final = 3141592653589793

Literal: TypeAlias = str | bytes | bool | int | float | complex | EllipsisType | None

_ODD_TEXT: Final = (
    *("", "\0", "\ud800", "\u202e", "\u200b", "\x1b[31m", "\r", "\n", "\\", "'", '"', "{", "{0.__class__}", "{a[_b]}"),
    *("s3://your-bucket/x", "s3://raylane/sessions/s-1/csv/seattle-weather.csv", "/etc/passwd", "../..", "file:///x"),
    *("AKIAABCDEFGHIJKLMNOP", "sk-abcdefghijklmnopqrstuvwxyz12", "https://u:p@h/", "runtime_env", "-----BEGIN KEY"),
    *("weather", "wether", "temp_max", "amount", "mean(wind)", "é", "日本 語", "😀", "\ufdfa", "a" * 300, "." * 300),
)
_LONG_TEXT: Final = (
    "a",
    "<bucket",
    "https://",
    "{",
    "[",
    ".",
    "“",
    "é",
    "\u202e",
    "AKIA",
    "x y ",
    "eyJ",
    "0",
    "_",
    "'",
)
_ODD_NAMES: Final = (
    *(
        "ray",
        "data",
        "read",
        "answer",
        "raylane_run",
        "print",
        "eval",
        "self",
        "cls",
        "input",
        "open",
        "__import__",
        "__class__",
        "_x",
        "getattr",
        "df",
    ),
    *(
        "ds",
        "f_builtins",
        "gi_frame",
        "to_csv",
        "write_csv",
        "filter",
        "groupby",
        "é",
        "ﬁlter",
        "\U0001d41e\U0001d42f\U0001d41a\U0001d425",
        "a" * 2000,
    ),
)
_PIECES: Final = (
    *(
        "(",
        ")" * 3,
        "[" * 150,
        "(" * 250,
        "{",
        "}",
        "f'{",
        "f'{x!r:{y}}'",
        "'''",
        '"',
        "\\",
        "\n",
        "\t",
        "    ",
        "\r\n",
    ),
    *(
        "\f",
        "\0",
        "\ufeff",
        "# coding: utf-7\n",
        "lambda: " * 60,
        "not " * 200,
        "-" * 3000,
        "9" * 5000,
        "0x" + "f" * 9000,
    ),
    *(
        "é",
        "\u202e",
        "\ud800",
        ".",
        ".a" * 60,
        " . a" * 60,
        ",",
        ":",
        ":=",
        "**",
        "*",
        "@",
        "->",
        "->x",
        "await ",
        "yield ",
    ),
    *(
        "async ",
        "import a" + ".a" * 40 + "\n",
        "from . import *\n",
        "global x\n",
        "del ds\n",
        "match x:\n case _: pass\n",
    ),
    *(
        "if 1:\n",
        "else:\n",
        "1if 1else 2",
        "1_000",
        "1e999",
        "1j",
        "b'\\xff'",
        "rb'\\'",
        "...",
        "print(",
        "ray.init()\n",
    ),
)


def mutated(random: Random, pool: Sequence[str]) -> str:
    """Returns a script made from scripts of the pool."""
    code = random.choice(pool)
    if random.random() < 0.8:
        code = _mutated_tree(random, code, random.choice(pool))
    for _ in range(random.choice((0, 0, 0, 0, 1, 1, 3))):
        code = _mutated_text(random, code, pool)
    return code


def _mutated_text(random: Random, code: str, pool: Sequence[str]) -> str:
    start = random.randint(0, len(code))
    end = min(len(code), start + random.choice((0, 0, 1, 5, 40)))
    match random.randrange(4):
        case 0:
            other = random.choice(pool)
            cut = random.randint(0, len(other))
            inside = other[cut : cut + random.choice((5, 50, 500))]
        case 1:
            inside = code[start : start + random.choice((5, 50))] * random.choice((2, 20, 300))
        case 2:
            inside = random.choice(_LONG_TEXT) * random.choice((10, 1_000, 8_000))
        case _:
            inside = random.choice(_PIECES)
    return code[:start] + inside + code[end:]


def _mutated_tree(random: Random, code: str, other: str) -> str:
    """Returns the code with some nodes changed; the code itself if it cannot be parsed or written again."""
    try:
        tree, donor = ast.parse(code), ast.parse(other)
        donated = [node for node in ast.walk(donor) if isinstance(node, ast.expr | ast.stmt)]
        for _ in range(random.choice((1, 1, 2, 4))):
            places = list(_places(tree))
            if not places:
                break
            parent, field, index = random.choice(places)
            values = getattr(parent, field)
            value = values if index is None else values[index]
            new = _changed(random, value, donated)
            if index is None:
                setattr(parent, field, new)
            else:
                values[index : index + 1] = [new] * _few(random, 300)
        return ast.unparse(tree).replace(str(_HUGE), "0x" + "f" * 5000)
    except (SyntaxError, ValueError, RecursionError, MemoryError, AttributeError, TypeError):
        return code


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Yields where an expression or a statement can be replaced: the enclosing node, its field, and the position."""
    for parent in ast.walk(tree):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.expr) and isinstance(getattr(value, "ctx", ast.Load()), ast.Load):
                yield parent, field, None
            elif isinstance(value, list):
                for index, item in enumerate(value):
                    if isinstance(item, ast.stmt | ast.expr) and isinstance(getattr(item, "ctx", ast.Load()), ast.Load):
                        yield parent, field, index


def _changed(random: Random, node: ast.expr | ast.stmt, donated: Sequence[ast.expr | ast.stmt]) -> ast.AST:
    if isinstance(node, ast.stmt):
        statements = [one for one in donated if isinstance(one, ast.stmt)]
        if statements and random.random() < 0.4:
            return copy.deepcopy(random.choice(statements))
        return _nested(random, node, _STATEMENTS)
    match random.randrange(5), node:
        case 0, ast.Name() | ast.Attribute():
            node = copy.copy(node)
            setattr(node, "id" if isinstance(node, ast.Name) else "attr", random.choice(_ODD_NAMES))
            return node
        case 0 | 1, _:
            return ast.Constant(_odd_value(random))
        case 2, _:
            expressions = [one for one in donated if isinstance(one, ast.expr)]
            return copy.deepcopy(random.choice(expressions)) if expressions else node
        case _:
            return _nested(random, node, _EXPRESSIONS)


def _odd_value(random: Random) -> Literal:
    values = (_HUGE, 2**200, -1, 1e999, 1e-300, 1j, True, None, ..., b"\xff\0", b"s3://x", b"a" * 300)
    return random.choice((*_ODD_TEXT, *_ODD_TEXT, *values, random.choice(_LONG_TEXT) * 3_000))


def _few(random: Random, most: int) -> int:
    """Returns a number from 1 to `most`, mostly a small one."""
    return random.randint(1, most) if random.random() < 0.05 else random.choice((1, 1, 1, 2))


def _nested(random: Random, node: ast.AST, wrappers: Sequence[str]) -> ast.AST:
    """Returns the node inside of one or many layers of code."""
    text = ast.unparse(node)
    chosen = random.choice(wrappers)
    for _ in range(_few(random, 90)):
        if len(text) > 5_000:
            break
        before, _, after = (chosen if random.random() < 0.8 else random.choice(wrappers)).partition("§")
        indentation = before[before.rfind("\n") + 1 :]
        text = before + (text if indentation.strip() else text.replace("\n", f"\n{indentation}")) + after
    [statement] = ast.parse(text).body
    return statement.value if isinstance(node, ast.expr) and isinstance(statement, ast.Expr) else statement


# § is the code that is wrapped.
_EXPRESSIONS: Final = (
    *("(§)", "[§]", "(§,)", "{§: 1}", "{1: §}", "{§}", "f(§)", "f(a=§)", "f(*§)", "f(**§)", "(§).a", "(§)[0]", "a[§]"),
    *(
        "ds.filter(expr=§)",
        "read(§)",
        "answer.table(§)",
        "answer.chart('bar', data=ds, x=§, y='wind')",
        "ds.groupby(§)",
        "ds.map(lambda row: §)",
        "lambda: §",
        "-(§)",
        "print(§)",
    ),
    *("[§ for a in b]", "[a for a in § if a]", "(§) if a else b", "a if § else b", "not (§)", "(§) + 1", "(§) < 1 < 2"),
    *(
        "(§) and b",
        "f'{§}'",
        "(a := §)",
        "await (§)",
        "(yield §)",
        "col(§)",
        "'a'.format(§)",
        "type(§)",
        "(§).str.len()",
    ),
    *(
        "(§).sort('a').limit(3)",
        "ds.aggregate(Sum(§))",
        "ds.rename_columns({§: 'b'})",
        "(lambda a: a)(§)",
        "ds.a(§, *b)",
    ),
)
_STATEMENTS: Final = (
    *("if a:\n §", "if a:\n pass\nelse:\n §", "if a:\n pass\nelif b:\n §", "for a in b:\n §", "while a:\n §"),
    *("def f(a, *b, c=1, **d):\n §", "@a\ndef main():\n §", "def main():\n global a, b\n §", "async def g():\n §"),
    *("class A:\n §", "try:\n §\nexcept* E as e:\n pass", "try:\n pass\nfinally:\n §", "with a as b:\n §"),
    "match a:\n case A(b=c, d=[*e]) | {'f': g, **h} if i:\n  §\n case _:\n  pass",
)


def sources(random: Random) -> list[Source]:
    """Returns the sources that the scripts of the corpora read, or one to three odd ones, some of them very wide."""
    if random.random() < 0.6:
        return list(_READ)
    return [_source(random) for _ in range(random.choice((1, 1, 2, 3)))]


_READ: Final[tuple[Source, ...]] = (
    WEATHER,
    ORDERS,
    csv_source(s3_uri="s3://raylane/sessions/s1/csv/seattle-weather.csv"),
    *(csv_source(name, s3_uri=f"s3://raylane/sessions/s/csv/{name}") for name in ("sales.csv", "customers.csv")),
    *local_corpus.SOURCES,
)


def _source(random: Random) -> Source:
    columns = tuple(_column(random, number) for number in range(random.choice((1, 3, 6, 6, 6, 30, 500, 3_000))))
    size = random.choice((10, 10**9))
    if random.random() < 0.6:
        name = random.choice(("seattle-weather.csv", "a b#1.csv", "'); x.csv", "ü\u202e.csv"))
        return csv_source(name, columns, size_bytes=size)
    name = random.choice(("orders", "t" * 200, "a\u200bb"))
    return table_source(name, columns=columns, reading=TableReading(serde=random.choice(list(SerDe))), size_bytes=size)


def _column(random: Random, number: int) -> Column:
    text = random.choice(_ODD_TEXT) if random.random() < 0.3 else random.choice(("weather", "wind", "temp", "date"))
    if number > 5:
        text += f" {number}" + random.choice(("", " of the whole table, as measured", random.choice(_LONG_TEXT) * 50))
    elif random.random() < 0.05:
        text = random.choice(_LONG_TEXT) * 20_000
    return column(text, random.choice(list(ColumnType)))
