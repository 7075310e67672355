"""The demo as a newcomer runs it: its numbers, and what it leaves behind."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from raylane_worker.embedded import guard
from tests.acceptance.conftest import BIN
from tests.helpers.printed import table
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.timeout(300)
async def test_the_demo_prints_what_pandas_says_and_leaves_no_process(weather: Path, tmp_path: Path) -> None:
    demo = await asyncio.create_subprocess_exec(
        BIN / "raylane-worker",
        "demo",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=tmp_path,
        start_new_session=True,
    )
    seen: set[int] = set()
    running = asyncio.create_task(demo.communicate())
    while not running.done():
        seen |= guard.members({demo.pid})
        await asyncio.wait({running}, timeout=0.1)
    stdout, stderr = (part.decode() for part in await running)
    assert demo.returncode == 0, stderr
    assert len(seen) > 10, "Ray alone has more processes than this"
    await until(lambda: not guard.living(seen), timeout_s=10)

    expected = pd.read_csv(weather).groupby("weather")["temp_max"].mean()
    printed = {row[0]: float(row[1]) for row in table(stdout)}
    assert printed == pytest.approx(expected.to_dict(), rel=1e-5)
    assert "s3://raylane/sessions/demo/csv/seattle-weather.csv" in stdout
    assert "through the public endpoint" in stdout
    assert re.search(r"private +http://127\.0\.0\.1:\d+ +down", stdout)
    assert stderr.count("WARNING") == 1, stderr
    assert list(tmp_path.iterdir()) == []
