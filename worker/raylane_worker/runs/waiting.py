"""Reports to a job's followers what its run waits for on the cluster."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from raylane_common.errors import LeaseLost, QueueUnavailable, RayError
from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from raylane_common.ray.client import RayClient

logger = get_logger("raylane.worker")

# Ray itself updates its figures every 5 s.
_EVERY_S: Final = 5.0


async def report_waiting(ray: RayClient, run_id: str, report: Callable[[str], Awaitable[None]]) -> None:
    """Calls `report` whenever it changes what the run waits for, at most every 5 s, until the lease is lost.

    Other failures are only logged, because the run does not depend on the report.
    """
    reported: str | None = None
    while True:
        await asyncio.sleep(_EVERY_S)
        try:
            reason = await ray.waits_for(run_id)
            if reason != reported:
                await report(f"waits for {reason}" if reason else "is running")
                reported = reason
        except LeaseLost:
            return
        except (RayError, QueueUnavailable) as error:
            logger.debug("what run %s waits for is unknown: %s", run_id, error)
