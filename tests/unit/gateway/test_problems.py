"""What a caller of the gateway gets for an error."""

from __future__ import annotations

import httpx

from raylane.gateway.access.authentication import Authentication
from raylane.gateway.app import create_app
from raylane.gateway.context import Gateway
from raylane.testing import MemoryProducer
from raylane_common.settings import Settings


async def test_a_missing_job_is_a_problem_document() -> None:
    settings = Settings(_env_file=None)
    async with MemoryProducer() as producer:
        app = create_app(settings, producer=producer)
        app.state.gateway = Gateway(settings, producer, Authentication(settings.gateway))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
            answer = await client.get("/v1/jobs/none")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "job_not_found"
