"""Scripts for the local engine in the styles of models pass verification, and answer with the kit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.wire.names import Engine
from raylane_worker.generation.verify import verify
from tests.helpers.kit import kit, run_script
from tests.unit.generation.local_corpus import SCRIPTS, SOURCES, objects

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def package() -> Iterator[Any]:
    with kit(objects(), SOURCES) as package:
        yield package


@pytest.mark.parametrize("code", SCRIPTS.values(), ids=SCRIPTS)
def test_a_script_is_accepted_and_answers(code: str, package: Any) -> None:
    assert verify(code, SOURCES, Engine.LOCAL) == []
    ran = run_script(code, package)
    assert ran.error is None
    assert ran.answer is not None
    assert not ran.answer.is_empty


def test_the_corpus_has_more_than_fifty_scripts() -> None:
    assert len(SCRIPTS) > 50
