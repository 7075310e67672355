"""Whether a server is ready. It needs no FastAPI, so that the MCP server can use it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from raylane.gateway.told import told
from raylane_common.errors import QueueUnavailable
from raylane_common.telemetry.health import Health

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from raylane.producer import Producer


def health_of(name: str, producer: Producer, stopping: asyncio.Event, *, is_open: bool) -> Health:
    """Returns the checks of a server: that it is not `stopping`, by its `name`, and that Redis answers.

    `is_open` says that it asks for no token.
    """
    health = Health()

    async def is_stopping() -> str | None:
        return "stopping" if stopping.is_set() else None

    async def is_redis_away() -> None:
        async with hiding_addresses(is_open=is_open):
            await producer.operator.ping()

    health.require(name, is_stopping)
    health.require("redis", is_redis_away)
    return health


@asynccontextmanager
async def hiding_addresses(*, is_open: bool) -> AsyncIterator[None]:
    """For what needs no token: if Redis fails, the error does not tell everybody where it is, but the log does.

    Raises `QueueUnavailable`. A server without tokens only serves those who may know.
    """
    try:
        yield
    except QueueUnavailable as error:
        if is_open:
            raise
        raise told(error, None) from error
