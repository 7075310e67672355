"""What a shell offers when somebody presses Tab. It must answer soon, and never with an error."""

from __future__ import annotations

import asyncio
from typing import Final

import raylane

# Whoever waits longer has typed the id by then.
_LIMIT_S: Final = 2.0
_OFFERED: Final = 100


def job_ids(incomplete: str) -> list[str]:
    """Returns the ids of the newest jobs that begin with what was typed; none if Redis does not answer at once."""
    try:
        return [job_id for job_id in asyncio.run(_newest()) if job_id.startswith(incomplete)]
    except (raylane.RaylaneError, TimeoutError):
        return []


async def _newest() -> list[str]:
    from raylane.cli import connecting

    async with asyncio.timeout(_LIMIT_S), connecting.producer(None, lambda _: None) as producer:
        return [job.id for job in await producer.operator.jobs(limit=_OFFERED)]
