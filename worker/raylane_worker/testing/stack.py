"""The embedded servers and a worker for tests that are not asynchronous themselves."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from raylane_common.redis.connection import connect
from raylane_common.redis.queue import QueueOverview
from raylane_common.settings import Settings
from raylane_worker.embedded import EmbeddedStack
from raylane_worker.embedded.child import guarded
from raylane_worker.embedded.environment import environment

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Mapping
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from raylane_worker.embedded.child import Child

T = TypeVar("T")
_PREFIX: Final = "RAYLANE_"
_WORKER: Final = "from raylane_worker.cli import main; main()"
# The imports of a worker take seconds on a busy machine.
_START_S: Final = 60.0
# A job that runs may end before the worker does.
_GRACE_S: Final = 20.0


class RunningStack:
    """The servers for tests, and how to reach them: `raylane.sync.Producer(stack.settings)`."""

    def __init__(self, loop: _LoopInThread, env: Mapping[str, str]) -> None:
        self._loop = loop
        self.env: Mapping[str, str] = env
        """The `RAYLANE_` variables for a process that uses the stack."""
        self.settings: Settings = _settings_of(env)
        """The settings for a producer, whatever the environment of the tests says."""

    @property
    def redis_url(self) -> str:
        """The address of Redis."""
        return self.env["RAYLANE_REDIS__URL"]

    @contextmanager
    def worker(self, log: Path) -> Iterator[None]:
        """Runs a worker for all lanes until the block ends. Raises `EmbeddedError` with its log if it cannot start."""
        command = [sys.executable, "-c", _WORKER, "run"]
        env = environment() | dict(self.env)
        starting = guarded("raylane-worker", command, log, env, remove=None, grace_s=_GRACE_S)
        with self._loop.entered(starting) as child:
            self._loop.call(self._until_lanes_live(child))
            yield

    async def _until_lanes_live(self, child: Child) -> None:
        redis = connect(self.settings.redis)
        try:
            overview = QueueOverview(redis)

            async def all_live() -> bool:
                return all(lane.workers for lane in await overview.lanes())

            await child.ready(all_live, _START_S)
        finally:
            await redis.aclose()


@contextmanager
def running_stack(*, with_ray: bool = True) -> Iterator[RunningStack]:
    """Runs the servers until the block ends. Raises `EmbeddedError` if one does not start."""
    with _LoopInThread() as loop, loop.entered(EmbeddedStack(with_ray=with_ray)) as stack:
        yield RunningStack(loop, stack.settings_env())


class _LoopInThread:
    """An event loop for what lives longer than the loop of a test."""

    def __enter__(self) -> _LoopInThread:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="raylane test servers", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def call(self, work: Coroutine[object, object, T]) -> T:
        """Does the work on the loop, and returns its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    @contextmanager
    def entered(self, manager: AbstractAsyncContextManager[T]) -> Iterator[T]:
        """Enters the manager on the loop, and leaves it there at the end."""
        entered = self.call(manager.__aenter__())
        try:
            yield entered
        finally:
            self.call(manager.__aexit__(None, None, None))


def _settings_of(env: Mapping[str, str]) -> Settings:
    """Returns the settings of these variables alone."""
    before = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    for name in before:
        del os.environ[name]
    os.environ.update(env)
    try:
        return Settings(_env_file=None)
    finally:
        for name in env:
            del os.environ[name]
        os.environ.update(before)
