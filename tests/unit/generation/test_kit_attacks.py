"""Verification refuses whatever would use the kit for something else, in both engines."""

from __future__ import annotations

import pytest

from raylane_common.wire.answer import FILE_NAME, RESERVED_FILE_NAME
from raylane_common.wire.names import Engine
from raylane_worker.generation.verify import verify
from raylane_worker.run_kit.raylane_run import answer
from tests.unit.generation.kit_attacks import ATTACKS, script
from tests.unit.generation.schemas import WEATHER

# What is found in a script that reads in another way.
_ABOUT_READING = {"foreign_path", "path_not_literal", "reader_argument", "reader_as_value"}

each_engine = pytest.mark.parametrize("engine", Engine)


@each_engine
def test_a_script_without_an_attack_is_accepted(engine: Engine) -> None:
    assert verify(script("data.count()"), [WEATHER], engine) == []


@each_engine
def test_no_misuse_of_the_kit_is_accepted(engine: Engine) -> None:
    assert len({*ATTACKS}) == len(ATTACKS) > 150
    for body in ATTACKS:
        rules = {finding.rule for finding in verify(script(body), [WEATHER], engine)}
        assert rules - {"no_answer", "nothing_read", "syntax"}, body
        assert "read" in body or not rules <= _ABOUT_READING, body


@each_engine
def test_each_finding_about_the_kit_says_what_to_do(engine: Engine) -> None:
    for body in ATTACKS:
        for finding in verify(script(body), [WEATHER], engine):
            assert len(finding.message.split()) > 4, (body, finding)
            assert finding.line is not None or finding.rule in ("no_answer", "nothing_read"), (body, finding)


def test_the_kit_takes_the_names_of_files_that_verification_takes() -> None:
    kit = vars(__import__(type(answer).__module__, fromlist=["answer"]))
    assert FILE_NAME.pattern == kit["_FILE_NAME"].pattern
    assert RESERVED_FILE_NAME.pattern == kit["_RESERVED"].pattern
