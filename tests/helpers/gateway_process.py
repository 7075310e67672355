"""A gateway as a process of its own."""

from __future__ import annotations

import asyncio
import re
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.helpers.bound import bound

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_RAYLANE: Final = Path(sys.executable).parent / "raylane"
_START_S: Final = 60


@asynccontextmanager
async def gateway_process(env: Mapping[str, str], log: Path) -> AsyncIterator[str]:
    """Runs `raylane gateway` at any free port, and yields its address."""
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            *bound(_RAYLANE, "gateway", "--port", "0"), env=env, stdout=asyncio.subprocess.PIPE, stderr=written
        )
    assert process.stdout is not None
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), _START_S)).decode()
        found = re.search(r"http://\S+", line)
        assert found is not None, f"{line}\n{log.read_text()}"
        yield found[0]
    finally:
        if process.returncode is None:
            process.terminate()
        assert await asyncio.wait_for(process.wait(), _START_S) == 0, log.read_text()
