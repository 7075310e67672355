"""How late a run's line and its end are known: over our whole path, and with Ray's own client on the same head.

It reads the addresses as a JSON line, and prints the medians of several runs. A run is a `print`; each line carries the
time at which it was printed, and Ray tells the time at which the run ended, so the delays are ours alone. Over our path
a producer enqueues a `ray` job, a worker process runs it, and a follower of the job receives its events. Ray's client
is used as in its documentation: it follows the log, and asks for the status once a second.
"""

from __future__ import annotations

import asyncio
import json
import re
import shlex
import statistics
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from ray.job_submission import JobSubmissionClient

from raylane import Producer
from tests.bench.ray.cases import OURS, SDK

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane import JobHandle, RaySubmitResult

    Figures = dict[str, float]

_CODE: Final = "import time\nprint('printed at', time.time())\n"
_PRINTED: Final = re.compile(r"^printed at ([\d.]+)$", re.MULTILINE)
_FINAL: Final = ("SUCCEEDED", "FAILED", "STOPPED")
_POLL_S: Final = 1.0
_RUN_S: Final = 120.0


async def measure(url: str, token: str, redis_url: str, count: int) -> dict[str, Figures]:
    """Medians of seconds by client. The first run of each, which starts more slowly, is not counted."""
    sdk = await asyncio.to_thread(JobSubmissionClient, url, headers={"Authorization": f"Bearer {token}"})
    found: dict[str, list[Figures]] = {OURS: [], SDK: []}
    async with Producer(redis_url=redis_url) as producer:
        for _ in range(count + 1):
            async with asyncio.timeout(_RUN_S):
                found[OURS].append(await _ours(producer))
                found[SDK].append(await _theirs(sdk))
    return {
        client: {name: statistics.median(run[name] for run in runs[1:]) for name in runs[0]}
        for client, runs in found.items()
    }


async def _ours(producer: Producer) -> Figures:
    began_s = time.time()
    job: JobHandle[RaySubmitResult] = await producer.cluster.submit(_CODE)
    line_s = end_s = 0.0
    async for event in job.follow():
        if event.line is not None:
            line_s = line_s or _late_s(event.line)
        if event.status is not None and event.status.is_final:
            end_s = time.time()
    run = (await job.result()).run
    return _figures(began_s, line_s, end_s, run.started_at_ms, run.ended_at_ms)


async def _theirs(sdk: JobSubmissionClient) -> Figures:
    began_s = time.time()
    job_id = await asyncio.to_thread(sdk.submit_job, entrypoint=f"python -c {shlex.quote(_CODE)}")
    following = asyncio.create_task(_first_line_s(sdk.tail_job_logs(job_id)))
    end_s = await _end_s(sdk, job_id)
    line_s = await following
    info = await asyncio.to_thread(sdk.get_job_info, job_id)
    return _figures(began_s, line_s, end_s, info.start_time, info.end_time)


async def _end_s(sdk: JobSubmissionClient, job_id: str) -> float:
    while True:
        if await asyncio.to_thread(sdk.get_job_status, job_id) in _FINAL:
            return time.time()
        await asyncio.sleep(_POLL_S)


async def _first_line_s(texts: AsyncIterator[str]) -> float:
    late_s = 0.0
    async for text in texts:
        late_s = late_s or _late_s(text)
    return late_s


def _late_s(text: str) -> float:
    """Returns how long ago a line with its time was printed; 0 if there is none."""
    printed = _PRINTED.search(text)
    return time.time() - float(printed[1]) if printed else 0.0


def _figures(began_s: float, line_s: float, end_s: float, started_ms: int | None, ended_ms: int | None) -> Figures:
    assert started_ms is not None
    assert ended_ms is not None
    return {
        "first_line_s": line_s,
        "end_after_ray_s": end_s - ended_ms / 1000,
        "ray_s": (ended_ms - started_ms) / 1000,
        "total_s": end_s - began_s,
    }


def main() -> None:
    """Runs the measurement."""
    arguments: dict[str, Any] = json.loads(sys.stdin.readline())
    print(json.dumps(asyncio.run(measure(**arguments))), flush=True)


if __name__ == "__main__":
    main()
