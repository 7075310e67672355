"""The Valkey server of one test, which can be stopped, killed, paused, and started again with its data."""

from __future__ import annotations

import os
import signal
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

from raylane_worker.embedded import HOST, embedded_valkey
from raylane_worker.embedded.environment import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_worker.embedded import EmbeddedValkey


class Server:
    """A server that keeps its port and append-only file at each start: `async with Server(directory) as server`.

    A test that leaves jobs in the queue sets `keeps_jobs`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._place = AsyncExitStack()
        self._run = AsyncExitStack()
        self._valkey: EmbeddedValkey | None = None
        self.keeps_jobs = False

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}/0"

    @property
    def is_running(self) -> bool:
        return self._valkey is not None

    async def start(self) -> None:
        self._valkey = await self._run.enter_async_context(embedded_valkey(self._directory, port=self.port))

    async def stop(self) -> None:
        """Stops the server in order: it writes its data first."""
        self._valkey = None
        await self._run.aclose()

    async def kill(self) -> None:
        """Kills the server without warning."""
        self._signal(signal.SIGKILL)
        await self.stop()

    @property
    def log_bytes(self) -> int:
        """The length of the append-only file."""
        return self._log.stat().st_size

    async def lose_power(self, kept_bytes: int) -> None:
        """Kills the server. Of its append-only file, only the first `kept_bytes` had reached the disk."""
        await self.kill()
        os.truncate(self._log, kept_bytes)

    def pause(self) -> None:
        """Freezes the server: connections stay open and get no answer until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def __aenter__(self) -> Self:
        # Reserved also while the server is stopped, so that nobody else is given its port.
        self.port = self._place.enter_context(free_port("valkey", None))
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self._place.aclose()

    @property
    def _log(self) -> Path:
        [log] = (self._directory / "appendonlydir").glob("*.incr.aof")
        return log

    def _signal(self, number: signal.Signals) -> None:
        assert self._valkey is not None, "the server does not run"
        os.kill(self._valkey.pid, number)
