"""What every endpoint is given: the gateway's parts, and the caller of the request."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import Depends, Request

from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.access.jobs import job_of
from raylane.producer import Producer
from raylane_common.errors import QueueUnavailable
from raylane_common.logs import get_logger
from raylane_common.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane_common.wire.jobs import JobRecord

logger: Final = get_logger("raylane.gateway")


@dataclass(frozen=True)
class Gateway:
    """The parts of one gateway."""

    settings: Settings
    producer: Producer
    authentication: Authentication
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is told to stop: whatever waits for a job ends then, so that its client can come again."""

    async def job(self, caller: Caller, right: Right, job_id: str) -> JobRecord:
        """Returns the record of a job in which the caller has the right.

        Raises `JobNotFound`, also if the caller may not read the job and in the same words, so that nobody learns which
        ids exist; `Forbidden` if the caller may read it but does not have the right.
        """
        return await job_of(self.producer, caller, right, job_id)

    @asynccontextmanager
    async def hiding_addresses(self) -> AsyncIterator[None]:
        """For what needs no token: if Redis fails, the error does not tell everybody where it is, but the log does.

        Raises `QueueUnavailable`. A gateway without tokens only serves those who may know.
        """
        try:
            yield
        except QueueUnavailable as error:
            if self.authentication.is_open:
                raise
            logger.warning("Redis cannot be used: %s", error.message)
            raise QueueUnavailable("Redis cannot be used now; the log of the gateway says why") from error


def _gateway_of(request: Request) -> Gateway:
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


GatewayDep = Annotated[Gateway, Depends(_gateway_of)]


async def _caller_of(request: Request, gateway: GatewayDep) -> Caller:
    return await gateway.authentication.caller_of(request)


CallerDep = Annotated[Caller, Depends(_caller_of)]
