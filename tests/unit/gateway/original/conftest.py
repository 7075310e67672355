"""A gateway on an in-process Redis, whose jobs end as the test says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from raylane.gateway.access.authentication import Authentication
from raylane.gateway.context import Gateway
from raylane.testing import MemoryProducer
from raylane_common.settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from fastapi import FastAPI

    from raylane.gateway.access.caller import Caller
    from raylane_common.errors import RaylaneError
    from raylane_common.wire.jobs import NewJob
    from raylane_common.wire.kinds import Result


class App:
    """The gateway's client. `outcomes` are what jobs end with, by the name of their request; others stay queued."""

    def __init__(self, app: FastAPI) -> None:
        self.outcomes: dict[str, Result | RaylaneError] = {}
        self.producer = MemoryProducer(self._outcome)
        self.settings = Settings.model_validate(
            {"gateway": {"wait_timeout_s": 0.2}, "ray": {"private_url": "http://10.0.0.5:8265", "allowed_hosts": ["h"]}}
        )
        app.state.gateway = Gateway(self.settings, self.producer, Authentication(self.settings.gateway))
        self.app = app
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.http = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")

    def _outcome(self, job: NewJob) -> Result | RaylaneError | None:
        return self.outcomes.get(type(job.request).__name__)

    def let_in(self, caller: Caller) -> None:
        """Lets all requests come from this caller."""

        class _Known(Authentication):
            async def caller_of(self, connection: object) -> Caller:
                return caller

        self.app.state.gateway = Gateway(self.settings, self.producer, _Known(self.settings.gateway))

    @property
    def requests(self) -> list[object]:
        """The requests of all jobs, oldest first."""
        return [job.request for job in self.producer.enqueued]


@pytest.fixture
async def app(shared_app: FastAPI) -> AsyncIterator[App]:
    made = App(shared_app)
    async with made.producer, made.http:
        yield made
