"""Runs the gateway until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from raylane.gateway.access.foreign import check_listening
from raylane.gateway.app import create_app
from raylane_common.errors import InvalidRequest
from raylane_common.logs import get_logger
from raylane_common.telemetry.logs import LogLevel, log_to_stderr
from raylane_common.telemetry.sending import spans_sent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fastapi import FastAPI

    from raylane.gateway.context import Gateway
    from raylane_common.settings import GatewaySettings, Settings

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)

logger = get_logger("raylane.gateway")

# A gateway that has stopped waits no longer for a collector that is away.
_LAST_SPANS_S: Final = 5.0


def serve(settings: Settings, announce: Callable[[str], None] = lambda url: None) -> None:
    """Serves HTTP at `settings.gateway.host` and `port` until SIGINT or SIGTERM.

    `announce` is called with the address as soon as it answers. Then streams of events and requests that wait end at
    once, and other requests have `shutdown_s` seconds. Raises `InvalidRequest` if a setting is wrong, if everybody
    could reach a gateway that asks for no token, or if it cannot listen at the address.
    """
    check_listening(settings.gateway)
    log_to_stderr(LogLevel.INFO, settings.telemetry.log_format)
    app = create_app(settings)
    listening = _listen(settings.gateway)
    spans = spans_sent(
        "raylane-gateway", flush_s=_LAST_SPANS_S, report=logger.warning, content=settings.telemetry.trace_content
    )
    with listening, spans:
        server = GatewayServer(
            config_of(app, settings), lambda: app.state.gateway, lambda: announce(_url_of(listening))
        )
        server.run([listening])


def config_of(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Returns how the gateway is served."""
    return uvicorn.Config(
        app,
        log_config=None,
        # `measured` logs each request, without its query.
        access_log=False,
        server_header=False,
        lifespan="on",
        timeout_graceful_shutdown=settings.gateway.shutdown_s,
    )


class GatewayServer(uvicorn.Server):
    """Tells the gateway when it begins to stop; otherwise it would wait for streams that wait for jobs."""

    def __init__(self, config: uvicorn.Config, gateway: Callable[[], Gateway], announce: Callable[[], None]) -> None:
        """`gateway` returns the parts of the app once it has started, and `announce` is called then."""
        super().__init__(config)
        self._gateway = gateway
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to serve."""
        await super().startup(sockets)
        if self.started:
            self._announce()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what waits, and then serves the other requests to their end."""
        self._gateway().stopping.set()
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stops at a signal, and does not repeat it afterwards: a server that was told to stop has not failed."""
        if sys.platform == "win32":
            with super().capture_signals():
                yield
            return
        loop = asyncio.get_running_loop()
        for each in _SIGNALS:
            loop.add_signal_handler(each, self.handle_exit, each, None)
        try:
            yield
        finally:
            for each in _SIGNALS:
                loop.remove_signal_handler(each)


def _listen(settings: GatewaySettings) -> socket.socket:
    try:
        found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        problem = f"{place} cannot be listened at: {error.strerror or error}; choose another --host or --port"
        raise InvalidRequest.field("gateway.port", problem) from error


def _url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
