"""The address at which the gateway listens."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

from raylane.gateway.listening import Server, _listen, _url_of
from raylane_common.settings import GatewaySettings, Settings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send


async def test_an_answer_in_two_pieces_does_not_wait_for_an_acknowledgement() -> None:
    settings = Settings.model_validate({"gateway": {"port": 0}}).gateway
    nodelay: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nodelay.set_result(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        writer.close()

    with _listen(settings) as listening:
        assert _url_of(listening).startswith("http://127.0.0.1:")
        async with await asyncio.start_server(connected, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            assert await asyncio.wait_for(nodelay, 5), "Nagle's algorithm is on"
            writer.close()


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("reached")


def test_headers_are_read_by_what_bounds_them_whatever_else_is_installed() -> None:
    assert Server(_app, GatewaySettings(), lambda: None, lambda: None).config.http == "h11"


def test_an_idle_connection_outlives_those_of_proxies_so_that_no_request_meets_its_end() -> None:
    server = Server(_app, GatewaySettings(), lambda: None, lambda: None)
    assert server.config.timeout_keep_alive > 60
