"""Waits for jobs on behalf of requests: for a bounded time, and not when the server is about to stop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Query

from raylane_common.errors import WaitTimeout

if TYPE_CHECKING:
    from raylane.gateway.context import Gateway
    from raylane_common.wire.jobs import JobRecord

WaitS = Annotated[
    float,
    Query(ge=0, le=3600, description="Seconds to wait for the end of the job, as far as the gateway allows"),
]
LOOK_S: Final = 10.0
"""How long a look at the cluster or the catalog waits if the request does not say it."""


async def ended(gateway: Gateway, job_id: str, wait_s: float) -> JobRecord | None:
    """Returns the record once the job has ended; None if it has not ended in time.

    Waits at most `wait_s` seconds, and never longer than the settings allow. Raises `JobNotFound`.
    """
    limit_s = min(wait_s, gateway.settings.gateway.wait_timeout_s)
    waiting = asyncio.ensure_future(gateway.producer.wait(job_id, limit_s))
    stopping = asyncio.ensure_future(gateway.stopping.wait())
    try:
        await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.result() if waiting.done() else None
    except WaitTimeout:
        return None
    finally:
        for task in (waiting, stopping):
            task.cancel()
        await asyncio.gather(waiting, stopping, return_exceptions=True)
