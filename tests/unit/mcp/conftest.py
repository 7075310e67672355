"""A server with a producer in memory, and a real client of the protocol's package in the same process."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client import Client

from raylane.gateway.access.caller import ANYONE, Caller
from raylane.mcp.call import Scope
from raylane.mcp.server import create_server
from raylane.testing import MemoryProducer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from raylane.mcp.server import Context
    from raylane_common.errors import RaylaneError
    from raylane_common.wire.jobs import NewJob
    from raylane_common.wire.kinds import Result

    Connect = Callable[..., AbstractAsyncContextManager[Client]]


class Answers:
    """What a worker would do with each kind of job: its result, its error, or nothing."""

    def __init__(self) -> None:
        self.by_kind: dict[str, Result | RaylaneError] = {}

    def __call__(self, job: NewJob) -> Result | RaylaneError | None:
        return self.by_kind.get(str(job.kind))


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
async def producer(answers: Answers) -> AsyncIterator[MemoryProducer]:
    async with MemoryProducer(answers) as memory:
        yield memory


@pytest.fixture
def connect(producer: MemoryProducer) -> Connect:
    """Connects a client to a server of its own: `connect(session_id=…, caller=…)`."""

    @asynccontextmanager
    async def opened(*, caller: Caller = ANYONE, mode: str = "legacy", **scope: Any) -> AsyncIterator[Client]:
        async def caller_of(_context: Context) -> Caller:
            return caller

        async with Client(create_server(Scope(producer, **scope), caller_of), mode=mode) as client:
            await client.list_tools()  # so that the client checks every result by its schema
            yield client

    return opened
