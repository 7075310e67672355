"""Compares the names of arq that `LaneWorker` overrides or uses with the installed version."""

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

from raylane_worker.lanes.worker import LaneWorker
from tests.helpers import queue_keys

OVERRIDDEN = ("async_run", "_poll_iteration", "heart_beat", "run_job")


async def _nothing(ctx: dict[object, object]) -> None:
    raise AssertionError


@pytest.fixture
async def plain() -> Worker:
    """An arq worker that connects to nothing."""
    return Worker([func(_nothing, name="x")], queue_name="q", redis_pool=ArqRedis(), handle_signals=False, max_jobs=7)


def _names_used(method: object) -> set[str]:
    """Returns the attributes of `self` that a method uses."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(method)))  # type: ignore[arg-type]  # a function
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    }


def test_the_installed_version_is_the_one_that_was_reviewed() -> None:
    assert version("arq").startswith("0.28.")


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_overridden_methods_exist_with_the_same_parameters(name: str) -> None:
    theirs, ours = getattr(Worker, name), getattr(LaneWorker, name)
    assert inspect.signature(ours).parameters.keys() == inspect.signature(theirs).parameters.keys()
    assert inspect.iscoroutinefunction(ours)
    assert inspect.iscoroutinefunction(theirs)


def test_nothing_of_arq_is_overridden_by_accident() -> None:
    ours = {name for name in vars(LaneWorker) if not name.startswith("__")}
    theirs = set(dir(Worker)) | _names_used(Worker)
    assert ours & theirs == set(OVERRIDDEN)


def test_our_attributes_do_not_hide_any_of_arq() -> None:
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


def test_arqs_main_loop_touches_jobs_only_through_the_overridden_methods() -> None:
    used = _names_used(Worker.main)
    assert "_poll_iteration" in used
    assert used & {"start_jobs", "run_job", "heart_beat", "run_cron", "record_health", "close"} == set()


async def test_arq_cannot_run_a_job_by_itself() -> None:
    with pytest.raises(AssertionError, match="arq must not"):
        await LaneWorker.run_job(LaneWorker.__new__(LaneWorker), "j", 0)


def test_arqs_async_run_creates_the_main_task_that_drain_cancels() -> None:
    assert _names_used(Worker.async_run) == {"main_task", "loop", "main"}


async def test_arqs_worker_has_the_attributes_that_we_use(plain: Worker) -> None:
    assert plain.tasks == {}
    assert plain.main_task is None
    assert plain.loop is asyncio.get_running_loop()
    assert (plain.max_jobs, plain.jobs_complete, plain.jobs_failed) == (7, 0, 0)
    assert (plain.allow_pick_jobs, plain.burst, plain.poll_delay_s) == (True, False, 0.5)
    assert list(plain.functions) == ["x"]


def test_a_burst_counts_the_jobs_of_our_queue() -> None:
    assert "self.pool.zcard(self.queue_name)" in inspect.getsource(Worker.main)


def test_our_keys_are_arqs_keys() -> None:
    assert queue_keys.arq_job("x") == arq.constants.job_key_prefix + "x"
    assert queue_keys.lease("x") == arq.constants.in_progress_key_prefix + "x"
