"""Verification accepts what models write well, in any style, and names the policy where it does not."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from raylane_worker.generation.verify import verify
from tests.unit.generation.good_corpus import REFUSED, SCRIPTS, SOURCES

if TYPE_CHECKING:
    import pytest


def test_every_good_script_is_accepted_unless_a_policy_refuses_it() -> None:
    found = {name: {finding.rule for finding in verify(code, SOURCES)} for name, code in SCRIPTS.items()}
    refused = {name: rules for name, rules in found.items() if rules}
    assert refused == {name: {rule} for name, (rule, _) in REFUSED.items()}


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
