"""The names of arq that `LaneWorker` overrides or uses, held against the installed version."""

from __future__ import annotations

import ast
import asyncio
import inspect
import textwrap
from importlib.metadata import version

import arq.constants
import pytest
from arq import func
from arq.connections import ArqRedis
from arq.worker import Worker

from raylane_common.redis import keys
from raylane_worker.lanes.worker import LaneWorker

OVERRIDDEN = ("async_run", "_poll_iteration", "heart_beat", "run_job")


async def _nothing(ctx: dict[object, object]) -> None:
    raise AssertionError


@pytest.fixture
async def plain() -> Worker:
    """An arq worker as ours makes it; it connects to nothing."""
    return Worker([func(_nothing, name="x")], queue_name="q", redis_pool=ArqRedis(), handle_signals=False, max_jobs=7)


def _names_used(method: object) -> set[str]:
    """What a method reaches through `self`."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))  # type: ignore[arg-type]  # a function
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("arq").startswith("0.28.")


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_what_is_overridden_exists_with_the_same_parameters(name: str) -> None:
    theirs, ours = getattr(Worker, name), getattr(LaneWorker, name)
    assert inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
    assert inspect.iscoroutinefunction(ours)
    assert inspect.iscoroutinefunction(theirs)


def test_nothing_of_arq_is_overridden_by_accident() -> None:
    ours = {name for name in vars(LaneWorker) if not name.startswith("__")}
    theirs = set(dir(Worker)) | _names_used(Worker)
    assert ours & theirs == set(OVERRIDDEN)


def test_the_attributes_of_our_worker_are_not_arqs() -> None:
    source = textwrap.dedent(inspect.getsource(LaneWorker.__init__))
    set_by_us = {
        target.attr
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        if isinstance(target, ast.Attribute)
    }
    assert set_by_us
    assert set_by_us & (_names_used(Worker) | set(dir(Worker))) == set()


def test_the_main_loop_calls_what_is_overridden_and_nothing_else_that_touches_jobs() -> None:
    used = _names_used(Worker.main)
    assert "_poll_iteration" in used
    assert used & {"start_jobs", "run_job", "heart_beat", "run_cron", "record_health", "close"} == set()


async def test_the_way_in_which_arq_runs_a_job_is_closed() -> None:
    with pytest.raises(AssertionError, match="arq must not"):
        await LaneWorker.run_job(LaneWorker.__new__(LaneWorker), "j", 0)


def test_arqs_own_run_makes_the_main_task_that_drain_cancels() -> None:
    assert _names_used(Worker.async_run) == {"main_task", "loop", "main"}


async def test_the_attributes_that_we_use_are_there(plain: Worker) -> None:
    assert plain.tasks == {}
    assert plain.main_task is None
    assert plain.loop is asyncio.get_running_loop()
    assert (plain.max_jobs, plain.jobs_complete, plain.jobs_failed) == (7, 0, 0)
    assert (plain.allow_pick_jobs, plain.burst, plain.poll_delay_s) == (True, False, 0.5)
    assert list(plain.functions) == ["x"]


def test_a_burst_looks_for_jobs_in_the_set_that_holds_ours() -> None:
    assert "self.pool.zcard(self.queue_name)" in inspect.getsource(Worker.main)


def test_our_keys_are_arqs_keys() -> None:
    assert keys.arq_job("x") == arq.constants.job_key_prefix + "x"
    assert keys.lease("x") == arq.constants.in_progress_key_prefix + "x"
