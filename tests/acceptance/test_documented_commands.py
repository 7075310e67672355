"""Every command in a `console` block of the documentation runs, and prints what the page shows."""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.acceptance.conftest import TIMEOUT_S
from tests.acceptance.documented_world import job_id, prepared
from tests.helpers.documented import assert_shows, run_in_shell, steps
from tests.helpers.gateway_process import gateway_process

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    from tests.acceptance.conftest import System

ROOT: Final = Path(__file__).parents[2]
_PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DOCUMENTED: Final = [page.relative_to(ROOT).as_posix() for page in _PAGES if steps(page)]
# How a command begins that serves for the rest of the page.
SERVES: Final = "RAYLANE_GATEWAY__TOKENS_FILE="
# How they begin, and why.
NOT_RUN: Final = {
    "make demo": "test_demo.py runs it",
    "make test": "that is this run",
    "raylane-worker dev": "test_dev.py runs it",
    "pip install": "it would change this machine",
    "docker ": "it needs a Docker engine",
    "kubectl ": "it needs a cluster",
    "raylane gateway": "the tests share a gateway",
    "raylane settings set ray.": "the other tests share this worker",
    "raylane dead show": "test_08_the_operators_view.py has a dead letter",
    "raylane dead requeue JOB": "test_08_the_operators_view.py has a dead letter",
    "raylane retry": "test_07_cancel_and_requeue.py has a cancelled job",
}


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", DOCUMENTED)
async def test_the_commands_of_a_page_print_what_it_shows(
    name: str, system: System, gateway: str, tmp_path: Path
) -> None:
    page = ROOT / name
    replaced = {
        r"redis://127\.0\.0\.1:6379/0": system.env["RAYLANE_REDIS__URL"],
        r"http://(127\.0\.0\.1|localhost):8000": gateway,
        r"\bJOB\b": job_id(page),
    }
    async with prepared(system, page, tmp_path) as env, AsyncExitStack() as stack:
        for step in steps(page):
            if step.command.startswith(SERVES):
                served = await stack.enter_async_context(_gateway(step.command, env, tmp_path))
                replaced[r"http://127\.0\.0\.1:8001"] = served
                continue
            if reason := _reason(step.command):
                print(f"not run: {step.command} ({reason})")
                continue
            command = step.command
            for pattern, value in replaced.items():
                command = re.sub(pattern, value, command)
            code, printed = await run_in_shell(command, tmp_path, env, TIMEOUT_S)
            assert code == 0, f"$ {command}\n{printed}"
            if step.shown:
                assert_shows(step.shown, printed)


def _reason(command: str) -> str | None:
    """Returns why a command does not run here; None if it does."""
    if command.startswith("raylane gateway token"):
        return None
    return next((why for begin, why in NOT_RUN.items() if command.startswith(begin)), None)


def _gateway(command: str, env: Mapping[str, str], directory: Path) -> AbstractAsyncContextManager[str]:
    """Runs a gateway with the callers of the page, at a port of its own."""
    name = command.partition("=")[2].partition(" ")[0]
    own = {"RAYLANE_GATEWAY__TOKENS_FILE": str(directory / name)}
    return gateway_process({**env, **own}, directory / "gateway.log")
