"""What the documentation shows of settings and wire format is what the code does."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from types import ModuleType

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def generator(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for name in [name for name in os.environ if name.startswith("RAYLANE_")]:
        monkeypatch.delenv(name)
    # As if it was run as a program.
    monkeypatch.syspath_prepend(DOCS)
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_documents_are_up_to_date(generator: ModuleType) -> None:
    stale = [
        str(path) for path, text in generator.documents().items() if (DOCS / path).read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run `python docs/generate.py` and look at what changes for other languages"


def test_every_setting_says_what_it_means(generator: ModuleType) -> None:
    table = generator.documents()[Path("settings.md")].splitlines()
    rows = [row for row in table if row.startswith("| `RAYLANE_")]
    assert len(rows) > 40
    assert [row for row in rows if row.endswith("|  |")] == []
