"""A worker of the ray lane whose handler does what the job's name says. It writes its readings to a file.

`python -m tests.bench.load.worker URL FILE SECONDS`: one line of JSON every so many seconds, until SIGTERM.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Final

from raylane_common.errors import RayUnreachable
from raylane_common.settings import Settings
from raylane_common.telemetry.logs import LogLevel, log_to_stderr
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.ray import RayDeleteRequest, RayDeleteResult
from raylane_worker.app import run, stop_on_signals
from raylane_worker.context import Handler, JobContext
from tests.bench.load.gauge import Gauge

NOOP: Final = "noop"
SLEEP: Final = "sleep50"
RETRY: Final = "retry"
FAIL: Final = "fail"
_JOBS_AT_ONCE: Final = 100


async def _handle(request: RayDeleteRequest, ctx: JobContext) -> RayDeleteResult:
    name = request.submission_id
    if name == SLEEP:
        await asyncio.sleep(0.05)
    if name == FAIL:
        raise RayUnreachable("meant to fail", retryable=False)
    if name == RETRY and ctx.record.attempt == 1:
        raise RayUnreachable("meant to be tried again")
    return RayDeleteResult(deleted=True)


async def _work(url: str, file: Path, every_s: float) -> None:
    settings = Settings.model_validate({"redis": {"url": url}, "lanes": {"ray": {"concurrency": _JOBS_AT_ONCE}}})
    log_to_stderr(LogLevel.WARNING)
    stop, gauge = asyncio.Event(), Gauge()
    stop_on_signals(stop)

    async def write() -> None:
        while True:
            await asyncio.sleep(every_s)
            with file.open("a") as lines:
                lines.write(json.dumps(gauge.read().as_dict()) + "\n")

    async with asyncio.TaskGroup() as tasks:
        watching = [tasks.create_task(gauge.watch()), tasks.create_task(write())]
        await run(settings, [Lane.RAY], ready=asyncio.Event(), stop=stop, handlers={JobKind.RAY: Handler(_handle)})
        for task in watching:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(_work(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])))
