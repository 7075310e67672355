"""Waits for jobs on behalf of requests: for a bounded time, and not when the server is about to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import Query

from raylane_common.errors import WaitTimeout

if TYPE_CHECKING:
    from starlette.requests import Request

    from raylane.gateway.context import Gateway
    from raylane_common.wire.jobs import JobRecord

WaitS = Annotated[
    float,
    Query(ge=0, le=3600, description="Seconds to wait for the end of the job, as far as the gateway allows"),
]


async def ended(gateway: Gateway, job_id: str, wait_s: float, request: Request | None = None) -> JobRecord | None:
    """Returns the record once the job has ended; None if it has not ended in time.

    Waits at most `wait_s` seconds, never longer than the settings allow, and not for a client that has left its
    `request`. Raises `JobNotFound`.
    """
    limit_s = min(wait_s, gateway.settings.gateway.wait_timeout_s)
    waiting = asyncio.create_task(gateway.producer.wait(job_id, limit_s))
    others: list[asyncio.Task[object]] = [asyncio.create_task(gateway.stopping.wait())]
    if request is not None:
        others.append(asyncio.create_task(_left(request)))
    try:
        await asyncio.wait([waiting, *others], return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    except WaitTimeout:
        return None
    finally:
        for task in (waiting, *others):
            task.cancel()
        await asyncio.gather(waiting, *others, return_exceptions=True)


async def _left(request: Request) -> None:
    """Returns when the client has closed the connection. A body that nobody has read is skipped."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
