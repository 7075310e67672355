"""The port of a worker answers whatever is sent to it, and keeps it out of the log."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import InvalidRequest
from raylane_common.telemetry.health import Health
from raylane_common.telemetry.metrics import PrometheusMetrics
from raylane_worker.telemetry.server import serve
from tests.helpers.scrape import address_in, probe, scrape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.telemetry.metrics import Reading


async def nothing() -> None:
    """There is no queue."""


async def sent(port: int, data: bytes) -> bytes:
    """Returns the status line that the bytes get."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    try:
        return await asyncio.wait_for(reader.readline(), 30)
    finally:
        writer.close()


async def test_what_is_no_http_gets_a_400_and_no_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with serve(PrometheusMetrics(), Health(), nothing, host="127.0.0.1", port=0) as port:
        address_in(caplog)
        caplog.clear()
        for data in (
            b"\x16\x03\x01\x02\x00\r\n\r\n",
            b"GET / HTTP/9.9\r\n\r\n",
            b"GET " + b"a" * 10**5 + b" HTTP/1.1\r\n\r\n",
        ):
            assert (await sent(port, data)).split()[1] == b"400"
        assert (await sent(port, b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n")).split()[1] == b"405"
        assert (await sent(port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: \xff\r\n\r\n")).split()[1] == b"200"
    assert caplog.messages == []


async def test_a_bug_in_a_source_fails_the_scrape_and_not_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    def bug() -> Iterator[Reading]:
        raise ZeroDivisionError

    metrics = PrometheusMetrics()
    metrics.read(bug)
    caplog.set_level("INFO", logger="raylane")
    async with serve(metrics, Health(), nothing, host="127.0.0.1", port=0):
        url = address_in(caplog)
        with pytest.raises(AssertionError, match="500"):
            await scrape(url)
        assert (await probe(url, "/livez"))[0] == 200
    assert "/metrics cannot be answered" in caplog.text


@pytest.mark.parametrize("host", ["\x00", "no such host", "a" * 300, "10.255.255.1"])
async def test_an_address_that_cannot_be_used_is_named(host: str) -> None:
    with pytest.raises(InvalidRequest, match=r"telemetry\.port: cannot listen at") as caught:
        async with serve(PrometheusMetrics(), Health(), nothing, host=host, port=0):
            pass
    assert caught.value.details["field"] == "telemetry.port"


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize(
    "host", ["localhost", pytest.param("::1", marks=pytest.mark.skipif(not _has_ipv6(), reason="needs IPv6"))]
)
async def test_the_address_in_the_log_can_be_scraped(host: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="raylane")
    async with serve(PrometheusMetrics(), Health(), nothing, host=host, port=0):
        assert (await probe(address_in(caplog), "/livez"))[0] == 200
