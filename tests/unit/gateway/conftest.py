"""A gateway in this process, on a queue without workers, whose callers are those that a test names."""

from __future__ import annotations

from typing import TYPE_CHECKING

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

ADA = Caller("ada", frozenset({Right.ASK, Right.READ}), ("ada",))
BOB = Caller("bob", frozenset({Right.ASK, Right.READ}), ("bob",))
READER = Caller("reader", frozenset({Right.READ}), ("ada",))
OPERATOR = Caller("operator", frozenset({Right.OPERATE}), ())
_CALLERS = {caller.name: caller for caller in (ADA, BOB, READER, OPERATOR)}


class Named(Authentication):
    """Believes the header `X-Caller`."""

    async def caller_of(self, connection: HTTPConnection) -> Caller:
        return _CALLERS.get(connection.headers.get("x-caller", ""), ANYONE)


def as_(caller: Caller) -> dict[str, str]:
    """Returns the headers of a request of this caller."""
    return {"X-Caller": caller.name}


@pytest.fixture
def settings() -> Settings:
    return Settings.model_validate({"gateway": {"wait_timeout_s": 0.05}})


@pytest.fixture
async def producer() -> AsyncIterator[MemoryProducer]:
    async with MemoryProducer() as opened:
        yield opened


@pytest.fixture
def app(settings: Settings, producer: MemoryProducer) -> FastAPI:
    made = create_app(settings, producer=producer)
    made.state.gateway = Gateway(settings, producer, Named(settings.gateway))
    return made


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened
