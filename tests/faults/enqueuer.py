"""Enqueues one batch and exits: `python enqueuer.py URL SEED COUNT`. Tests kill it in the middle."""

from __future__ import annotations

import asyncio
import sys
from random import Random
from typing import TYPE_CHECKING

from raylane import Producer
from raylane.given_files import new_upload
from raylane.options import new_job
from raylane_common.wire.ray import RayStatusRequest
from raylane_common.wire.tables import ListDatabasesRequest

if TYPE_CHECKING:
    from raylane_common.wire.jobs import NewJob


def batch(seed: str, count: int) -> list[NewJob]:
    """Returns jobs of two lanes, with and without bodies, delays and dependencies; the same ones for the same seed."""
    chance = Random(seed)
    jobs: list[NewJob] = []
    for number in range(count):
        job_id = f"job-{seed}-{number}"
        match chance.choice(["upload", "after", "delayed", "plain"]):
            case "upload":
                session_id = f"session-{chance.randrange(5)}"
                data = "a\n" + "1\n" * chance.randrange(1, 2000)
                jobs.append(new_upload(data, filename=f"{number}.csv", session_id=session_id, job_id=job_id))
            case "after" if jobs:
                before = [job.id for job in chance.sample(jobs, k=min(2, len(jobs)))]
                jobs.append(new_job(RayStatusRequest(), job_id=job_id, after=before))
            case "delayed":
                jobs.append(new_job(RayStatusRequest(), job_id=job_id, delay_s=3600))
            case _:
                jobs.append(new_job(ListDatabasesRequest(), job_id=job_id))
    return jobs


async def main(url: str, seed: str, count: str) -> None:
    async with Producer(redis_url=url) as producer:
        for answer in await producer.enqueue_many(batch(seed, int(count))):
            if answer.error is not None:
                raise answer.error


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
