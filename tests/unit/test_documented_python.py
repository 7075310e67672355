"""The Python of the pages on notebooks and on testing runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import raylane.sync
from raylane.testing import SyncMemoryProducer
from tests.helpers.plugin import run_pytest
from tests.unit.producer.samples import CSV_BYTES
from tests.unit.test_examples import answer_for_examples

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest_plugins = ["pytester"]

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def producer(monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncMemoryProducer]:
    """What `raylane.sync.Producer()` makes on the page."""
    with SyncMemoryProducer(answer_for_examples) as memory:
        monkeypatch.setattr(raylane.sync, "Producer", lambda: memory)
        yield memory


def test_the_page_on_notebooks_is_one_program(
    producer: SyncMemoryProducer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales.csv").write_bytes(CSV_BYTES)
    names: dict[str, object] = {}
    for block in blocks("notebooks.md"):
        exec(block, names)
    assert names["producer"] is producer
    assert str(names["page"]).count("<table>") == 2
    assert len(producer.enqueued) == 2


def test_the_tests_of_the_page_on_testing_pass(pytester: pytest.Pytester) -> None:
    without_servers = [block for block in blocks("testing.md") if "raylane_worker" not in block]
    pytester.makepyfile(**{f"test_{number}": block for number, block in enumerate(without_servers)})
    ran = run_pytest(pytester, "-p", "no:xdist", "-o", "asyncio_default_fixture_loop_scope=function")
    ran.assert_outcomes(passed=5)
