"""Draws many pairs of a table and a question at once, for scripts that run in one batch."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from tests.fuzz.engines.questions import questions
from tests.fuzz.engines.tables import tables

if TYPE_CHECKING:
    from raylane_worker.generation.template.question import Question
    from tests.fuzz.engines.tables import Table


def draw_pairs(count: int, chosen_seed: int) -> list[tuple[Table, Question]]:
    """Returns that many pairs, the same ones for the same seed. Each table is a source of its own."""
    found: list[tuple[Table, Question]] = []

    @seed(chosen_seed)
    @settings(max_examples=count, phases=[Phase.generate], database=None, suppress_health_check=[*HealthCheck])
    @given(st.data())
    def draw(data: st.DataObject) -> None:
        table = data.draw(tables())
        question = data.draw(questions(table))
        moved = table.moved(len(found))
        found.append((moved, replace(question, source=moved.source)))

    draw()
    return found
