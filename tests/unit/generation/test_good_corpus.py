"""Verification accepts what models write well, in any style, and names the policy where it does not."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from raylane_common.wire.names import Engine
from raylane_worker.generation.verify import verify
from tests.unit.generation.good_corpus import LOCAL_VARIANTS, REFUSED, SCRIPTS, SOURCES

if TYPE_CHECKING:
    import pytest


def test_every_good_script_is_accepted_unless_a_policy_refuses_it() -> None:
    found = {name: {finding.rule for finding in verify(code, SOURCES)} for name, code in SCRIPTS.items()}
    refused = {name: rules for name, rules in found.items() if rules}
    assert refused == {name: {rule} for name, (rule, _) in REFUSED.items()}


def test_scripts_that_do_everything_with_frames_are_accepted_for_the_local_engine_without_ray() -> None:
    assert len(LOCAL_VARIANTS) > 40
    assert {name: verify(code, SOURCES, Engine.LOCAL) for name, code in LOCAL_VARIANTS.items()} == {
        name: [] for name in LOCAL_VARIANTS
    }


def test_the_corpus_has_four_hundred_scripts_that_differ() -> None:
    assert len(SCRIPTS) >= 400
    assert len({" ".join(code.split()) for code in SCRIPTS.values()}) == len(SCRIPTS)


def test_the_time_for_each_script_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    seconds = []
    for code in SCRIPTS.values():
        start = time.thread_time()
        verify(code, SOURCES)
        seconds.append(time.thread_time() - start)
    with capsys.disabled():
        print(f"\nCPU per good script: median {median(seconds) * 1e3:.1f} ms, max {max(seconds) * 1e3:.1f} ms")
    assert len(seconds) == len(SCRIPTS)
