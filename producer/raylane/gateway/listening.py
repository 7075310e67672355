"""Serves an ASGI app at an address until it is told to stop."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import uvicorn

from raylane.gateway.access.foreign import check_listening
from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from starlette.types import ASGIApp

    from raylane_common.settings import GatewaySettings

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
# Longer than proxies and clients keep an idle connection (60 s for nginx and for load balancers of AWS). If
# the server closed it first, a request that was just being sent would be lost.
_KEEP_ALIVE_S: Final = 75


def serve_app(
    app: ASGIApp, settings: GatewaySettings, *, on_stop: Callable[[], None], announce: Callable[[str], None]
) -> None:
    """Serves the app at `settings.host` and `port` until SIGINT or SIGTERM.

    `announce` is called with the address as soon as it answers, and `on_stop` when the server begins to stop: what
    waits for a job must then end. Raises `InvalidRequest` if everybody could reach a server that asks for no token, or
    if it cannot listen at the address; and, once the server has stopped again, what `announce` raises.
    """
    check_listening(settings)
    with _listen(settings) as listening:
        server = Server(app, settings, on_stop, lambda: announce(_url_of(listening)))
        server.run([listening])
        if server.unannounced is not None:
            raise server.unannounced


class Server(uvicorn.Server):
    """Tells the app when it begins to stop; otherwise it would wait for requests that wait for jobs."""

    def __init__(
        self, app: ASGIApp, settings: GatewaySettings, on_stop: Callable[[], None], announce: Callable[[], None]
    ) -> None:
        """See `serve_app`. Answers that are being sent have `settings.shutdown_s` seconds."""
        config = uvicorn.Config(
            app,
            # The other one, which is used wherever it happens to be installed, takes headers without end into memory.
            http="h11",
            log_config=None,
            # The app logs each request itself, without its query.
            access_log=False,
            server_header=False,
            lifespan="on",
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.shutdown_s,
        )
        super().__init__(config)
        self.unannounced: Exception | None = None
        """Why `announce` failed, if it did. The server then stops as if it had been told to."""
        self._on_stop = on_stop
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to serve."""
        await super().startup(sockets)
        if not self.started:
            return
        try:
            self._announce()
        except Exception as error:
            # Raised here, it would leave to itself what has started.
            self.unannounced = error
            self.should_exit: bool = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends what waits, and then serves the other requests to their end."""
        self._on_stop()
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begins to stop; the second Ctrl-C stops at once.

        The method of the class would not do: a library of event streams replaces it by one that cuts every stream.
        """
        self.force_exit: bool = self.should_exit and sig == signal.SIGINT
        self.should_exit = True

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
    host = settings.host
    try:
        found = socket.getaddrinfo(host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, *_, address = found[0]
    except (OSError, ValueError) as error:
        # A ValueError is a name that cannot be written as one of DNS, or that has a zero byte in it.
        said = getattr(error, "strerror", None) or "it is not the name of a host"
        raise InvalidRequest.field("gateway.host", f"{host!r} leads to no address: {said}; choose another") from error
    try:
        made = socket.create_server(address[:2], family=family)
    except OSError as error:
        place = f"[{host}]:{settings.port}" if ":" in host else f"{host}:{settings.port}"
        problem = f"{place} cannot be listened at: {error.strerror or error}; choose another --host or --port"
        raise InvalidRequest.field("gateway.port", problem) from error
    # It must say that it is TCP, or asyncio leaves Nagle's algorithm on for its connections. The second piece of every
    # answer would then wait for the client to acknowledge the first, which takes 40 ms.
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=made.detach())


def _url_of(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
