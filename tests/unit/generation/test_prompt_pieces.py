"""What the prompt for the local engine says is true: each piece runs on frames that the kit reads.

test_prompt_on_ray does the same for the distributed engine.
"""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from functools import cache
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.answer import AnswerChart, AnswerTable, AnswerValue, ChartKind
from raylane_common.wire.generate import Engine
from raylane_worker.generation.agents.briefing import load_prompt
from raylane_worker.generation.verify import verify
from tests.helpers.files import uploaded
from tests.helpers.kit import Ran, kit, run_script
from tests.unit.generation import ray_cases
from tests.unit.generation.prompt_statements import (
    ANSWERS,
    DISTRIBUTED,
    EXAMPLE_CSV,
    EXAMPLE_MEAN,
    EXAMPLE_ROWS,
    IMPORTS,
    LOCAL,
    LOCATION,
    NAMES,
    SALES,
)
from tests.unit.generation.test_prompts import EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

    from raylane_common.wire.answer import AnswerItem
    from raylane_common.wire.sources import FileSource


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


@pytest.mark.parametrize("name", LOCAL)
def test_what_the_prompt_says_about_pandas_is_true(name: str, frame: pd.DataFrame) -> None:
    piece, printed = LOCAL[name]
    output = io.StringIO()
    with redirect_stdout(output):
        exec(compile(f"{IMPORTS}{NAMES}{piece}", name, "exec"), {"frame": frame.copy()})
    assert output.getvalue() == f"{printed}\n"


@pytest.mark.parametrize(("engine", "statements"), [(Engine.LOCAL, LOCAL), (Engine.DISTRIBUTED, DISTRIBUTED)])
def test_each_snippet_of_the_prompt_is_in_a_piece(engine: Engine, statements: dict[str, tuple[str, str]]) -> None:
    """A snippet has a call or an item. Those with an ellipsis, and lists of names, are no code."""
    prose = re.sub(r"```python\n.*?```", "", load_prompt(f"engine_{engine}"), flags=re.DOTALL)
    said = "\n".join(map("\n".join, statements.values())).replace("'", '"')
    snippets = re.findall(r"`([^`\n]*[(\[][^`\n]*)`", prose)
    codes = [text for text in snippets if not re.search(r"\.\.\.|…|(\w+ ){3}", text)]
    assert [text for text in codes if text not in said] == []
    assert len(codes) > 10


def test_each_piece_passes_verification() -> None:
    source, _ = upload(SALES)
    beginning = f"{IMPORTS}from raylane_run import answer, read\nframe = read({LOCATION!r})\n{NAMES}"
    for piece, _ in LOCAL.values():
        assert verify(f'{beginning}{piece}\nanswer.value("n", 1)\n', [source], Engine.LOCAL) == [], piece
    for piece, _ in DISTRIBUTED.values():
        assert verify(ray_cases.script(piece), [ray_cases.SALES], Engine.DISTRIBUTED) == [], piece


def test_the_example_gives_its_answer() -> None:
    run = ran(EXAMPLE_CSV, EXAMPLES[Engine.LOCAL])
    assert "Retail by city" in run.output
    assert run.answer is not None, run.error
    check_example(run.answer.items)


def check_example(items: Sequence[object]) -> None:
    """Checks the answer of the example of either engine."""
    value, table, chart = items
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
    check_answers(run.answer.items, run.answer.notes, run.files.keys())


def check_answers(items: Sequence[AnswerItem], notes: Sequence[str], files: Collection[str]) -> None:
    """Checks the answer of `ANSWERS`."""
    assert [item.type for item in items] == ["value", "table", *["chart"] * 6, *["file"] * 3]
    assert {item.kind for item in items if isinstance(item, AnswerChart)} == {*ChartKind}
    assert {"name.parquet", "name.csv", "name.json"} <= {*files}
    assert "Wholesale is included." in notes


def test_a_text_that_no_row_has_ends_the_script_with_a_note() -> None:
    run = ran(EXAMPLE_CSV.replace("retail", "Retail"), EXAMPLES[Engine.LOCAL])
    assert run.answer is not None, run.error
    assert run.answer.items == ()
    (note,) = run.answer.notes
    assert "'Retail'" in note
