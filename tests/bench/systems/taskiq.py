"""taskiq with taskiq-redis: the acknowledging stream broker, Redis results, `taskiq worker --workers 1`.

Given: 100 tasks at once, its default; warnings only instead of a log line per task; one child instead of two, as all
others have one. It has no batch, so a hundred `kiq` side by side. Results: `wait_result` with a look every millisecond
instead of every 200.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

from tests.bench import driver, work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

broker = RedisStreamBroker(driver.url()).with_result_backend(RedisAsyncResultBackend(driver.url()))
tasks = {name: broker.task(task_name=name)(job) for name, job in driver.JOBS.items()}


class _Taskiq:
    async def enqueue(self, job: str) -> object:
        return await tasks[job].kiq()

    async def enqueue_many(self, job: str, count: int) -> None:
        await driver.gather_many(partial(self.enqueue, job), count)

    async def call(self) -> object:
        task = await tasks[work.NOOP].kiq()
        return await task.wait_result(check_interval=0.001)


@asynccontextmanager
async def connect() -> AsyncIterator[_Taskiq]:
    await broker.startup()
    yield _Taskiq()
    await broker.shutdown()


def work_on() -> None:
    at_once = ["--max-async-tasks", str(number)] if (number := driver.concurrency()) else []
    program = ["worker", "tests.bench.systems.taskiq:broker", "--workers", "1", "--log-level", "WARNING"]
    driver.exec_command("taskiq", *program, *at_once)


if __name__ == "__main__":
    driver.main(connect, work_on)
