"""`raylane-worker demo`: a real CSV becomes a Ray job whose answer is printed, with the private address of Ray dead."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raylane import Producer
from raylane_common.errors import EmbeddedError
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_common.wire.generate import GeneratorName
from raylane_worker.app import run
from raylane_worker.embedded import EmbeddedStack, SilentEndpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

SESSION: Final = "demo"
PROMPT: Final = "average temp_max by weather"
_PATIENCE_S: Final = 300.0


async def run_demo(*, tell: Callable[[str], None]) -> None:
    """Starts everything, shows the main job and the failover, ends everything. Raises what a job of it raises."""
    csv = _seattle_weather()
    tell("Starting Valkey, S3 with Glue, and Ray on this machine (10 to 30 s) …")
    async with SilentEndpoint() as dead, EmbeddedStack() as stack:
        settings = _isolated(stack.settings_env(private_ray_url=dead.url))
        async with _worker(settings), Producer(settings) as producer:
            await _show(producer, csv, tell)
    tell("\nEverything has stopped.")


async def _show(producer: Producer, csv: Path, tell: Callable[[str], None]) -> None:
    tell(f"\n$ raylane upload {csv.name} --session {SESSION}")
    uploading = await producer.upload(csv, session_id=SESSION)
    uploaded = await uploading.result(timeout_s=_PATIENCE_S)
    tell(f"{uploaded.s3_uri}  ({uploaded.rows:,} rows, {uploaded.bytes:,} bytes)")
    tell("columns: " + ", ".join(f"{column.name} {column.type}" for column in uploaded.columns))

    tell(f"\n$ raylane generate '{PROMPT}' --run --session {SESSION}")
    generating = await producer.generate(PROMPT, session_id=SESSION, execute=True, generator=GeneratorName.TEMPLATE)
    async for event in generating.follow():
        if event.progress is not None:
            tell(f"… {event.progress.stage}: {event.progress.message}")
    generated = await generating.result(timeout_s=_PATIENCE_S)
    assert generated.run is not None
    tell(f"\nInterpreted as: {generated.interpreted_as}\nCode:\n\n{_indented(generated.code)}")
    tell(f"Ran on Ray as {generated.run.submission_id}, through the {generated.run.endpoint} endpoint. Its output:\n")
    tell(_indented(generated.run.output_tail))

    tell("The private address of Ray takes no connection. The first call noticed, and none waits for it again:")
    tell("\n$ raylane ray status")
    started_at = time.perf_counter()
    status = await (await producer.cluster.status()).result(timeout_s=_PATIENCE_S)
    elapsed_ms = (time.perf_counter() - started_at) * 1000
    tell(f"Ray {status.version.ray_version} answered through the {status.endpoint} endpoint in {elapsed_ms:.0f} ms:")
    for endpoint in status.endpoints:
        reason = f" ({endpoint.last_error})" if endpoint.last_error else ""
        tell(f"  {endpoint.name:8}{endpoint.url:24}{endpoint.state}{reason}")


@asynccontextmanager
async def _worker(settings: Settings) -> AsyncIterator[None]:
    """A worker with all lanes in this process; leaves when it has stopped."""
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
    """Settings of the demo alone, whatever this machine is set to."""
    for name in [name for name in os.environ if name.startswith("RAYLANE_")]:
        del os.environ[name]
    os.environ.update(env)
    return Settings(_env_file=None)


def _seattle_weather() -> Path:
    # Importing the package would load pandas for a path.
    spec = find_spec("vega_datasets")
    if spec is None or spec.origin is None:
        raise EmbeddedError("the demo's data is missing; pip install 'raylane[embedded]'", details={"part": "demo"})
    return Path(spec.origin).parent / "_data" / "seattle-weather.csv"


def _indented(text: str) -> str:
    return "".join(f"    {line}".rstrip() + "\n" for line in text.strip().splitlines())
