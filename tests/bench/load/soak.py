"""Jobs at a fixed rate for a long time. Nothing may grow, and every job must end as it should."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from raylane import Producer, RaylaneError
from tests.bench.load.gauge import Gauge
from tests.bench.load.worker import FAIL, NOOP, RETRY, SLEEP

if TYPE_CHECKING:
    from pathlib import Path

    from tests.bench.server import Server

# Most jobs end at once, some wait, and a few fail or need a second attempt.
_MIX: Final = {NOOP: 80, SLEEP: 15, RETRY: 4, FAIL: 1}
_RESULT_S: Final = 120.0
_SEED: Final = 7


async def soak(server: Server, rate: float, seconds: float, every_s: float, readings: Path) -> dict[str, Any]:
    """Returns counts of outcomes by job and code, and the readings of producer, worker and server."""
    outcomes: Counter[str] = Counter()
    draw = random.Random(_SEED)
    gauge, own, of_server = Gauge(), [], []
    loop = asyncio.get_running_loop()

    async def one(producer: Producer, name: str) -> None:
        try:
            job = await producer.cluster.delete(name)
            await job.result(timeout_s=_RESULT_S)
            outcomes[f"{name}: succeeded"] += 1
        except RaylaneError as error:
            outcomes[f"{name}: {error.code}"] += 1

    async def read() -> None:
        while True:
            await asyncio.sleep(every_s)
            own.append(gauge.read().as_dict())
            of_server.append({"memory_mib": server.memory_mib(), "cpu_s": server.cpu_s(), "clients": server.clients()})
            print(json.dumps({"producer": own[-1], "server": of_server[-1]}), flush=True)

    async with Producer(redis_url=server.url) as producer:
        watching = [asyncio.create_task(gauge.watch()), asyncio.create_task(read())]
        jobs: set[asyncio.Task[None]] = set()
        began_s = loop.time()
        for number in range(int(rate * seconds)):
            await asyncio.sleep(max(0.0, began_s + number / rate - loop.time()))
            [name] = draw.choices(list(_MIX), list(_MIX.values()))
            job = asyncio.create_task(one(producer, name))
            jobs.add(job)
            job.add_done_callback(jobs.discard)
        took_s = loop.time() - began_s
        await asyncio.gather(*jobs)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    worker = [json.loads(line) for line in readings.read_text().splitlines()]
    return {
        "jobs": sum(outcomes.values()),
        "per_s": round(sum(outcomes.values()) / took_s, 1),
        "outcomes": dict(outcomes),
        "first_and_last": {
            "worker": [worker[0], worker[-1]],
            "producer": [own[0], own[-1]],
            "server": [of_server[0], of_server[-1]],
        },
        "worker": worker,
        "producer": own,
        "server": of_server,
    }
