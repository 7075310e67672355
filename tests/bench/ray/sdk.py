"""Our client compared with Ray's own on a real head: reads address and token as a JSON line, prints calls per second.

Ray's client is `JobSubmissionClient` with the token in its headers. It opens a connection for every call and blocks;
so the calls are made one after the other, which is its best case. Bare aiohttp is measured as well, with one session
and the JSON as it comes: what a call costs that does nothing but ask. Clocks start when the head has nothing to do.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from ray.job_submission import JobSubmissionClient

from raylane_common.ray.client import RayClient
from tests.bench.ray.cases import AIOHTTP, OURS, SDK, SDK_CALLS
from tests.bench.ray.clients import PATH, settings

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Call = Callable[[], Awaitable[object]]

_JOBS: Final = 20
_AT_ONCE: Final = 4
_JOB_S: Final = 60.0
_LOOK_S: Final = 0.5
_SETTLE_S: Final = 3.0


async def measure(url: str, token: str, rounds: int, count: int) -> dict[str, dict[str, float]]:
    """Medians of calls per second by call and client."""
    headers = {"Authorization": f"Bearer {token}"}
    sdk = JobSubmissionClient(url, headers=headers)
    async with RayClient(settings(url, token=token)) as ours, aiohttp.ClientSession(headers=headers) as session:
        job = await _prepare(ours)

        def bare(path: str) -> Call:
            async def call() -> None:
                async with session.get(url + path) as response:
                    response.raise_for_status()
                    await response.json()

            return call

        status, jobs, version = SDK_CALLS
        measured: dict[str, dict[str, Call]] = {
            status: {
                OURS: lambda: ours.job(job),
                SDK: _blocking(lambda: sdk.get_job_status(job)),
                AIOHTTP: bare(f"/api/jobs/{job}"),
            },
            jobs: {OURS: ours.jobs, SDK: _blocking(sdk.list_jobs), AIOHTTP: bare("/api/jobs/")},
            version: {OURS: ours.version, SDK: _blocking(sdk.get_version), AIOHTTP: bare(PATH)},
        }
        rates: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
        for number in range(rounds):
            for what, clients in measured.items():
                # Each client goes first equally often.
                order = sorted(clients.items(), reverse=number % 2 == 1)
                for client, call in order:
                    rates[what][client].append(await _per_s(call, count))
    return {
        what: {f"{client}_per_s": statistics.median(found) for client, found in clients.items()}
        for what, clients in rates.items()
    }


async def _prepare(ours: RayClient) -> str:
    """Jobs that the head can list: all have ended before anything is measured, since a job takes a core."""
    names = [f"bench-{number}" for number in range(_JOBS)]
    for start in range(0, _JOBS, _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        await asyncio.gather(*(ours.submit(submission_id=name, entrypoint="true") for name in some))
        async with asyncio.timeout(_JOB_S):
            await asyncio.gather(*(_ended(ours, name) for name in some))
    await asyncio.sleep(_SETTLE_S)
    return names[0]


async def _ended(ours: RayClient, name: str) -> None:
    while True:
        if (await ours.job(name)).status.is_final:
            return
        await asyncio.sleep(_LOOK_S)


def _blocking(ask: Callable[[], object]) -> Call:
    async def call() -> object:
        return ask()

    return call


async def _per_s(call: Call, count: int) -> float:
    await call()
    started = time.perf_counter()
    for _ in range(count):
        await call()
    return count / (time.perf_counter() - started)


def main() -> None:
    """Runs the measurement."""
    arguments: dict[str, Any] = json.loads(sys.stdin.readline())
    print(json.dumps(asyncio.run(measure(**arguments))), flush=True)


if __name__ == "__main__":
    main()
