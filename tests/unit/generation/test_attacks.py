"""Verification refuses every attack of the corpus, except those that are known to be harmless."""

from __future__ import annotations

import random
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.names import Engine
from raylane_worker.generation.verify import verify
from tests.helpers.profiles import by_profile, seed
from tests.unit.generation.attack_corpus import ACCEPTED, ATTACKS, KNOWN_LIMITS, SOURCES, by_family, local_code

if TYPE_CHECKING:
    from tests.unit.generation.attack_corpus import Attack


@pytest.mark.parametrize("attacks", by_family().values(), ids=by_family())
def test_no_attack_of_a_family_is_accepted_without_a_reason(attacks: list[Attack]) -> None:
    accepted = {attack.name for attack in attacks if not verify(attack.code, SOURCES)}
    assert accepted == {attack.name for attack in attacks if attack.name in ACCEPTED}


def test_no_attack_is_accepted_for_the_local_engine_that_is_refused_for_the_other() -> None:
    accepted = {attack.name for attack in ATTACKS if not verify(local_code(attack), SOURCES, Engine.LOCAL)}
    assert accepted - ACCEPTED.keys() == {"del-global"}  # which deletes the name of Ray, that is not there any more


def test_no_accepted_attack_reached_what_it_was_after_when_it_ran() -> None:
    effects = {attack.name: attack.effect for attack in ATTACKS}
    assert {name for name in ACCEPTED if effects[name] == "executed"} == KNOWN_LIMITS
    assert len(effects) == len(ATTACKS) > 900


def test_what_is_found_in_an_attack_says_what_to_do() -> None:
    for attack in ATTACKS:
        for finding in verify(attack.code, SOURCES):
            assert len(finding.message.split()) > 4, (attack.name, finding)


@pytest.mark.chaos
def test_attacks_do_what_the_corpus_says_when_verification_is_off() -> None:
    known = {attack.name: attack.effect for attack in ATTACKS if attack.runs_alone}
    drawn = random.Random(seed()).sample(sorted(known), by_profile(fast=10, ci=40, deep=len(known)))
    # In a process of its own, because it forks, and pytest has threads.
    command = [sys.executable, "-W", "ignore", "-m", "tests.fuzz.attack_runs", *drawn]
    child = subprocess.run(command, capture_output=True, text=True)
    rows = [line.split("\t") for line in child.stdout.splitlines()]
    assert {name: effect for effect, name, _ in rows} == {name: known[name] for name in drawn}, child.stderr
