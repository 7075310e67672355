"""A worker of the generate lane whose handler writes code at once: `python -m tests.bench.gateway.worker URL`."""

from __future__ import annotations

import asyncio
import sys
from typing import Final

from raylane_common.settings import Settings
from raylane_common.wire.base import JobKind, Lane
from raylane_common.wire.generate import GenerateRequest, GenerateResult
from raylane_worker.app import run, stop_on_signals
from raylane_worker.context import Handler, JobContext

_JOBS_AT_ONCE: Final = 100


def code_for(prompt: str) -> str:
    """Returns the code that the handler writes for a prompt."""
    return f"print({prompt!r})"


async def handle(request: GenerateRequest, ctx: JobContext) -> GenerateResult:
    """Tells something, and ends with a result that names the prompt."""
    await ctx.text(f"code of {request.prompt}")
    return GenerateResult(
        generator="template",
        code=code_for(request.prompt),
        interpreted_as=request.prompt,
        sources_used=(),
        versions=(),
    )


async def work(url: str, ready: asyncio.Event, stop: asyncio.Event) -> None:
    """Runs the worker until it is told to stop."""
    settings = Settings.model_validate({"redis": {"url": url}, "lanes": {"generate": {"concurrency": _JOBS_AT_ONCE}}})
    await run(settings, [Lane.GENERATE], ready=ready, stop=stop, handlers={JobKind.GENERATE: Handler(handle)})


async def _main(url: str) -> None:
    stop = asyncio.Event()
    stop_on_signals(stop)
    await work(url, asyncio.Event(), stop)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
