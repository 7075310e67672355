"""What is shown of the output of a run: all that the script printed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane.gateway.original._output import all_printed_by, printed_by
from raylane_common.wire.ray import RaySubmitResult
from tests.unit.producer.samples import RUN

if TYPE_CHECKING:
    from raylane.testing import MemoryProducer

SETTING_UP: Final = "2026-11-27 12:00:12,229\tINFO job_manager.py:581 -- Runtime env is setting up.\n"
BEGUN: Final = f"Running entrypoint for job {RUN.submission_id}: python main.py\n"


def shown(output: str) -> str:
    return printed_by(RUN.model_copy(update={"output_tail": output}))


@pytest.mark.parametrize(
    "line",
    [
        "",
        "   ",
        "INFO worker.py",
        "INFO job_manager.py:581 -- Runtime env is setting up.",
        "see 2026-11-27 12:00:12,229\tINFO worker.py:1 -- x",
        "2026-11-27 12:00:12,229\tINFO mine.py:1 -- x",
        "2026-11-27 12:00:12,229\tERROR worker.py:1 -- x",
        "Running 0: 3 of 5",
        "Running entrypoint for job rl-other-1: python main.py",
        "View the dashboard at home",
        "Full logs are in the attic",
        "<thinking>",
        "A",
    ],
)
def test_a_line_of_the_script_stays(line: str) -> None:
    assert shown(f"{SETTING_UP}{BEGUN}{line}\nend\n") == f"{line}\nend"


def test_lines_of_ray_go() -> None:
    started = "2026-11-27 12:00:13,001\tINFO worker.py:2011 -- Connected to Ray cluster. View the dashboard at h:8265\n"
    assert shown(f"{SETTING_UP}{BEGUN}{started}Hello\n") == "Hello"
    assert shown(f"{SETTING_UP}{BEGUN}") == ""


def test_a_line_that_ray_broke_in_two_is_whole_again() -> None:
    assert shown(f"{SETTING_UP}line 1\nline {BEGUN}2\nline 3\n") == "line 1\nline 2\nline 3"


@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])), min_size=1))
def test_what_a_script_prints_is_shown_as_it_is(lines: list[str]) -> None:
    text = "\n".join(lines)
    assert shown(f"{SETTING_UP}{BEGUN}{text}\n") == text


async def test_output_that_is_longer_than_a_run_keeps_comes_from_the_events(producer: MemoryProducer) -> None:
    job = await producer.cluster.submit("print()")
    await producer.tell(job.id, line=f"{SETTING_UP}{BEGUN}first\n")
    await producer.tell(job.id, line="last")
    cut = RUN.model_copy(update={"output_tail": "last\n", "output_truncated": True})
    await producer.succeed(job.id, RaySubmitResult(run=cut))
    assert await all_printed_by(cut, job) == "first\n\nlast"
    later = cut.model_copy(update={"output_tail": "much later\n"})
    assert await all_printed_by(later, job) == "first\n\nlast\nmuch later"
