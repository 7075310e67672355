"""Runs pytest in a process of its own with Raylane's plugin, as in a project that uses it."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

MODULE: Final = "raylane_worker.pytest_plugin"
# The checkout may be used without being installed.
_IS_INSTALLED: Final = any(each.value == MODULE for each in entry_points(group="pytest11"))


def run_pytest(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Runs the tests of the directory. Whatever is warned of fails."""
    plugin = [] if _IS_INSTALLED else ["-p", MODULE]
    quiet = ["-p", "no:cacheprovider", "-W", "error", "--strict-markers"]
    return pytester.runpytest_subprocess(*plugin, *quiet, *arguments)
