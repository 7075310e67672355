"""Modules stay readable in one sitting."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 500


def test_no_module_is_longer_than_500_lines() -> None:
    modules = [path for part in ("common", "producer", "worker", "tests") for path in (ROOT / part).rglob("*.py")]
    assert len(modules) > 40
    long = {
        str(path.relative_to(ROOT)): count
        for path in modules
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > MOST_LINES
    }
    assert long == {}
