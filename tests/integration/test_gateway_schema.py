"""What the OpenAPI document promises holds for requests that are drawn from it, right ones and wrong ones.

`RAYLANE_SEED` repeats the choices. The profile `deep` also tries each boundary of each parameter, and sequences.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from raylane import Producer
from raylane.testing.memory.worker import MemoryWorker
from raylane_common.errors import NotUnderstood
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from tests.helpers import profiles
from tests.helpers.lanes import worker
from tests.helpers.outcomes import usual_outcome
from tests.helpers.serving import serving
from tests.unit.producer.samples import CSV_BYTES, GENERATED, UPLOADED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

# A schema cannot say everything: 422 may be the answer to a request that it allows.
POSITIVE = ["2xx", "3xx", "401", "403", "404", "409", "422", "429"]


def config(known: list[str]) -> SchemathesisConfig:
    """Returns how deep to go. Every second id is one of those that are `known`."""
    is_deep = profiles.PROFILE is profiles.Profile.DEEP
    return SchemathesisConfig.from_dict(
        {
            "seed": profiles.seed(),
            "continue-on-failure": True,
            "request-timeout": 60,
            "max-stream-events": 3,
            "dictionaries": {"jobs": {"values": known}, "sessions": {"values": ["ada"]}},
            "parameters": {
                "job_id": {"dictionary": "jobs", "probability": 0.5},
                "session_id": {"dictionary": "sessions", "probability": 0.5},
            },
            "generation": {"max-examples": profiles.by_profile(fast=1, ci=5, deep=100), "database": "none"},
            "phases": {"coverage": {"enabled": is_deep}, "stateful": {"enabled": is_deep}},
            "checks": {"positive_data_acceptance": {"expected-statuses": POSITIVE}},
        }
    )


def failures(url: str, configuration: SchemathesisConfig) -> Iterator[str]:
    """Sends requests, and yields what is wrong with the answers."""
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json", config=configuration)
    for event in from_schema(schema).execute():
        if isinstance(event, events.NonFatalError | events.FatalError):
            yield f"{event}"
        elif isinstance(event, events.ScenarioFinished):
            for case_id, checks in event.recorder.checks.items():
                for check in checks:
                    if check.failure_info is not None:
                        request = event.recorder.cases[case_id].value.as_curl_command()
                        yield f"{check.name}: {check.failure_info.failure.message}\n{request}"


@pytest.mark.slow
@pytest.mark.chaos
async def test_no_request_breaks_what_the_document_promises(redis: Redis, valkey: EmbeddedValkey) -> None:
    limits: dict[str, Any] = {"requests_per_minute": 0, "requests_at_once": 0, "streams_at_once": 0}
    settings = Settings.model_validate({"redis": {"url": valkey.url}, "gateway": limits | {"wait_timeout_s": 1}})
    async with AsyncExitStack() as stack:
        producer = await stack.enter_async_context(Producer(settings))
        known = await _jobs(producer, MemoryWorker(redis))
        for lane in Lane:
            await stack.enter_async_context(worker(redis, usual_outcome, of=lane))
        gateway = await stack.enter_async_context(serving(settings))
        found = await asyncio.to_thread(lambda: list(failures(gateway.url, config(known))))
    assert not found, "\n\n".join(found[:20])


async def _jobs(producer: Producer, ends: MemoryWorker) -> list[str]:
    """Makes jobs that have ended in each way, and sources in their session; returns the ids."""
    answered = await producer.generate("how warm?", session_id="ada", execute=True)
    failed = await producer.generate("what?", session_id="ada")
    uploaded = await producer.upload(CSV_BYTES, filename="temps.csv", session_id="ada")
    cancelled = await producer.generate("never mind", session_id="ada")
    await ends.end(answered.id, GENERATED)
    await ends.end(failed.id, NotUnderstood("what?"))
    await ends.end(uploaded.id, UPLOADED)
    await cancelled.cancel()
    return [job.id for job in (answered, failed, uploaded, cancelled)]
