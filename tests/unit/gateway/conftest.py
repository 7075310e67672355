"""A gateway in this process, on a queue without workers, whose callers are those that a test names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.caller import ANYONE, Caller, Right
from raylane.gateway.app import create_app
from raylane.gateway.context import Gateway
from raylane.testing import MemoryProducer
from raylane_common.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI
    from starlette.requests import HTTPConnection

    from raylane_common.wire.jobs import NewJob

ADA = Caller("ada", frozenset({Right.ASK, Right.READ}), ("ada",))
BOB = Caller("bob", frozenset({Right.ASK, Right.READ}), ("bob",))
READER = Caller("reader", frozenset({Right.READ}), ("ada",))
OPERATOR = Caller("operator", frozenset({Right.OPERATE}), ())
Outcomes = dict[type, Any]  # a result or an error, by the class of the request
_CALLERS = {caller.name: caller for caller in (ADA, BOB, READER, OPERATOR)}


class Named(Authentication):
    """Believes the header `X-Caller`."""

    async def caller_of(self, connection: HTTPConnection) -> Caller:
        return _CALLERS.get(connection.headers.get("x-caller", ""), ANYONE)


def as_(caller: Caller) -> dict[str, str]:
    """Returns the headers of a request of this caller."""
    return {"X-Caller": caller.name}


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings.model_validate({"gateway": {"wait_timeout_s": 0.05, "requests_per_minute": 0}})


@pytest.fixture(scope="session")
def shared_app(settings: Settings) -> FastAPI:
    """Assembling it takes longer than most tests."""
    return create_app(settings)


@pytest.fixture
def outcomes() -> Outcomes:
    """How jobs end as soon as they may start; none as long as it is empty."""
    return {}


@pytest.fixture
async def producer(outcomes: Outcomes) -> AsyncIterator[MemoryProducer]:
    def end(job: NewJob) -> Any:
        return next((found for kind, found in outcomes.items() if isinstance(job.request, kind)), None)

    async with MemoryProducer(end) as opened:
        yield opened


@pytest.fixture
def app(shared_app: FastAPI, settings: Settings, producer: MemoryProducer) -> FastAPI:
    shared_app.state.gateway = Gateway(settings, producer, Named(settings.gateway))
    return shared_app


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened
