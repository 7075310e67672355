"""What the prompt for the local engine says is true: each piece runs on frames that the kit reads.

test_prompt_on_ray does the same for the distributed engine.
"""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from functools import cache
from typing import TYPE_CHECKING, Final

import pytest

from raylane_common.wire.answer import Answer, AnswerChart, AnswerTable, AnswerValue, ChartKind
from raylane_common.wire.generate import Engine
from raylane_worker.generation.agents.briefing import load_prompt
from raylane_worker.generation.verify import verify
from tests.helpers.files import uploaded
from tests.helpers.kit import Ran, kit, run_script
from tests.unit.generation.test_prompts import EXAMPLES

if TYPE_CHECKING:
    import pandas as pd

    from raylane_common.wire.sources import FileSource

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
# What the prompt says: (piece, what it prints).
STATEMENTS: Final = {
    "types": (
        "print(frame.dtypes.map(str).to_dict())",
        (
            "{'city': 'object', 'price': 'float64', 'amount': 'float64', 'sold': 'object', 'day': 'datetime64[s]', "
            "'at': 'object', 'id': 'object', 'key': 'object'}"
        ),
    ),
    "integers stay exact": ("print(frame['id'].sum() == 18 * 10**18 + 2, type(frame['id'][0]).__name__)", "True int"),
    "times": ("print(frame['at'].min() == datetime.time(9), (frame['at'] < datetime.time(10)).sum())", "True 1"),
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


@cache
def upload(csv: str) -> tuple[FileSource, dict[str, bytes]]:
    """Returns the source that the lines make, and its objects by their URIs."""
    source, objects = uploaded("sales.csv", csv.encode(), bucket="lake", session_id="ada")
    return source, {f"s3://lake/{key}": data for key, data in objects.items()}


def ran(csv: str, script: str) -> Ran:
    """Runs a script of the local engine on a source of these lines, as the launcher does."""
    source, objects = upload(csv)
    with kit(objects, [source]) as package:
        return run_script(script, package)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """What `read` returns."""
    source, objects = upload(SALES)
    with kit(objects, [source]) as package:
        return package.read(LOCATION)


@pytest.mark.parametrize("name", STATEMENTS)
def test_what_the_prompt_says_about_pandas_is_true(name: str, frame: pd.DataFrame) -> None:
    piece, printed = STATEMENTS[name]
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(f"{IMPORTS}{NAMES}{piece}", name, "exec"), {"frame": frame.copy()})
    assert output.getvalue() == f"{printed}\n"


def test_each_snippet_of_the_prompt_is_in_a_piece() -> None:
    prose = re.sub(r"```python\n.*?```", "", load_prompt("engine_local"), flags=re.DOTALL)
    pieces = "\n".join(piece for piece, _ in STATEMENTS.values()).replace("'", '"').replace("öl", "text")
    snippets = [
        text.replace("2024", "2020") for text in re.findall(r"`([^`\n]*[(\[][^`\n]*)`", prose) if "…" not in text
    ]
    assert [text for text in snippets if text not in pieces] == []


def test_each_piece_passes_verification() -> None:
    source, _ = upload(SALES)
    beginning = f"{IMPORTS}from raylane_run import answer, read\nframe = read({LOCATION!r})\n{NAMES}"
    for piece, _ in STATEMENTS.values():
        assert verify(f'{beginning}{piece}\nanswer.value("n", 1)\n', [source], Engine.LOCAL) == [], piece


def test_the_example_gives_its_answer() -> None:
    run = ran(EXAMPLE_CSV, EXAMPLES[Engine.LOCAL])
    assert "Retail by city" in run.output
    assert run.answer is not None, run.error
    check_example(run.answer)


def check_example(answer: Answer) -> None:
    """Checks the answer of the example of either engine."""
    value, table, chart = answer.items
    assert isinstance(value, AnswerValue)
    assert (value.name, value.value) == ("mean price", EXAMPLE_MEAN)
    assert isinstance(table, AnswerTable)
    assert [column.name for column in table.columns] == ["city", "total", "median", "rows"]
    assert table.rows == EXAMPLE_ROWS
    assert isinstance(chart, AnswerChart)
    assert (chart.kind, chart.x, chart.y, len(chart.rows)) == ("bar", "city", "total", 3)


def test_what_the_prompt_says_about_the_answer_is_true() -> None:
    source, _ = upload(EXAMPLE_CSV)
    assert verify(ANSWERS, [source], Engine.LOCAL) == []
    run = ran(EXAMPLE_CSV, ANSWERS)
    assert run.answer is not None, run.error
    items = run.answer.items
    assert [item.type for item in items] == ["value", "table", *["chart"] * 6, *["file"] * 3]
    assert {item.kind for item in items if isinstance(item, AnswerChart)} == {*ChartKind}
    assert run.files.keys() == {"name.parquet", "name.csv", "name.json"}
    assert run.answer.notes == ("Wholesale is included.",)


def test_a_text_that_no_row_has_ends_the_script_with_a_note() -> None:
    run = ran(EXAMPLE_CSV.replace("retail", "Retail"), EXAMPLES[Engine.LOCAL])
    assert run.answer is not None, run.error
    assert run.answer.items == ()
    (note,) = run.answer.notes
    assert "'Retail'" in note
