"""The address at which the gateway listens."""

from __future__ import annotations

import asyncio
import socket

from raylane.gateway.listening import Server, _listen, _url_of
from raylane_common.settings import Settings


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


def test_headers_are_read_by_what_bounds_them_whatever_else_is_installed() -> None:
    async def app(*_: object) -> None:
        """Never called."""

    assert Server(app, Settings().gateway, lambda: None, lambda: None).config.http == "h11"
