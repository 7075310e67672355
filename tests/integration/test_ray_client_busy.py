from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from raylane.testing import Address, FakeRay
from raylane_common.errors import RayUnreachable, SubmitOutcomeUnknown
from raylane_common.ray import submission
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import EndpointState
from raylane_common.ray.settings import RaySettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POST = "POST /api/jobs/"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class ThrottledRay(FakeRay):
    """A Ray behind a proxy that answers in its place while `busy` is set, but for requests in `spared`."""

    busy: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    spared: tuple[str, ...] = ()

    def application(self) -> web.Application:
        app = super().application()
        app.middlewares.append(self._proxy)
        return app

    @web.middleware
    async def _proxy(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self.busy is None or request.method in self.spared or request.path == "/api/version":
            return await handler(request)
        return web.Response(status=self.busy, headers=self.headers, text="slow down")


@pytest.fixture
def ray() -> ThrottledRay:
    return ThrottledRay()


@pytest.fixture
async def address(ray: ThrottledRay) -> AsyncIterator[Address]:
    async with Address(ray) as address:
        yield address


@pytest.fixture
async def client(address: Address) -> AsyncIterator[RayClient]:
    async with RayClient(RaySettings(private_url=address.url, submit_timeout_s=2)) as client:
        yield client


async def test_a_throttling_proxy_gives_retry_after_and_stays_up(ray: ThrottledRay, client: RayClient) -> None:
    ray.busy, ray.headers = 429, {"Retry-After": "30"}
    with pytest.raises(RayUnreachable, match="answered 429: slow down") as caught:
        await client.jobs()
    assert caught.value.retryable
    assert caught.value.retry_after_s == 30
    assert client.endpoints()[0].state is EndpointState.UP
    ray.busy = None
    assert await client.jobs() == []


async def test_a_throttled_submission_is_not_sent_again_at_once(
    ray: ThrottledRay, address: Address, client: RayClient
) -> None:
    ray.busy, ray.headers = 429, {"Retry-After": "30"}
    with pytest.raises(SubmitOutcomeUnknown, match="answered 429: slow down") as caught:
        await client.submit(submission_id="a", entrypoint="true")
    assert caught.value.retry_after_s == 30
    assert (address.count(POST), ray.submissions) == (1, 0)


async def test_a_retry_after_date_is_read_by_the_gateways_clock(ray: ThrottledRay, client: RayClient) -> None:
    ray.busy = 503
    ray.headers = {"Date": "Sun, 22 Nov 2020 10:00:00 GMT", "Retry-After": "Sun, 22 Nov 2020 10:00:20 GMT"}
    with pytest.raises(RayUnreachable) as caught:
        await client.jobs()
    assert caught.value.retry_after_s == 20


async def test_of_two_addresses_the_earlier_retry_after_counts(ray: ThrottledRay, address: Address) -> None:
    ray.busy, ray.headers = 503, {"Retry-After": "60"}
    other = ThrottledRay(busy=503, headers={"Retry-After": "40"})
    async with (
        Address(other) as public,
        RayClient(RaySettings(private_url=address.url, public_url=public.url)) as client,
    ):
        with pytest.raises(RayUnreachable) as caught:
            await client.jobs()
    assert caught.value.retry_after_s == 40


@pytest.mark.parametrize("spared", [("GET",), ()])
async def test_an_unknown_outcome_has_a_retry_after_too(
    ray: ThrottledRay, client: RayClient, spared: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submission, "_FIRST_PAUSE_S", 0.01)
    ray.busy, ray.headers, ray.spared = 503, {"Retry-After": "9"}, spared
    with pytest.raises(SubmitOutcomeUnknown) as caught:
        await client.submit(submission_id="a", entrypoint="true")
    assert caught.value.retry_after_s == 9


async def test_an_unreadable_retry_after_changes_nothing(ray: ThrottledRay, client: RayClient) -> None:
    ray.busy, ray.headers = 429, {"Retry-After": "soon"}
    with pytest.raises(RayUnreachable) as caught:
        await client.jobs()
    assert caught.value.retry_after_s is None
