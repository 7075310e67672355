"""The demo as a newcomer runs it: what it prints, and that it leaves no process and no file behind."""

from __future__ import annotations

import asyncio
import doctest
import re
from pathlib import Path

import pandas as pd
import pytest

from raylane_worker.embedded import guard
from tests.acceptance.conftest import BIN
from tests.helpers.bound import bound
from tests.helpers.waiting import until

README = Path(__file__).parents[2] / "README.md"
# What differs from one run to the next.
VARYING = {
    r"[0-9a-f]{32}": "JOB",
    r"127\.0\.0\.1:\d+": "ADDRESS",
    r"\bin \d+ s\b": "",  # the next probe of the dead address; empty while it is being probed
    r"\d[\d.]* ms": "LATENCY",
    r"[\d.]+ s on Ray": "SECONDS on Ray",
    r"no (answer|connection) within [\d.]+ s": "NO ANSWER",
}
# On a busy machine, Ray's own processes may write to the output of a run.
OF_RAY = re.compile(r"^.*\(pid=gcs_server\).*\n", re.MULTILINE)
# It may also have to wait for a CPU, which followers are told.
WAITING = re.compile(r"^first  running: rl-first-1 (?!via ).*\n", re.MULTILINE)
LOG_LINE = re.compile(r"^\d\d:\d\d:\d\d WARNING .*\n", re.MULTILINE)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_the_demo_prints_the_transcript_of_the_readme_and_leaves_no_process(
    weather: Path, tmp_path: Path
) -> None:
    demo = await asyncio.create_subprocess_exec(
        *bound(BIN / "raylane-worker", "demo", "--out", "build/demo"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        cwd=tmp_path,
        start_new_session=True,
    )
    seen: set[int] = set()
    running = asyncio.create_task(demo.communicate())
    while not running.done():
        seen |= guard.members({demo.pid})
        await asyncio.wait({running}, timeout=0.1)
    printed = (await running)[0].decode()
    assert demo.returncode == 0, printed
    assert len(seen) > 10, "Ray alone has more processes than this"
    await until(lambda: not guard.living(seen))
    (chart,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert chart == tmp_path / "build" / "demo" / "temp_max.svg"
    assert chart.read_text(encoding="utf-8").startswith("<svg")

    expected = pd.read_csv(weather).groupby("weather")["temp_max"].mean()
    first = re.search(r"^weather \| mean.*?^\(5 rows\)$", printed, re.MULTILINE | re.DOTALL)
    assert first is not None
    means = {
        name.strip(): float(mean) for name, mean in re.findall(r"^(\w+) +\| +([\d.]+)$", first.group(), re.MULTILINE)
    }
    assert means == pytest.approx(expected.to_dict(), rel=1e-5)
    assert len(LOG_LINE.findall(printed)) == 1, "the worker warns once that the private address is down"
    for pattern in (LOG_LINE, OF_RAY, WAITING):
        printed = pattern.sub("", printed)
    _assert_shows(_transcript_of_the_readme(), printed)


def _transcript_of_the_readme() -> str:
    block = re.search(r"```text\n(Starting Valkey.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    return block.group(1)


def _assert_shows(transcript: str, printed: str) -> None:
    """Compares the two but for what varies and for white space; `...` in the transcript is any text."""
    for pattern, name in VARYING.items():
        transcript, printed = (re.sub(pattern, name, text) for text in (transcript, printed))
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.OutputChecker().check_output(transcript, printed, flags), printed
