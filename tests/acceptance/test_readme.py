"""The example of the README runs as it is printed, with another address of Redis."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.bound import bound

if TYPE_CHECKING:
    from tests.acceptance.conftest import System

README = Path(__file__).parents[2] / "README.md"


@pytest.mark.timeout(300)
async def test_the_example_of_the_readme_prints_the_answer(system: System, weather: Path, tmp_path: Path) -> None:
    block = re.search(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    printed_url = "redis://127.0.0.1:6379/0"
    assert printed_url in block.group(1)
    script = tmp_path / "example.py"
    script.write_text(block.group(1).replace(printed_url, system.env["RAYLANE_REDIS__URL"]), encoding="utf-8")
    shutil.copy(weather, tmp_path)
    example = await asyncio.create_subprocess_exec(
        *bound(sys.executable, script),
        cwd=tmp_path,
        env=system.process_environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await example.communicate()
    assert example.returncode == 0, stderr.decode()
    lines = stdout.decode().splitlines()
    assert lines[0] == "queued"
    assert "running" in lines
    items = [json.loads(line) for line in lines if line.startswith('{"type"')]
    assert [item["type"] for item in items] == ["table", "chart"]
    assert dict(items[0]["rows"])["sun"] == pytest.approx(19.362745)
