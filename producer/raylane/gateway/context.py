"""What every endpoint is given: the gateway's parts, and the caller of the request."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from raylane.gateway.access.authentication import CALLER, Authentication
from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.access.jobs import job_of
from raylane.gateway.probes import hiding_addresses
from raylane.gateway.told import told
from raylane.producer import Producer
from raylane_common.errors import RaylaneError
from raylane_common.settings import Settings

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from raylane_common.wire.jobs import JobRecord


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

    def hiding_addresses(self) -> AbstractAsyncContextManager[None]:
        """For what needs no token: if Redis fails, the error does not tell everybody where it is, but the log does.

        Raises `QueueUnavailable`.
        """
        return hiding_addresses(is_open=self.authentication.is_open)

    def told(self, error: RaylaneError, caller: Caller | None) -> RaylaneError:
        """Returns the error as the caller may see it. A gateway without tokens only serves those who may know all."""
        return error if self.authentication.is_open else told(error, caller)


def gateway_of(request: Request) -> Gateway:
    """Returns the gateway that serves the request."""
    gateway = request.app.state.gateway
    assert isinstance(gateway, Gateway)
    return gateway


def told_to(request: Request, error: RaylaneError) -> RaylaneError:
    """Returns the error as the caller of the request may see it."""
    return gateway_of(request).told(error, request.scope.get(CALLER))


GatewayDep = Annotated[Gateway, Depends(gateway_of)]


async def _caller_of(request: Request, gateway: GatewayDep) -> Caller:
    return await gateway.authentication.caller_of(request)


CallerDep = Annotated[Caller, Depends(_caller_of)]
