"""`raylane-worker dev`: the embedded servers with sample data and a worker in one process, until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Final

from raylane import Producer
from raylane_common.redis.connection import connect
from raylane_common.settings import load_settings
from raylane_common.wire.base import Lane
from raylane_worker.app import run, stop_on_signals
from raylane_worker.embedded import HOST, EmbeddedStack
from raylane_worker.embedded.samples import (
    SAMPLE_DATABASE,
    SAMPLE_FILE,
    SAMPLE_TABLE,
    create_sample_table,
    sample_file,
)
from raylane_worker.startup import check

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from raylane_common.settings import Settings

_SESSION: Final = "sample"
_STAND_INS: Final = {
    "RAYLANE_REDIS__URL": f"redis://{HOST}:1/0",
    "RAYLANE_STORAGE__BUCKET": "raylane",
    "RAYLANE_AWS__ENDPOINT_URL": f"http://{HOST}:1",
    "RAYLANE_AWS__ACCESS_KEY_ID": "stand-in",
    "RAYLANE_AWS__SECRET_ACCESS_KEY": "stand-in",
    "RAYLANE_AWS__REGION": "us-east-1",
    "RAYLANE_RAY__PRIVATE_URL": f"http://{HOST}:1",
    "RAYLANE_RAY__TOKEN": "stand-in",
}
# Reading the sample takes a second; a loaded machine gets more.
_UPLOAD_TIMEOUT_S: Final = 120


async def run_dev(directory: Path | None, *, write: Callable[[str], None]) -> None:
    """Starts the servers, loads the sample data, writes what to type, and works until SIGINT or SIGTERM.

    Keeps data and logs in `directory` if it is given. Raises `EmbeddedError` if a server does not start, and
    `InvalidRequest` if the settings of this machine conflict with those of the servers.
    """
    await _check_settings()
    write("Starting Valkey, S3 with Glue, and Ray on this machine (10 to 30 s) …")
    async with EmbeddedStack(directory) as stack:
        stop = asyncio.Event()
        stop_on_signals(stop)
        env = stack.settings_env()
        os.environ.update(env)
        settings = load_settings()
        write(f"  Redis    {stack.valkey.url}")
        write(f"  S3, Glue {stack.moto.url}")
        write(f"  Ray      {env['RAYLANE_RAY__PRIVATE_URL']}  token {env['RAYLANE_RAY__TOKEN']}")
        ready = asyncio.Event()
        working = asyncio.create_task(run(settings, list(Lane), ready=ready, stop=stop))
        greeting = asyncio.create_task(_greet(settings, stack.valkey.url, ready, write))
        try:
            await asyncio.wait({working, greeting}, return_when=asyncio.FIRST_COMPLETED)
            if greeting.done():
                greeting.result()
            await working
        finally:
            stop.set()
            greeting.cancel()
            await asyncio.gather(working, greeting, return_exceptions=True)
    write("Everything has stopped.")


async def _check_settings() -> None:
    """Raises what would stop the worker once the servers are there: settings that conflict, or a model that is wrong.

    The addresses of the servers are not known yet, so others take their places.
    """
    before = dict(os.environ)
    os.environ.update(_STAND_INS)
    try:
        settings = load_settings()
    finally:
        os.environ.clear()
        os.environ.update(before)
    await connect(settings.redis).aclose()
    await check(settings, [Lane.GENERATE])


async def _greet(settings: Settings, redis_url: str, ready: asyncio.Event, write: Callable[[str], None]) -> None:
    await ready.wait()
    await _load_samples(settings)
    write(f"Session {_SESSION} has {SAMPLE_FILE}, and the catalog has the table {SAMPLE_DATABASE}.{SAMPLE_TABLE}.")
    write(f"In another terminal:\n  export RAYLANE_REDIS__URL={redis_url} RAYLANE_SESSION={_SESSION}")
    write("  raylane generate 'average temp_max by weather' --run --wait --keep-sources")
    write(f"  raylane tables select {SAMPLE_DATABASE}.{SAMPLE_TABLE} --wait")
    write(f"  raylane generate 'average price by symbol in {SAMPLE_TABLE}' --run --wait")
    write("  raylane run YOUR-FILE.csv 'how many rows'")
    write("Ctrl-C stops everything.")


async def _load_samples(settings: Settings) -> None:
    # A data directory of an earlier run has the sources of the session, but S3 and the catalog begin empty.
    async with Producer(settings) as producer:
        await producer.reset(_SESSION)
        upload = await producer.upload(await asyncio.to_thread(sample_file), session_id=_SESSION)
        await upload.result(timeout_s=_UPLOAD_TIMEOUT_S)
    await create_sample_table(settings)
