"""Verification refuses every attack of the corpus, except those that are known to be harmless."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_worker.generation.verify import verify
from tests.unit.generation.attack_corpus import ATTACKS, HARMLESS, SOURCES, by_family

if TYPE_CHECKING:
    from tests.unit.generation.attack_corpus import Attack


@pytest.mark.parametrize("attacks", by_family().values(), ids=by_family())
def test_no_attack_of_a_family_is_accepted_unless_it_is_harmless(attacks: list[Attack]) -> None:
    accepted = {attack.name for attack in attacks if not verify(attack.code, SOURCES)}
    assert accepted == {attack.name for attack in attacks if attack.name in HARMLESS}


def test_every_harmless_attack_is_in_the_corpus_and_did_nothing_when_it_ran() -> None:
    effects = {attack.name: attack.effect for attack in ATTACKS}
    assert effects.keys() >= HARMLESS.keys()
    assert "executed" not in {effects[name] for name in HARMLESS}
    assert len(effects) == len(ATTACKS)
