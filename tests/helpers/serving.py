"""Gateways over HTTP in this process, which can be stopped and started again at the same address."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import httpx

from raylane.gateway.app import create_app
from raylane.gateway.listening import Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractContextManager

    from fastapi import FastAPI

    from raylane_common.settings import Settings


class Running:
    """A gateway that serves."""

    def __init__(self, app: FastAPI, server: Server, port: int) -> None:
        self.app = app
        self._server = server
        self.port = port
        self.url = f"http://127.0.0.1:{port}"

    def client(self, **options: Any) -> httpx.AsyncClient:
        """Returns a client that waits as long as a test may take."""
        return httpx.AsyncClient(base_url=self.url, timeout=100, **options)

    def stop(self) -> None:
        """Stops the server as a signal does."""
        self._server.should_exit = True


class _Server(Server):
    """Leaves the signals to the test run."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]  # it may not be entered anyway
        return nullcontext()


@asynccontextmanager
async def serving(settings: Settings, *, port: int = 0) -> AsyncIterator[Running]:
    """Serves a gateway until the end of the block, and stops it as a signal does."""
    app = create_app(settings)
    ready = asyncio.Event()
    with socket.create_server(("127.0.0.1", port)) as listening:
        server = _Server(app, settings.gateway, lambda: app.state.gateway.stopping.set(), ready.set)
        task = asyncio.create_task(server.serve([listening]))
        try:
            await asyncio.wait({task, asyncio.create_task(ready.wait())}, return_when=asyncio.FIRST_COMPLETED)
            yield Running(app, server, listening.getsockname()[1])
        finally:
            server.should_exit = True
            await task
