"""Text is the path of a file; content that is passed instead is told what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane import InvalidRequest

if TYPE_CHECKING:
    from raylane.testing import MemoryProducer

HINT = "text is the path of a file, and upload_bytes takes content"


@pytest.mark.parametrize("content", ["city,temp\nOslo,3\n", "a\r\n", "a;b", "city,temp\n" * 10_000])
async def test_content_that_is_taken_for_a_path_is_told_apart(memory: MemoryProducer, content: str) -> None:
    with pytest.raises(InvalidRequest, match=HINT) as caught:
        await memory.upload(content, session_id="s1")
    assert len(str(caught.value)) < 500


async def test_a_missing_file_is_only_missing(memory: MemoryProducer) -> None:
    with pytest.raises(InvalidRequest, match=r"'none\.csv' does not exist") as caught:
        await memory.upload("none.csv", session_id="s1")
    assert HINT not in str(caught.value)
