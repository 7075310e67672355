"""`raylane-worker dev`: the embedded stack and a worker in one process, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_worker.app import run, stop_on_signals
from raylane_worker.embedded import EmbeddedStack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def run_dev(directory: Path | None, *, tell: Callable[[str], None]) -> None:
    """Starts everything, says how to reach it, works until SIGINT or SIGTERM. Raises `EmbeddedError`."""
    tell("Starting Valkey, S3 with Glue, and Ray on this machine (10 to 30 s) …")
    async with EmbeddedStack(directory) as stack:
        stop = asyncio.Event()
        stop_on_signals(stop)
        env = stack.settings_env()
        os.environ.update(env)
        tell(f"  Redis    {stack.valkey.url}")
        tell(f"  S3, Glue {stack.moto.url}")
        tell(f"  Ray      {env['RAYLANE_RAY__PRIVATE_URL']}")
        tell(f"In another terminal:\n  export RAYLANE_REDIS__URL={stack.valkey.url}")
        tell("  raylane run FILE.csv 'how many rows' --session me\nCtrl-C stops everything.")
        await run(Settings(), list(Lane), ready=asyncio.Event(), stop=stop)
    tell("Everything has stopped.")
