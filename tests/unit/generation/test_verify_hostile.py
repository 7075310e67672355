"""No script and no column name makes verification slow: its work grows with the text, not with products of parts."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from raylane_common.nearest import NearestNames
from raylane_worker.generation.checks import script
from raylane_worker.generation.verify import verify
from tests.fuzz.hostile import CASES
from tests.fuzz.verify import Fuzzer
from tests.helpers import profiles
from tests.unit.generation.schemas import WEATHER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.wire.sources import Source


def test_hostile_scripts_and_names_are_verified_within_a_limit_of_the_system_and_always_alike() -> None:
    said = set()
    for hash_seed in ("1", "2"):
        command, environment = [sys.executable, "-m", "tests.fuzz.hostile"], os.environ | {"PYTHONHASHSEED": hash_seed}
        child = subprocess.run(command, capture_output=True, text=True, env=environment)
        assert child.returncode != -signal.SIGXCPU, f"out of CPU time at: {child.stdout.splitlines()[-1]}"
        assert child.stdout.splitlines()[::2] == [*CASES], child.stderr
        said.add(child.stdout)
    assert len(said) == 1


def test_random_scripts_raise_nothing_and_have_short_findings() -> None:
    fuzzer = Fuzzer(profiles.seed())
    for _ in range(profiles.by_profile(fast=20, ci=60, deep=5_000)):
        fuzzer.step()
    assert [problem for problem, _ in fuzzer.problems] == []
    assert len(fuzzer.rules) > 5


@pytest.mark.parametrize(("code", "sources"), CASES.values(), ids=CASES)
def test_what_is_found_in_hostile_scripts_is_short_and_printable(code: str, sources: Sequence[Source]) -> None:
    found = verify(code, sources)
    assert len(found) <= 50
    assert all(len(finding.message) <= 2000 and finding.message.isprintable() for finding in found)


class Interruption:
    """Garbage whose removal lets another thread verify for a moment, in the middle of whatever this thread does."""

    def __init__(self, done: threading.Event, left: int) -> None:
        self.done, self.left, self.cycle = done, left, self

    def __del__(self) -> None:
        self.done.wait(0.01)
        if self.left:
            Interruption(self.done, self.left - 1)


def test_threads_that_verify_at_once_do_not_disturb_each_other() -> None:
    read = ["from raylane_run import answer, read", f"ds = read({WEATHER.location!r})"]
    code = "\n".join([*read, *["answer.table(ds)"] * 900])
    done, found = threading.Event(), []

    def keep_verifying() -> None:
        while not done.is_set():
            found.append(verify(code, [WEATHER]))

    other = threading.Thread(target=keep_verifying)
    other.start()
    threshold = gc.get_threshold()
    try:
        Interruption(done, left=50)
        gc.set_threshold(100)
        assert verify(code, [WEATHER]) == []
    finally:
        gc.set_threshold(*threshold)
        done.set()
        other.join()
    assert all(each == [] for each in found)


def test_a_check_that_runs_on_is_ended_and_found_too_complex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "MAX_CPU_S", -1.0)
    assert [finding.rule for finding in verify("import ray", [WEATHER])] == ["too_complex"]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("wether", ["weather"]),
        ("TEMP", ["temp_max", "temp_min"]),
        ("max temp", ["temp_max", "temp_min"]),
        ("percipitation", ["precipitation"]),
        ("amount", []),
        ("", []),
    ],
)
def test_the_nearest_names_are_those_with_most_in_common(name: str, nearest: list[str]) -> None:
    names = ["date", "precipitation", "temp_max", "temp_min", "wind", "weather"]
    assert NearestNames(names).find(name) == nearest


def test_only_the_first_names_get_hints() -> None:
    nearest = NearestNames(["wind"], most=2)
    assert [nearest.find("window") for _ in range(3)] == [["wind"], ["wind"], []]
