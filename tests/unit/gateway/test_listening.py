"""The address at which the gateway listens."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from raylane.gateway.listening import Server, _listen, _url_of, serve_app
from raylane_common.errors import InvalidRequest
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


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "a\0b", "nobody.invalid", "1.2.3.4.5"])
def test_a_host_that_leads_nowhere_is_an_error_that_names_it(host: str) -> None:
    settings = GatewaySettings.model_validate({"host": host, "port": 0})
    with pytest.raises(InvalidRequest, match=r"gateway\.host: .* leads to no address"):
        _listen(settings)


def test_an_address_may_be_written_as_in_a_url() -> None:
    with _listen(GatewaySettings.model_validate({"host": "[::1]", "port": 0})) as listening:
        assert _url_of(listening).startswith("http://[::1]:")
        port = listening.getsockname()[1]
        with pytest.raises(InvalidRequest, match=rf"gateway\.port: \[::1\]:{port} cannot be listened at"):
            _listen(GatewaySettings.model_validate({"host": "::1", "port": port}))


def test_a_server_whose_address_cannot_be_announced_stops_and_says_why() -> None:
    stopped: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                stopped.append(True)
                return

    def announce(url: str) -> None:
        raise OSError("no space left")

    settings = GatewaySettings.model_validate({"port": 0, "shutdown_s": 0})
    with pytest.raises(OSError, match="no space left"):
        serve_app(app, settings, on_stop=lambda: None, announce=announce)
    assert stopped == [True]


def test_headers_are_read_by_what_bounds_them_whatever_else_is_installed() -> None:
    assert Server(_app, GatewaySettings(), lambda: None, lambda: None).config.http == "h11"


def test_an_idle_connection_outlives_those_of_proxies_so_that_no_request_meets_its_end() -> None:
    server = Server(_app, GatewaySettings(), lambda: None, lambda: None)
    assert server.config.timeout_keep_alive > 60
