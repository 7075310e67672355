"""Who changed what: what the audit notes of a request, and what happens while Redis is away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from raylane.gateway.access.audit import AuditTrail
from raylane.gateway.app import create_app
from raylane.operator import OperatorActions
from raylane.testing import MemoryProducer
from raylane_common.errors import InvalidRequest, QueueUnavailable, RaylaneError
from raylane_common.settings import GatewaySettings
from raylane_common.wire.audit import AuditEntry
from tests.helpers.gateways import bearer, client_of, gateway_settings, write_callers
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from fastapi import FastAPI

JOB = {"kind": "generate", "session_id": "ada-1", "request": {"prompt": "the secret question"}}


@pytest.fixture
async def producer() -> AsyncIterator[MemoryProducer]:
    async with MemoryProducer() as opened:
        yield opened


@pytest.fixture
def callers(tmp_path: Path) -> Path:
    return write_callers(
        tmp_path / "callers.json",
        ada={"rights": ["ask", "read"], "sessions": ["ada-"]},
        operator={"rights": ["operate"]},
    )


async def test_every_write_of_a_caller_is_noted_without_its_body(callers: Path, producer: MemoryProducer) -> None:
    async with client_of(gateway_settings(tokens_file=callers), producer=producer) as client:
        made = await client.post("/v1/jobs", json=JOB, headers=bearer("ada"))
        job_id = made.json()["id"]
        await client.get(f"/v1/jobs/{job_id}", headers=bearer("ada"))
        await client.post(f"/v1/jobs/{job_id}/cancel", headers=bearer("ada"))
        await client.post("/v1/jobs", json=JOB | {"session_id": "bob-1"}, headers=bearer("ada"))
        page = await client.get("/v1/audit", headers=bearer("operator"))
    noted = [
        (entry["caller"], entry["method"], entry["route"], entry["session_id"], entry["job_id"], entry["status"])
        for entry in page.json()["entries"]
    ]
    assert noted == [
        ("ada", "POST", "/v1/jobs", "bob-1", None, 403),
        ("ada", "POST", "/v1/jobs/{job_id}/cancel", "ada-1", job_id, 200),
        ("ada", "POST", "/v1/jobs", "ada-1", job_id, 202),
    ]
    assert page.json()["before"] is None
    assert "secret" not in page.text


async def test_the_job_of_a_request_that_waits_for_it_is_noted(callers: Path, producer: MemoryProducer) -> None:
    async with client_of(gateway_settings(tokens_file=callers, wait_timeout_s=0.1), producer=producer) as client:
        body = {"session_id": "ada-1", "prompt": "how warm?"}
        waited = await client.post("/generate", json=body, headers=bearer("ada"))
        page = await client.get("/v1/audit", headers=bearer("operator"))
    [entry] = page.json()["entries"]
    assert waited.json()["job_id"] is not None
    assert (entry["route"], entry["job_id"], entry["status"]) == ("/generate", waited.json()["job_id"], 504)


async def test_what_was_refused_before_its_endpoint_changed_nothing_and_is_not_noted(
    callers: Path, producer: MemoryProducer
) -> None:
    async with client_of(gateway_settings(tokens_file=callers, max_body_bytes=1024), producer=producer) as client:
        await client.post("/v1/jobs", json=JOB)
        await client.post("/v1/nothing", json=JOB, headers=bearer("ada"))
        large = await client.post("/v1/jobs", json=JOB | {"padding": "x" * 2000}, headers=bearer("ada"))
    assert large.status_code == 413
    assert await producer.operator.audit() == []


async def test_the_audit_is_read_page_by_page_and_only_by_operators(callers: Path, producer: MemoryProducer) -> None:
    async with client_of(gateway_settings(tokens_file=callers), producer=producer) as client:
        for _ in range(5):
            await client.post("/v1/jobs/none/cancel", headers=bearer("ada"))
        assert (await client.get("/v1/audit", headers=bearer("ada"))).status_code == 403
        first = (await client.get("/v1/audit?limit=3", headers=bearer("operator"))).json()
        second = (await client.get(f"/v1/audit?before={first['before']}", headers=bearer("operator"))).json()
        wrong = await client.get("/v1/audit?before=x", headers=bearer("operator"))
    ids = [entry["id"] for entry in first["entries"] + second["entries"]]
    assert len(set(ids)) == 5
    assert ids == sorted(ids, reverse=True)
    assert wrong.status_code == 422


async def test_a_write_that_found_a_bug_is_noted(producer: MemoryProducer) -> None:
    def add(app: FastAPI) -> None:
        app.add_api_route("/test/{job_id}", broken, methods=["PUT"])

    async def broken(job_id: str) -> None:
        raise RuntimeError(job_id)

    app = create_app(gateway_settings(), producer=producer)
    add(app)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        assert (await client.put("/test/7")).status_code == 500
    [entry] = await producer.operator.audit()
    assert (entry.caller, entry.route, entry.job_id, entry.status) == ("anyone", "/test/{job_id}", "7", 500)


async def test_the_path_of_a_refused_request_does_not_fill_the_audit(producer: MemoryProducer) -> None:
    async with client_of(gateway_settings(), producer=producer) as client:
        await client.post(f"/v1/jobs/{'x' * 5000}/cancel")
        await client.post("/v1/jobs/a%0Ab/cancel")
    assert [entry.job_id for entry in await producer.operator.audit()] == ["a\\nb", "x" * 128]


async def test_nothing_is_noted_if_the_settings_say_so(producer: MemoryProducer) -> None:
    async with client_of(gateway_settings(audit_entries=0), producer=producer) as client:
        await client.post("/v1/jobs/none/cancel")
    assert await producer.operator.audit() == []


class Audited(OperatorActions):
    """Keeps entries in a list, and fails as a test wants."""

    def __init__(self) -> None:
        self.entries: list[AuditEntry] = []
        self.error: Exception | None = None
        self.hangs = False
        self.calls = 0

    async def add_to_audit(self, entries: Sequence[AuditEntry], *, keep: int, ttl_s: int) -> None:
        self.calls += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error
        self.entries += entries


def entry_number(number: int) -> AuditEntry:
    return AuditEntry(at_ms=number, caller="ada", method="POST", route="/v1/jobs", status=202)


@pytest.fixture
def trail(monkeypatch: pytest.MonkeyPatch) -> AuditTrail:
    for name in ("_FIRST_PAUSE_S", "_LONGEST_PAUSE_S", "_PATIENCE_S", "_CLOSE_S"):
        monkeypatch.setattr(f"raylane.gateway.access.audit.{name}", 0.01)
    return AuditTrail(GatewaySettings())


async def test_an_entry_is_written_before_its_answer_goes_out() -> None:
    operator, trail = Audited(), AuditTrail(GatewaySettings())
    async with trail.writing_to(operator):
        await trail.note(entry_number(1))
        assert operator.entries == [entry_number(1)]


async def test_entries_wait_in_order_while_redis_is_away(trail: AuditTrail, caplog: pytest.LogCaptureFixture) -> None:
    operator = Audited()
    operator.error = QueueUnavailable("Redis is away")
    async with trail.writing_to(operator):
        for number in range(300):
            await trail.note(entry_number(number))
        await until(lambda: operator.calls > 3)
        assert operator.entries == []
        operator.error = None
        await until(lambda: len(operator.entries) == 300)
    assert [entry.at_ms for entry in operator.entries] == list(range(300))
    assert trail.lost == 0
    assert [record.message for record in caplog.records] == [
        "the audit cannot be written now: Redis is away [queue_unavailable]"
    ]


@pytest.mark.parametrize(
    "error",
    [
        QueueUnavailable("no permission", retryable=False),
        InvalidRequest("another program has overwritten raylane:audit"),
        ValueError("a bug"),
    ],
)
async def test_what_can_never_be_written_is_counted_and_in_the_log(
    trail: AuditTrail, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    operator = Audited()
    operator.error = error
    async with trail.writing_to(operator):
        await trail.note(entry_number(7))
        await until(lambda: trail.lost == 1)
        operator.error = None
        await trail.note(entry_number(8))
        await until(lambda: operator.entries == [entry_number(8)])
    [_, lost] = caplog.messages
    assert str(error) in lost
    assert entry_number(7).model_dump_json(exclude={"id"}) in lost


async def test_a_redis_that_hangs_holds_up_neither_answers_nor_the_end(
    trail: AuditTrail, caplog: pytest.LogCaptureFixture
) -> None:
    operator = Audited()
    operator.hangs = True
    async with trail.writing_to(operator):
        for number in range(3):
            await trail.note(entry_number(number))
    assert trail.lost == 3
    assert sum("the gateway ends" in message for message in caplog.messages) == 3


async def test_memory_holds_so_many_entries_and_no_more(
    trail: AuditTrail, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("raylane.gateway.access.audit._MOST_WAITING", 2)
    operator = Audited()
    operator.error = QueueUnavailable("Redis is away")
    async with trail.writing_to(operator):
        for number in range(4):
            await trail.note(entry_number(number))
        assert trail.lost == 2
        operator.error = None
        await until(lambda: len(operator.entries) == 2)
    assert [entry.at_ms for entry in operator.entries] == [0, 1]
    assert "too many others wait" in caplog.text


async def test_an_error_of_our_own_is_no_reason_to_stop_writing(trail: AuditTrail) -> None:
    operator = Audited()
    errors: list[Any] = [RaylaneError("x", retryable=True), ValueError("y"), None]
    async with trail.writing_to(operator):
        for number, error in enumerate(errors):
            operator.error = error
            await trail.note(entry_number(number))
        await until(lambda: entry_number(2) in operator.entries)
