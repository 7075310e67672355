"""Worker processes, started as users start them. Each one ends with the test, also when the test is killed."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from raylane_worker.embedded.child import guarded
from raylane_worker.embedded.environment import environment
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raylane_worker.embedded.child import Child

COMMAND = Path(sys.executable).parent / "raylane-worker"
SKEWED = Path(__file__).parent / "skewed.py"
_START_S = 60.0
# Workers that a test leaves running have nothing to save.
_GRACE_S = 0.2


@dataclass(frozen=True)
class WorkerProcess:
    """One `raylane-worker run`. `name` is the worker's name in the records of its jobs."""

    name: str
    log: Path
    _child: Child

    @property
    def is_running(self) -> bool:
        return self._child.guardian.returncode is None

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def log_text(self) -> str:
        """Its log so far."""
        return self.log.read_text()

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def ended(self) -> int:
        """Waits for its end and returns the exit code: 0 after an orderly stop, 128 + number if a signal ended it."""
        async with asyncio.timeout(_START_S):
            return await self._child.guardian.wait()

    async def ready(self) -> None:
        """Returns once it takes jobs."""

        def takes_jobs() -> bool:
            assert self.is_running, self.log_text
            return "taking jobs" in self.log_text

        await until(takes_jobs, timeout_s=_START_S)

    def _signal(self, number: signal.Signals) -> None:
        # It may end at any moment. Once its guardian has ended too, its pid may belong to another process.
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self._child.pid, number)


class Workers:
    """Starts workers, and ends all of them at the end: `async with Workers(settings, directory) as workers`.

    Settings are named like their variables, in lower case and without the prefix: `lanes__lease_s`.
    """

    def __init__(self, settings: Mapping[str, object], directory: Path) -> None:
        self.settings = dict(settings)
        self._directory = directory
        self._started = 0
        self._guards = AsyncExitStack()

    async def start(self, *, skew_s: float = 0, **settings: object) -> WorkerProcess:
        """Starts a worker and waits until it takes jobs. Its clock is wrong by `skew_s`."""
        worker = await self.launch(skew_s=skew_s, **settings)
        await worker.ready()
        return worker

    async def start_many(self, count: int) -> list[WorkerProcess]:
        launched = [await self.launch() for _ in range(count)]
        for worker in launched:
            await worker.ready()
        return launched

    async def launch(self, *, skew_s: float = 0, **settings: object) -> WorkerProcess:
        """Starts a worker without waiting until it takes jobs."""
        self._started += 1
        log = self._directory / f"worker-{self._started}.log"
        skew = [sys.executable, "-P", str(SKEWED), str(skew_s)] if skew_s else []
        variables = {f"RAYLANE_{name.upper()}": str(value) for name, value in (self.settings | settings).items()}
        child = await self._guards.enter_async_context(
            guarded(
                f"worker {self._started}",
                [*skew, str(COMMAND), "run"],
                log,
                environment() | variables,
                remove=None,
                grace_s=_GRACE_S,
            )
        )
        return WorkerProcess(f"{socket.gethostname()}-{child.pid}", log, child)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._guards.aclose()
