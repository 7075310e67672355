"""The kit needs no more memory for a larger answer. `python -m tests.bench.answer.large` shows it for a GiB."""

from __future__ import annotations

import pytest

from tests.bench.answer.large import MIB, grown_bytes


@pytest.mark.parametrize("source", ["texts", "dataset"])
def test_a_large_answer_is_written_in_little_memory(source: str) -> None:
    grown, _ = grown_bytes(source, 112 * MIB)

    assert grown < 96 * MIB
