"""The commands that a page of the documentation shows, and what it says that they print."""

from __future__ import annotations

import asyncio
import doctest
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.helpers.bound import bound

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
_PROMPT = "$ "

# What differs from one run to the next.
VARYING = {
    r"[0-9a-f]{32}": "JOB",
    r"127\.0\.0\.1:\d+": "ADDRESS",
    r"\d[\d.]* ms": "LATENCY",
    r"[\d.]+ s on Ray": "SECONDS on Ray",
    r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|\+00:00)?": "TIME",
    r"\b1[6-9]\d{11}\b": "EPOCH",
    r"\bEPOCH-\d+": "EVENT",
}


@dataclass(frozen=True)
class Step:
    """One command of a page. `shown` is what the page says that it prints; empty if the page shows nothing."""

    command: str
    shown: str


def steps(page: Path) -> list[Step]:
    """Returns the commands in the `console` blocks of a page, in order. A line that ends with a backslash continues."""
    found: list[Step] = []
    for block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        command, shown = "", list[str]()
        for line in [*block.splitlines(), _PROMPT]:
            if command.endswith("\\"):
                command = f"{command[:-1]}{line.strip()}"
            elif line.startswith(_PROMPT):
                if command:
                    found.append(Step(command, "\n".join(shown)))
                command, shown = line.removeprefix(_PROMPT), []
            else:
                shown.append(line)
    return found


async def run_in_shell(
    command: str, directory: Path, env: Mapping[str, str], timeout_s: float
) -> tuple[int | None, str]:
    """Runs the command in a shell; returns its status and what it printed. The next one has its variables."""
    kept = directory / ".environment"
    script = f"set -a\n[ -f {kept} ] && . {kept}\n{command}\ncode=$?\nexport -p > {kept}\nexit $code"
    process = await asyncio.create_subprocess_exec(
        *bound("/bin/bash", "-c", script),
        cwd=directory,
        env=dict(env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), timeout_s)
    return process.returncode, printed.decode()


def assert_shows(shown: str, printed: str) -> None:
    """Compares what a page shows with what was printed but for what varies, and white space; `...` is any text."""
    for pattern, name in VARYING.items():
        shown, printed = (re.sub(pattern, name, text) for text in (shown, printed))
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(shown, printed, flags), f"shown:\n{shown}\n\nprinted:\n{printed}"
