"""Each request of the gateway is counted, logged and named; probes say whether it is alive and ready."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from starlette.responses import StreamingResponse

from raylane.gateway.app import create_app
from raylane.testing import MemoryProducer
from raylane_common.errors import QueueUnavailable
from raylane_common.telemetry import health, queue
from raylane_common.telemetry.definitions import GATEWAY_METRICS
from raylane_common.telemetry.ids import bound_ids
from raylane_common.telemetry.logs import FIELDS
from raylane_common.wire.audit import AuditEntry
from tests.helpers.gateways import bearer, client_of, gateway_settings, write_callers
from tests.helpers.hostile_text import HOSTILE
from tests.helpers.scrape import parsed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from fastapi import FastAPI

    from tests.helpers.scrape import Scrape


@pytest.fixture(autouse=True)
def _look_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "KEPT_S", 0.0)
    monkeypatch.setattr(health, "KEPT_S", 0.0)


async def scraped(client: Any, **options: Any) -> Scrape:
    answer = await client.get("/metrics", **options)
    assert answer.status_code == 200, answer.text
    return parsed(answer.text)


def requests(found: Scrape) -> dict[tuple[str, str, str], float]:
    rows = [(dict(labels), value) for labels, value in found.of("raylane_gateway_requests_total").items()]
    return {(row["method"], row["route"], row["status"]): value for row, value in rows}


async def test_requests_are_counted_by_the_template_of_their_path() -> None:
    exposed = {metric.name.removesuffix("_total"): metric.kind for each in GATEWAY_METRICS.values() for metric in each}
    async with MemoryProducer() as producer, client_of(gateway_settings(), producer=producer) as client:
        job = await producer.cluster.status()
        for path in (f"/v1/jobs/{job.id}", "/v1/jobs/none", "/v1/jobs/other", "/nowhere", f"/{quote(HOSTILE)}"):
            await client.get(path)
        await client.request("BREW", "/v1/jobs/none")
        found = await scraped(client)
    # Slots are known once a job has run, failures once one has failed, and the lag while a server runs: see
    # test_worker_metrics.
    elsewhere = {name for name in exposed if name.startswith("raylane_run_slots")}
    elsewhere |= {"raylane_loop_lag_seconds", "raylane_jobs_failed"}
    types = {name: kind for name, kind in found.types.items() if name.startswith("raylane_")}
    assert types == {name: kind for name, kind in exposed.items() if name not in elsewhere}
    assert requests(found) == {
        ("GET", "/v1/jobs/{job_id}", "200"): 1,
        ("GET", "/v1/jobs/{job_id}", "404"): 2,
        ("GET", "unmatched", "404"): 2,
        ("other", "/v1/jobs/{job_id}", "405"): 1,
    }
    count = found("raylane_gateway_request_seconds_count", route="/v1/jobs/{job_id}", method="GET")
    assert count == 3


async def test_the_gateway_counts_the_queue_and_leaves_out_what_it_cannot_know(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MemoryProducer() as producer, client_of(gateway_settings(), producer=producer) as client:
        await producer.cluster.delete("run")
        found = await scraped(client)
        assert found("raylane_queue_jobs", lane="ray", state="queued") == 1
        assert found("raylane_queue_workers", lane="ray") == 0
        assert found("raylane_queue_up") == 1

        async def away() -> None:
            raise QueueUnavailable("Redis did not answer")

        monkeypatch.setattr(producer.operator, "lanes", away)
        away_now = await scraped(client)
        assert away_now("raylane_queue_up") == 0
        of_queue = {metric.name for metric in GATEWAY_METRICS["The queue"]} - {"raylane_queue_up"}
        assert [name for name in of_queue if away_now.of(name)] == []


async def test_a_lost_entry_of_the_audit_is_in_one_metric() -> None:
    app = create_app(gateway_settings())
    telemetry = app.state.telemetry
    # Nothing writes it before the gateway has started.
    await telemetry._audit.note(AuditEntry(at_ms=1, caller="ada", method="POST", route="/v1/jobs", status=202))
    text = telemetry.metrics.exposition().body.decode()
    assert text.count("# TYPE raylane_gateway_audit_entries_lost") == 1
    assert parsed(text)("raylane_gateway_audit_entries_lost_total") == 1
    await app.state.gateway.producer.aclose()


async def test_open_streams_are_counted_while_they_are_open() -> None:
    seen: list[float | None] = []

    def add(app: FastAPI) -> None:
        async def events() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            seen.append(app.state.telemetry.streams)

        async def stream() -> StreamingResponse:
            return StreamingResponse(events(), media_type="text/event-stream")

        app.add_api_route("/stream", stream)

    async with client_of(gateway_settings(), change=add) as client:
        assert (await client.get("/stream")).text == "data: 1\n\n"
        found = await scraped(client)
    assert seen == [1]
    assert found("raylane_gateway_streams_open") == 0
    assert found("raylane_gateway_requests_total", method="GET", route="/stream", status="200") == 1
    assert found("raylane_gateway_request_seconds_count", method="GET", route="/stream") is None


async def test_a_bug_is_counted_and_its_log_has_the_id_of_the_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="raylane")
    ids: list[str] = []

    def add(app: FastAPI) -> None:
        async def bug() -> None:
            ids.append(bound_ids()["request_id"])
            raise ZeroDivisionError

        app.add_api_route("/bug", bug)

    async with client_of(gateway_settings(), change=add) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/bug?token=hunter2", headers={"X-Request-ID": "from-the-proxy.1"})
        found = await scraped(client)
    assert requests(found)["GET", "/bug", "500"] == 1
    assert ids == ["from-the-proxy.1"]
    [line] = [record for record in caplog.records if hasattr(record, FIELDS)]
    fields = getattr(line, FIELDS)
    assert (fields["method"], fields["route"], fields["status"]) == ("GET", "/bug", 500)
    assert "hunter2" not in line.getMessage() + str(fields)
    assert bound_ids() == {}


@pytest.mark.parametrize("given", ["", "with space", "a" * 65, "\x1b[31m", "né", "-x"])
async def test_an_id_that_could_be_something_else_is_replaced(given: str) -> None:
    async with client_of(gateway_settings()) as client:
        answer = await client.get("/livez", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    assert answer.headers["x-request-id"].isalnum()
    assert answer.headers["x-request-id"] != given


async def test_probes_need_no_token_and_metrics_need_the_right_to_operate(tmp_path: Path) -> None:
    callers = write_callers(
        tmp_path / "callers.json",
        operator={"rights": ["operate"]},
        reader={"rights": ["read"], "sessions": ["*"]},
    )
    async with client_of(gateway_settings(tokens_file=callers)) as client:
        assert (await client.get("/livez")).json() == {"live": True}
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()) == (200, {"ready": True, "checks": {"gateway": "ok", "redis": "ok"}})
        assert (await client.get("/metrics")).status_code == 401
        assert (await client.get("/metrics", headers=bearer("reader"))).status_code == 403
        found = await scraped(client, headers=bearer("operator"))
    assert requests(found)["GET", "unmatched", "401"] == 1
    assert requests(found)["GET", "/metrics", "403"] == 1


async def test_a_gateway_without_redis_is_alive_and_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    async with MemoryProducer() as producer, client_of(gateway_settings(), producer=producer) as client:

        async def away() -> None:
            raise QueueUnavailable("Redis did not answer")

        monkeypatch.setattr(producer.operator, "ping", away)
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json() == {"ready": False, "checks": {"gateway": "ok", "redis": "Redis did not answer"}}
        assert (await client.get("/livez")).status_code == 200


async def test_openmetrics_is_spoken_to_who_accepts_it() -> None:
    async with client_of(gateway_settings()) as client:
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert "_created" not in answer.text


async def test_without_the_package_the_gateway_serves_everything_but_metrics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    async with client_of(gateway_settings()) as client:
        answer = await client.get("/metrics")
        assert answer.status_code == 501
        assert "pip install 'raylane[metrics]'" in answer.json()["detail"]
        assert (await client.get("/readyz")).status_code == 200
