"""The local engine gives the answers of DuckDB: the same values, types, missing values and order."""

from __future__ import annotations

from hypothesis import event, given, settings
from hypothesis import strategies as st

from raylane_common.wire.names import Engine
from raylane_worker.generation.template.builder import MAX_LINES
from raylane_worker.generation.template.emit import emit_script
from raylane_worker.generation.verify import verify
from tests.fuzz.engines.compare import difference
from tests.fuzz.engines.questions import long_questions, questions
from tests.fuzz.engines.reference import expected
from tests.fuzz.engines.tables import tables
from tests.helpers.kit import kit, run_script
from tests.helpers.profiles import by_profile


@settings(max_examples=by_profile(fast=10, ci=60, deep=2500))
@given(st.data())
def test_a_local_script_gives_the_answer_of_duckdb(data: st.DataObject) -> None:
    table = data.draw(tables())
    question = data.draw(questions(table))
    event(question.template_id)
    code = emit_script(question, "# header", engine=Engine.LOCAL, chart=True)
    with kit(table.objects, [table.source]) as package:
        ran = run_script(code, package)
    assert ran.error is None, f"{code}\n{ran.error}"
    assert ran.answer is not None
    right = expected(question, table)
    found = difference(ran.answer, right)
    assert not found, f"{code}\n{found}\nthe table is {table.data.to_pydict()} of {table.data.schema.types}"
    assert code.count("\n") <= MAX_LINES


@settings(max_examples=by_profile(fast=5, ci=30, deep=600))
@given(st.data())
def test_scripts_of_long_questions_fit_on_a_screen_and_pass_verification(data: st.DataObject) -> None:
    table = data.draw(tables())
    question = data.draw(long_questions(table))
    for engine in Engine:
        code = emit_script(question, "# header", engine=engine, chart=True)
        assert code.count("\n") <= MAX_LINES, code
        assert verify(code, [table.source], engine) == [], code
