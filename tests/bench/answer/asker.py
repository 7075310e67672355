"""Uploads files and asks questions as a service does: reads orders as JSON lines, prints one JSON line for each.

It is started by its path, so that it also runs with an earlier version of Raylane on the path of imports.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from raylane import Producer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

Figures = dict[str, Any]

_UPLOAD_S = 900.0


async def upload(producer: Producer, *, path: str, session: str) -> Figures:
    """Uploads the file. Returns how long that took."""
    began_s = time.time()
    job = await producer.upload(path, session_id=session)
    result = await job.result(timeout_s=_UPLOAD_S)
    return {"took_s": time.time() - began_s, "rows": result.rows}


async def ask(producer: Producer, *, session: str, question: str, engine: str | None = None) -> Figures:
    """Asks and waits for the answer. Returns the moments, in seconds, that the job and Ray tell."""
    options: dict[str, Any] = {} if engine is None else {"engine": engine}
    began_s = time.time()
    job = await producer.generate(question, session_id=session, execute=True, keep_sources=True, **options)
    stages: dict[str, float] = {}
    ended_s = 0.0
    async for event in job.follow():
        if event.progress is not None:
            stages.setdefault(event.progress.stage, event.at / 1000)
        if event.status is not None and event.status.is_final:
            ended_s = time.time()
    record = await job.record()
    result = await job.result(timeout_s=1)
    run = result.run
    assert run is not None, record
    return {
        "began_s": began_s,
        "claimed_s": _seconds(record.started_at),
        "stages": stages,
        "run_id": run.submission_id,
        "accepted_s": _seconds(run.started_at_ms),
        "run_ended_s": _seconds(run.ended_at_ms),
        "succeeded_s": _seconds(record.finished_at),
        "ended_s": ended_s,
        "engine": getattr(result, "engine", None),
    }


def _seconds(epoch_ms: int | None) -> float | None:
    return None if epoch_ms is None else epoch_ms / 1000


async def serve() -> None:
    """Obeys the orders until standard input ends. Prints `{"error": …}` for one that fails."""
    does: dict[str, Callable[..., Awaitable[Figures]]] = {"upload": upload, "ask": ask}
    async with Producer() as producer:
        while line := await asyncio.to_thread(sys.stdin.readline):
            order: dict[str, Any] = json.loads(line)
            try:
                answer = await does[order.pop("do")](producer, **order)
            except Exception as error:  # the benchmark notes what could not be measured, and continues
                answer = {"error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(serve())
