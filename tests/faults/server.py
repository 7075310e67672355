"""The Valkey server of one test: it can be stopped, killed, paused, and started again where it was."""

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
    """`async with Server(directory) as server`: on one port and with one append-only file, however often it starts.

    A test that ends with jobs in the queue says so with `keeps_jobs`.
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
        """As an operator does: everything is written first."""
        self._valkey = None
        await self._run.aclose()

    async def kill(self) -> None:
        """As the kernel does, with no warning."""
        self._signal(signal.SIGKILL)
        await self.stop()

    def pause(self) -> None:
        """Connections stay open and are not answered until `resume`."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    async def __aenter__(self) -> Self:
        # Held while the server is away, too: nobody else is given its port.
        self.port = self._place.enter_context(free_port("valkey", None))
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()
        await self._place.aclose()

    def _signal(self, number: signal.Signals) -> None:
        assert self._valkey is not None, "the server does not run"
        os.kill(self._valkey.pid, number)
