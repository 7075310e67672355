"""Callers learn that something is away, and operators where it is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from raylane.gateway.access.caller import ANYONE, Caller, Right
from raylane.gateway.told import told
from raylane.testing import MemoryProducer
from raylane_common import errors
from tests.helpers.gateways import bearer, client_of, gateway_settings, write_callers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx
    from pydantic import JsonValue

ADA = Caller("ada", frozenset({Right.ASK, Right.READ}), ("ada-",))
OPERATOR = Caller("operations", frozenset({Right.OPERATE}), ())
WHERE = "redis-1.internal:6379"
_OF_THE_DEPLOYMENT = (
    errors.QueueUnavailable,
    errors.ClusterUnsupported,
    errors.WriteNotConfirmed,
    errors.StorageUnavailable,
    errors.StorageThrottled,
    errors.StorageRejected,
    errors.StorageDenied,
    errors.StorageCredentials,
    errors.BucketNotFound,
    errors.CatalogUnavailable,
    errors.CatalogRejected,
    errors.RayUnreachable,
    errors.WrongCluster,
    errors.RayInsecure,
    errors.RayAuth,
    errors.RayRejected,
    errors.RayServerError,
    errors.SubmitOutcomeUnknown,
    errors.DiskFull,
    errors.ScratchFull,
    errors.ModelMisconfigured,
)


@pytest.mark.parametrize("kind", _OF_THE_DEPLOYMENT)
@pytest.mark.parametrize("caller", [ADA, None])
def test_what_names_parts_of_the_deployment_is_logged_and_not_told(
    kind: type[errors.RaylaneError], caller: Caller | None, caplog: pytest.LogCaptureFixture
) -> None:
    details: dict[str, JsonValue] = {"doing": WHERE, "endpoints": [WHERE], "job_id": "j", "retry_after_s": 3}
    error = kind(f"{WHERE} refused", details=details)
    found = told(error, caller)
    assert WHERE not in found.info().model_dump_json()
    assert (type(found), found.retryable, found.retry_after_s) == (kind, error.retryable, 3)
    assert found.details == {"job_id": "j", "retry_after_s": 3}
    assert WHERE in caplog.text


def test_operators_and_programs_without_tokens_are_told_all() -> None:
    error = errors.QueueUnavailable(WHERE)
    assert told(error, OPERATOR) is told(error, ANYONE) is error


def test_why_a_run_could_not_be_stopped_is_logged_and_not_told(caplog: pytest.LogCaptureFixture) -> None:
    details: dict[str, JsonValue] = {"cleanup": f"{WHERE} refused", "submission_id": "rl-1", "may_be_running": True}
    error = errors.JobTimeout("it took too long, but run rl-1 may still be running", details=details)
    found = told(error, ADA)
    assert (found.message, found.details) == (error.message, {"submission_id": "rl-1", "may_be_running": True})
    assert WHERE in caplog.text
    assert told(error, OPERATOR) is error


def test_what_a_caller_did_is_told_as_it_is() -> None:
    error = errors.InvalidRequest.field("prompt", "must not be empty")
    assert told(error, ADA) is error


@asynccontextmanager
async def without_redis(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    rights = {"ada": {"rights": ["ask", "read"], "sessions": ["ada-"]}, "ops": {"rights": ["operate"], "sessions": []}}
    settings = gateway_settings(tokens_file=write_callers(tmp_path / "callers.json", **rights))
    producer = MemoryProducer()
    away = errors.QueueUnavailable(f"Redis did not answer: Error 111 connecting to {WHERE}", details={"doing": WHERE})
    methods = ("session_of", "record", "sources", "history", "enqueue_many", "generate", "upload", "reset")
    async with producer, client_of(settings, producer=producer) as client:
        patches = [patch.object(MemoryProducer, name, side_effect=away) for name in methods]
        patches += [patch.object(type(producer.operator), name, side_effect=away) for name in ("ping", "lanes")]
        patches += [patch.object(type(producer.settings), "all", side_effect=away)]
        for each in patches:
            each.start()
        try:
            yield client
        finally:
            for each in patches:
                each.stop()


async def test_no_address_of_redis_is_in_any_answer_to_a_user(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    question = {"kind": "generate", "session_id": "ada-1", "request": {"prompt": "count"}}
    async with without_redis(tmp_path) as client:
        for method, path, body in (
            ("GET", "/v1/jobs/j", None),
            ("GET", "/v1/jobs/j/events", None),
            ("GET", "/v1/jobs/j/files/a", None),
            ("POST", "/v1/jobs", question),
            ("POST", "/v1/jobs/j/cancel", None),
            ("GET", "/v1/sessions/ada-1/sources", None),
            ("GET", "/v1/sessions/ada-1/history", None),
            ("POST", "/v1/sessions/ada-1/reset", None),
            ("PUT", "/v1/sessions/ada-1/files/a.csv", {}),
            ("POST", "/generate", {"session_id": "ada-1", "prompt": "count"}),
            ("GET", "/history/ada-1", None),
            ("GET", "/health", None),
        ):
            answer = await client.request(method, path, json=body, headers=bearer("ada"))
            assert answer.status_code == 503, (path, answer.text)
            assert "the log of the server says why" in answer.text
            assert WHERE not in answer.text, path
            assert int(answer.headers["retry-after"]) > 0
        ready = await client.get("/readyz")
        assert ready.status_code == 503
        assert WHERE not in ready.text
        assert WHERE in caplog.text
        assert WHERE in (await client.get("/v1/lanes", headers=bearer("ops"))).text
