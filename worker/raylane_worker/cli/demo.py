"""`raylane-worker demo`: runs `raylane` commands on this machine while the private address of Ray is dead.

Each command runs in its own process, so that the demo shows exactly what a user's shell would show.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import shutil
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from raylane_common.errors import EmbeddedError
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_worker.app import run
from raylane_worker.embedded import EmbeddedStack, SilentEndpoint
from raylane_worker.embedded.samples import SAMPLE_FILE, sample_file

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

_CHART: Final = "temp_max.svg"
_ASK: Final = ("generate", "--session", "demo", "--run", "--wait")
_UPLOAD: Final = ("upload", SAMPLE_FILE, "--session", "demo", "--wait")
_GENERATE: Final = (*_ASK, "average temp_max by weather", "--job-id", "first", "--code", "--chart", _CHART)
_FOLLOW_UP: Final = (*_ASK, "now only where wind > 3", "--continues", "first", "--no-chart")
_STATUS: Final = ("ray", "status")


async def run_demo(out: Path, *, write: Callable[[str], None]) -> None:
    """Starts the servers and a worker, runs the commands, and stops everything. The chart stays in the directory `out`.

    Raises `EmbeddedError` if a server does not start or a command fails.
    """
    data = sample_file()
    write("Starting Valkey, S3 with Glue, and Ray on this machine (10 to 30 s) …")
    async with SilentEndpoint() as dead, EmbeddedStack() as stack:
        settings = _isolated(stack.settings_env(private_ray_url=dead.url))
        with TemporaryDirectory(prefix="raylane-demo-") as name:
            directory = Path(name)
            await asyncio.to_thread(shutil.copy, data, directory)
            async with _worker(settings):
                await _raylane(_UPLOAD, directory, write)
                await _raylane(_GENERATE, directory, write)
                await _raylane(_FOLLOW_UP, directory, write)
                write("\nThe private address of Ray accepts no connection. Only the first call waited for it:")
                await _raylane(_STATUS, directory, write)
            await asyncio.to_thread(_keep_chart, directory / _CHART, out)
    write(f"\nThe chart is in {out / _CHART}. Everything has stopped.")


def _keep_chart(chart: Path, out: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    shutil.copy(chart, out)


async def _raylane(arguments: Sequence[str], directory: Path, write: Callable[[str], None]) -> None:
    """Runs `raylane` with these arguments in the directory. It uses our stdout and stderr.

    Raises `EmbeddedError` if the command fails.
    """
    command = shlex.join(["raylane", *arguments])
    write(f"\n$ {command}")
    # The `raylane` script may not be on the path. -P keeps the directory out of the imports.
    program = ("-P", "-c", "from raylane.cli import main; main()")
    process = await asyncio.create_subprocess_exec(sys.executable, *program, *arguments, cwd=directory)
    try:
        code = await process.wait()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if code:
        raise EmbeddedError(f"`{command}` failed with exit code {code}", details={"part": "demo"})


@asynccontextmanager
async def _worker(settings: Settings) -> AsyncIterator[None]:
    """Runs a worker with all lanes in this process until the block ends."""
    ready, stop = asyncio.Event(), asyncio.Event()
    working = asyncio.create_task(run(settings, list(Lane), ready=ready, stop=stop))
    readiness = asyncio.create_task(ready.wait())
    try:
        await asyncio.wait({working, readiness}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        yield
    finally:
        stop.set()
        readiness.cancel()
        await working


def _isolated(env: dict[str, str]) -> Settings:
    """Replaces all settings of this process and its children with those of the demo."""
    for name in [name for name in os.environ if name.startswith("RAYLANE_")]:
        del os.environ[name]
    os.environ.update(env)
    return Settings(_env_file=None)
