"""Commands of processes that end with the test that starts them, even if the test is killed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

# PR_SET_PDEATHSIG is kept across exec, so the process keeps its pid. Linux alone has it.
_BIND: Final = """\
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
os.execv(sys.argv[1], sys.argv[1:])
"""


def bound(program: Path | str, *arguments: Path | str) -> list[str]:
    """Returns the command that runs a program, and sends it SIGTERM when the thread that started it is gone."""
    return [sys.executable, "-I", "-S", "-c", _BIND, str(program), *map(str, arguments)]
