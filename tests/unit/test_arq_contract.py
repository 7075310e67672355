"""The private names of arq that `LaneWorker` overrides or uses, held against the installed version."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import arq.constants
from arq.worker import Worker

from raylane_common import keys
from raylane_worker.lanes import LaneWorker


def test_the_version_is_the_one_that_was_read() -> None:
    assert version("arq").startswith("0.28.")


def test_what_is_overridden_exists_with_the_same_parameters() -> None:
    for name in ("_poll_iteration", "heart_beat", "run_job"):
        theirs, ours = getattr(Worker, name), getattr(LaneWorker, name)
        assert list(inspect.signature(ours).parameters) == list(inspect.signature(theirs).parameters), name


def test_the_main_loop_calls_what_is_overridden_and_nothing_else_that_touches_jobs() -> None:
    source = inspect.getsource(Worker.main)
    assert "self._poll_iteration()" in source
    assert "start_jobs" not in source
    assert "run_job" not in source


def test_our_keys_are_arqs_keys() -> None:
    assert keys.arq_job("x") == arq.constants.job_key_prefix + "x"
    assert keys.lease("x") == arq.constants.in_progress_key_prefix + "x"
