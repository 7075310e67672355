from __future__ import annotations

import asyncio
import logging
import re
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from pydantic import BaseModel, TypeAdapter

from raylane.testing import Address, Break, FakeRay
from raylane_common.errors import RayAuth, RayError, RayRejected, RayServerError, RayUnreachable, RunNotFound
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import EndpointState
from raylane_common.ray.settings import RaySettings
from raylane_worker.embedded import SilentEndpoint
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"
UP, DOWN, UNKNOWN = EndpointState.UP, EndpointState.DOWN, EndpointState.UNKNOWN
VERSION, LIST = "GET /api/version", "GET /api/jobs/"


@asynccontextmanager
async def connected(private: str, public: str | None, **changes: object) -> AsyncIterator[RayClient]:
    """A client that is patient: what should happen soon, a test asks for."""
    settings = {"reprobe_min_s": 60.0, "failover_delay_s": 5.0, "connect_timeout_s": 10.0} | changes
    async with RayClient(
        RaySettings.model_validate(settings | {"private_url": private, "public_url": public})
    ) as client:
        yield client


def states(client: RayClient) -> list[EndpointState]:
    return [report.state for report in client.endpoints()]


def error_of(client: RayClient, name: str) -> str:
    [error] = [report.last_error for report in client.endpoints() if report.name == name]
    return error or ""


class Cause(BaseModel):
    name: str
    url: str
    error: str
    elapsed_s: float


def causes(error: RayError) -> list[Cause]:
    return TypeAdapter(list[Cause]).validate_python(error.details["endpoints"])


def free_port() -> int:
    with socket.socket() as holder:
        holder.bind((HOST, 0))
        return int(holder.getsockname()[1])


async def test_while_private_is_healthy_public_gets_nothing(private: Address, public: Address) -> None:
    async with connected(private.url, public.url) as client:
        for _ in range(5):
            assert await client.jobs() == []
        assert (await client.version()).endpoint == "private"
        assert states(client) == [UP, UNKNOWN]
    assert private.requests == [VERSION, *[LIST] * 5, VERSION]
    assert public.requests == []


async def test_a_refused_address_is_tried_once(public: Address, caplog: pytest.LogCaptureFixture) -> None:
    async with connected(f"http://{HOST}:{free_port()}", public.url) as client:
        for _ in range(5):
            assert (await client.version()).endpoint == "public"
        assert states(client) == [DOWN, UP]
        assert "Connection refused" in error_of(client, "private")
    assert [record.levelno for record in caplog.records if record.name == "raylane.ray"] == [logging.WARNING]
    # The first one is the probe.
    assert public.requests == [VERSION] * 6


async def test_a_silent_address_costs_its_head_start_once(public: Address, caplog: pytest.LogCaptureFixture) -> None:
    async with SilentEndpoint() as silent, connected(silent.url, public.url, failover_delay_s=0.1) as client:
        for _ in range(5):
            assert (await client.version()).endpoint == "public"
        assert states(client) == [DOWN, UP]
        assert error_of(client, "private") == "no answer within 0.1 s"
    assert len([record for record in caplog.records if record.name == "raylane.ray"]) == 1


async def test_connecting_has_a_timeout_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    async with SilentEndpoint() as silent, connected(silent.url, None, connect_timeout_s=0.2) as client:
        with pytest.raises(RayUnreachable, match=r"no connection within 0\.2 s"):
            await client.jobs()
        assert states(client) == [DOWN]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (Break.NEVER_ANSWERS, "no answer within 0.1 s"),
        (Break.UNAVAILABLE, "answered 503: no healthy upstream"),
        (Break.BAD_GATEWAY, "answered 502: no healthy upstream"),
        (Break.REDIRECT, "not Ray: answered 302, a redirect"),
        (Break.PAGE, "not Ray: answered 200 with a page"),
        (Break.CUT_BEFORE, "connection lost: ServerDisconnectedError"),
        (Break.CUT_IN_BODY, "connection lost: ClientPayloadError"),
    ],
)
async def test_a_broken_private_path_is_found_by_the_first_probe_and_left_alone(
    private: Address, public: Address, broken: Break, reason: str
) -> None:
    private.break_with(broken)
    delay_s = 0.1 if broken is Break.NEVER_ANSWERS else 5.0
    async with connected(private.url, public.url, failover_delay_s=delay_s) as client:
        for _ in range(3):
            assert await client.jobs() == []
        assert states(client) == [DOWN, UP]
        assert error_of(client, "private") == reason
    # aiohttp itself sends a GET once more if the connection is closed on it.
    assert private.requests in ([VERSION], [VERSION, VERSION])
    assert public.requests == [VERSION, *[LIST] * 3]


@pytest.mark.parametrize("broken", list(Break))
async def test_a_private_path_that_breaks_later_moves_one_request_to_public(
    private: Address, public: Address, broken: Break, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(private.url, public.url, request_timeout_s=3) as client:
        assert await client.jobs() == []
        private.requests.clear()
        private.break_with(broken)
        for _ in range(3):
            assert await client.jobs() == []
        assert states(client) == [DOWN, UP]
    # aiohttp itself sends a GET once more if the connection is closed on it.
    assert private.requests in ([LIST], [LIST, LIST])
    assert public.requests == [VERSION, *[LIST] * 3]
    assert len([record for record in caplog.records if record.name == "raylane.ray"]) == 1


async def test_stop_fails_over_because_stopping_twice_is_harmless(
    ray: FakeRay, private: Address, public: Address
) -> None:
    async with connected(private.url, public.url) as client:
        await client.submit(submission_id="a", entrypoint="true")
        private.break_with(Break.CUT_AFTER, only="POST")
        assert await client.ask_to_stop("a") is False
        assert (await client.job("a")).status == "STOPPED"
    assert private.count("POST /api/jobs/a/stop") == public.count("POST /api/jobs/a/stop") == 1


async def test_a_hung_backend_is_not_blamed_on_the_addresses(private: Address, public: Address) -> None:
    async with connected(private.url, public.url, request_timeout_s=2) as client:
        await client.version()
        for address in (private, public):
            address.break_with(Break.NEVER_ANSWERS, only=LIST)
        with pytest.raises(RayUnreachable) as caught:
            await client.jobs()
        assert states(client) == [UP, UP]
    assert [cause.name for cause in causes(caught.value)] == ["private", "public"]
    assert private.count(LIST) == public.count(LIST) == 1


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ((500, "500 Internal Server Error\n\nServer got itself in trouble"), RayServerError),
        ((400, "Traceback (most recent call last):\nTypeError: bad"), RayRejected),
        ((404, "404: Not Found"), RayRejected),
        ((404, "Job a does not exist"), RunNotFound),
    ],
)
async def test_an_error_of_rays_is_final_and_no_reason_to_fail_over(
    ray: FakeRay, private: Address, public: Address, error: tuple[int, str], raised: type[RayError]
) -> None:
    ray.error = error
    async with connected(private.url, public.url) as client:
        with pytest.raises(raised):
            await client.job("a")
        assert states(client) == [UP, UNKNOWN]
    assert private.requests == [VERSION, "GET /api/jobs/a"]
    assert public.requests == []


async def test_a_token_that_was_accepted_before_is_refused_if_all_addresses_say_so(
    ray: FakeRay, private: Address, public: Address
) -> None:
    ray.error = (401, "Unauthorized: Missing authentication token")
    async with connected(private.url, public.url) as client:
        with pytest.raises(RayAuth):
            await client.job("a")
        assert states(client) == [UP, UP]
    assert private.requests == public.requests == [VERSION, "GET /api/jobs/a"]


async def test_a_refused_token_is_not_shown_to_the_next_address(
    ray: FakeRay, private: Address, public: Address
) -> None:
    ray.token = "right"
    async with connected(private.url, public.url, token="wrong") as client:
        for _ in range(3):
            with pytest.raises(RayAuth, match="RAYLANE_RAY__TOKEN"):
                await client.submit(submission_id="a", entrypoint="true")
        assert states(client) == [UP, UNKNOWN]
    assert public.requests == []


async def test_both_down_is_one_error_with_both_causes(private: Address) -> None:
    private.break_with(Break.UNAVAILABLE)
    dead = f"http://{HOST}:{free_port()}"
    async with connected(private.url, dead) as client:
        for _ in range(2):
            with pytest.raises(RayUnreachable) as caught:
                await client.jobs()
            assert [(cause.name, cause.url, cause.error) for cause in causes(caught.value)] == [
                ("private", private.url, "answered 503: no healthy upstream"),
                ("public", dead, "no connection: Connection refused"),
            ]
            assert "answered 503" in caught.value.message
            assert "Connection refused" in caught.value.message
            assert caught.value.retryable
        private.break_with(None)
        assert await client.jobs() == []


async def test_when_all_are_down_all_are_tried(private: Address, public: Address) -> None:
    await private.close()
    await public.close()
    async with connected(private.url, public.url) as client:
        with pytest.raises(RayUnreachable):
            await client.jobs()
        assert states(client) == [DOWN, DOWN]
        await public.open()
        assert await client.jobs() == []
        assert states(client) == [DOWN, UP]


async def test_another_cluster_behind_the_second_address_gets_no_code(private: Address) -> None:
    stranger = FakeRay(session_name="session_of_somebody_else")
    async with Address(stranger) as public, connected(private.url, public.url) as client:
        await client.version()
        await private.close()
        for call in (client.jobs(), client.submit(submission_id="a", entrypoint="true")):
            with pytest.raises(RayUnreachable, match="WrongCluster"):
                await call
        assert states(client) == [DOWN, DOWN]
        assert error_of(client, "public").startswith("WrongCluster")
        assert set(public.requests) == {VERSION}
    assert stranger.jobs == {}


async def test_a_restarted_head_is_followed(ray: FakeRay, private: Address, public: Address) -> None:
    async with connected(private.url, public.url, reprobe_min_s=0.02) as client:
        await client.version()
        await private.close()
        assert (await client.version()).endpoint == "public"
        ray.session_name = "session_after_the_restart"
        ray.jobs.clear()
        await private.open()
        await until(lambda: states(client) == [UP, UP])
        assert (await client.version()).session_name == "session_after_the_restart"


async def test_traffic_returns_to_private_without_a_slow_call(
    private: Address, public: Address, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="raylane.ray")
    private.break_with(Break.NEVER_ANSWERS)
    async with connected(
        private.url, public.url, failover_delay_s=1.0, reprobe_min_s=0.02, reprobe_max_s=0.05
    ) as client:
        assert await client.jobs() == []
        # A probe hangs on the private address while calls continue.
        await until(lambda: private.waiting >= 2)
        for _ in range(5):
            assert await client.jobs() == []
        await private.close()
        private.break_with(None)
        await private.open()
        private.requests.clear()
        await until(lambda: states(client) == [UP, UP])
        assert set(private.requests) == {VERSION}
        private.requests.clear()
        assert await client.jobs() == []
    assert private.requests == [LIST]
    assert public.requests == [VERSION, *[LIST] * 6]
    ours = [record.levelname for record in caplog.records if record.name == "raylane.ray"]
    assert ours == ["WARNING", "INFO"]


async def test_a_cold_burst_opens_one_probe_to_the_dead_address(private: Address, public: Address) -> None:
    private.break_with(Break.NEVER_ANSWERS)
    async with connected(private.url, public.url, failover_delay_s=1.0) as client:
        assert await asyncio.gather(*(client.jobs() for _ in range(50))) == [[]] * 50
        assert private.connections <= 1
    assert private.requests == [VERSION]
    assert public.requests == [VERSION, *[LIST] * 50]


async def test_one_deadline_covers_all_addresses() -> None:
    async with (
        SilentEndpoint() as one,
        SilentEndpoint() as two,
        connected(one.url, two.url, failover_delay_s=0.1, request_timeout_s=0.3, connect_timeout_s=60) as client,
    ):
        with pytest.raises(RayUnreachable) as caught:
            await client.jobs()
    # A loaded machine may have spent a part of it before the request was sent.
    errors = [cause.error for cause in causes(caught.value)]
    assert [re.sub(r"0\.[0-3]\d*", "0.3", error or "") for error in errors] == ["no answer within 0.3 s"] * 2


async def test_a_name_that_does_not_resolve_and_a_wrong_protocol_fail_over(public: Address) -> None:
    async with connected("http://no-such-host.internal:8265", public.url) as client:
        assert (await client.version()).endpoint == "public"
        assert "name not resolved" in error_of(client, "private")
    # TLS towards a server that speaks none.
    async with connected(public.url.replace("http:", "https:"), public.url) as client:
        assert (await client.version()).endpoint == "public"
        assert states(client) == [DOWN, UP]

    async def speak_redis(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"-ERR unknown command\r\n")
        writer.close()

    server = await asyncio.start_server(speak_redis, HOST, 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        async with connected(f"http://{HOST}:{port}", public.url) as client:
            assert (await client.version()).endpoint == "public"
            assert "no valid HTTP" in error_of(client, "private")
