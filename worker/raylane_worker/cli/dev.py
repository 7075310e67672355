"""`raylane-worker dev`: the embedded servers and a worker in one process, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from raylane_common.settings import load_settings
from raylane_common.wire.base import Lane
from raylane_worker.app import run, stop_on_signals
from raylane_worker.embedded import EmbeddedStack

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


async def run_dev(directory: Path | None, *, write: Callable[[str], None]) -> None:
    """Starts the servers, writes their addresses, and works until SIGINT or SIGTERM.

    Keeps data and logs in `directory` if it is given. Raises `EmbeddedError` if a server does not start, and
    `InvalidRequest` if the settings of this machine conflict with those of the servers.
    """
    write("Starting Valkey, S3 with Glue, and Ray on this machine (10 to 30 s) …")
    async with EmbeddedStack(directory) as stack:
        stop = asyncio.Event()
        stop_on_signals(stop)
        env = stack.settings_env()
        os.environ.update(env)
        settings = load_settings()
        write(f"  Redis    {stack.valkey.url}")
        write(f"  S3, Glue {stack.moto.url}")
        write(f"  Ray      {env['RAYLANE_RAY__PRIVATE_URL']}")
        write(f"In another terminal:\n  export RAYLANE_REDIS__URL={stack.valkey.url}")
        write("  raylane run FILE.csv 'how many rows' --session me\nCtrl-C stops everything.")
        await run(settings, list(Lane), ready=asyncio.Event(), stop=stop)
    write("Everything has stopped.")
