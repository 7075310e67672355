"""What every system's driver offers: `python -m tests.bench.systems.<name> <verb> [count]`, one JSON line as answer.

A driver runs in the environment of its system, so this is standard library only. Producer and worker are separate
processes for all. Clocks are started after the client is connected and warm: imports and handshakes are not measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

from tests.bench import work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager

URL: Final = "BENCH_URL"
CONCURRENCY: Final = "BENCH_CONCURRENCY"
POLL_MS: Final = "BENCH_POLL_MS"
_AT_ONCE: Final = 100


class Client(Protocol):
    """A connected producer of one system."""

    async def enqueue(self, job: str) -> object:
        """Enqueues one of `work`'s jobs."""

    async def enqueue_many(self, job: str, count: int) -> None:
        """The same, many times, by the system's own way of writing a batch."""

    async def call(self) -> object:
        """Enqueues a no-op and returns once its result is here."""


def url() -> str:
    """Where the server listens."""
    return os.environ[URL]


def concurrency() -> int | None:
    """Jobs at once in a worker; None: the system's own default."""
    return _number(CONCURRENCY)


def poll_ms() -> int | None:
    """How often a worker looks into the queue, where that can be set; None: the system's own default."""
    return _number(POLL_MS)


def _number(variable: str) -> int | None:
    value = os.environ.get(variable)
    return int(value) if value else None


def exec_command(name: str, *arguments: str) -> NoReturn:
    """Becomes a command of this environment: the system's own worker program, as its users start it."""
    program = str(Path(sys.executable).with_name(name))
    os.execv(program, [program, *arguments])


async def gather_many(enqueue: Callable[[], Awaitable[object]], count: int) -> None:
    """The batch of a system that has none: a hundred at a time, side by side."""
    for start in range(0, count, _AT_ONCE):
        await asyncio.gather(*(enqueue() for _ in range(min(_AT_ONCE, count - start))))


def main(connect: Callable[[], AbstractAsyncContextManager[Client]], work_on: Callable[[], None]) -> None:
    """The command line of a driver. `work_on` is a worker: it runs until SIGTERM."""
    verb, *rest = sys.argv[1:]
    if verb == "worker":
        work_on()
        return
    print(json.dumps(asyncio.run(_produce(connect, verb, rest))))


async def _produce(connect: Callable[[], AbstractAsyncContextManager[Client]], verb: str, rest: list[str]) -> object:
    async with connect() as client:
        if verb == "latency":
            return [ms async for ms in _latencies_ms(client, int(rest[0]))]
        job, count = rest[0], int(rest[1])
        await client.enqueue(job)
        started = time.perf_counter()
        if verb == "single":
            for _ in range(count):
                await client.enqueue(job)
        else:
            await client.enqueue_many(job, count)
        return count / (time.perf_counter() - started)


async def _latencies_ms(client: Client, calls: int) -> AsyncIterator[float]:
    await client.call()
    for _ in range(calls):
        started = time.perf_counter()
        await client.call()
        yield (time.perf_counter() - started) * 1000


JOBS: Final = {work.NOOP: work.noop, work.SLEEP50: work.sleep50, work.LONG: work.long}
