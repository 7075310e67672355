"""The endpoints of the original app answer with its shapes."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final
from unittest.mock import patch

import pytest

from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.context import Gateway
from raylane_common.errors import (
    BucketNotFound,
    CatalogUnavailable,
    InvalidFile,
    QueueUnavailable,
    RaylaneError,
    RayUnreachable,
    RunFailed,
    RunNotFound,
    TableNotFound,
    VerificationFailed,
)
from raylane_common.ray.models import EndpointReport, EndpointState, RayRun, RayVersion, RunStatus
from raylane_common.settings import Settings
from raylane_common.wire.generate import CodeVersion, GenerateRequest
from raylane_common.wire.ray import (
    RayEndpointsResult,
    RayLogsResult,
    RayRunsResult,
    RayStatusResult,
    RayStopResult,
    RaySubmitRequest,
    RaySubmitResult,
)
from raylane_common.wire.tables import (
    DatabasesResult,
    DeselectedTablesResult,
    SelectedTablesResult,
    TableRef,
    TablesResult,
    TableSummary,
)
from tests.helpers.gateways import client_of, gateway_settings, write_callers
from tests.unit.producer.samples import COLUMNS, CSV, FAILED_RUN, GENERATED, RUN, TABLE, UPLOADED

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import JsonValue
    from starlette.types import Message

    from tests.unit.gateway.original.conftest import App

KIT: Final = f'from raylane_run import answer, read\nanswer.value("rows", len(read("{CSV.s3_uri}")))\n'
HELLO: Final = 'import ray\nray.init()\nprint("Hello")'
ASKER: Final = Caller("ada", frozenset({Right.ASK, Right.READ}), ("s1",))


async def test_an_upload_says_where_the_file_is_and_how_its_text_begins(app: App) -> None:
    app.outcomes["UploadRequest"] = UPLOADED
    content = "city,temp\nOslo,3\na\nb\nc\nd\n"
    answer = await app.http.post("/upload-csv", json={"filename": "temps.csv", "content": content, "session_id": "s1"})
    assert answer.json() == {
        "success": True,
        "s3_uri": "s3://raylane/sessions/s1/csv/temps.csv",
        "bucket": "raylane",
        "key": "sessions/s1/csv/temps.csv",
        "preview": "city,temp\nOslo,3\na\nb\nc",
    }
    [job] = app.producer.enqueued
    assert (job.body.decode(), job.session_id) == (content, "s1")


async def test_generated_code_is_a_success_that_ran_nothing(app: App) -> None:
    versions = (CodeVersion(number=1, code="a"), CodeVersion(number=2, code="b"))
    app.outcomes["GenerateRequest"] = GENERATED.model_copy(update={"run": None, "code": "b", "versions": versions})
    answer = await app.http.post("/generate", json={"prompt": "mean of temp", "session_id": "t"})
    [job] = app.producer.enqueued
    assert answer.json() == {
        "success": True,
        "code": "b",
        "error": None,
        "session_id": "t",
        "iterations": 2,
        "job_id": job.id,
    }
    assert isinstance(job.request, GenerateRequest)
    assert not job.request.execute


async def test_code_that_is_asked_to_run_brings_what_it_printed(app: App) -> None:
    app.outcomes["GenerateRequest"] = GENERATED
    answer = await app.http.post("/generate", json={"prompt": "mean of temp", "session_id": "t", "execute": True})
    assert answer.json()["auto_executed"] is True
    assert answer.json()["execution_result"] == "mean 3.0"


async def test_code_that_may_not_run_is_no_success_and_is_not_shown(app: App) -> None:
    app.outcomes["GenerateRequest"] = VerificationFailed("version 1 of the code may not run: line 1: no", details={})
    answer = await app.http.post("/generate", json={"prompt": "mean of temp", "session_id": "t"})
    [job] = app.producer.enqueued
    assert answer.status_code == 422
    assert answer.json() == {
        "success": False,
        "error": "version 1 of the code may not run: line 1: no",
        "error_code": "verification_failed",
        "retryable": False,
        "details": {},
        "code": None,
        "session_id": "t",
        "iterations": None,
        "job_id": job.id,
        "url": f"/v1/jobs/{job.id}",
    }


@pytest.mark.parametrize("path", ["/generate?wait=0", "/execute?wait=0"])
async def test_a_request_that_does_not_wait_says_where_its_job_is(app: App, path: str) -> None:
    await app.producer.put_sources("t", CSV)
    answer = await app.http.post(path, json={"prompt": "mean of temp", "code": KIT, "session_id": "t"})
    [job] = app.producer.enqueued
    assert answer.status_code == 202
    assert answer.json() == {"job_id": job.id, "status": "queued", "url": f"/v1/jobs/{job.id}", "session_id": "t"}
    assert answer.headers["location"] == f"/v1/jobs/{job.id}"
    assert (await app.http.get(answer.headers["location"])).json()["status"] == "queued"


async def test_a_request_that_says_how_long_it_waits_gets_the_answer_or_the_job(app: App) -> None:
    body = {"prompt": "mean of temp", "session_id": "t"}
    assert (await app.http.post("/generate?wait=0.01", json=body)).status_code == 202
    app.outcomes["GenerateRequest"] = GENERATED
    assert (await app.http.post("/generate?wait=20", json=body)).json()["code"] == GENERATED.code


async def test_a_job_that_takes_too_long_continues_and_is_named(app: App) -> None:
    answer = await app.http.post("/generate", json={"prompt": "mean of temp", "session_id": "t"})
    [job] = app.producer.enqueued
    assert answer.status_code == 504
    assert (answer.json()["success"], answer.json()["error_code"]) == (False, "wait_timeout")
    assert answer.json()["url"] == f"/v1/jobs/{job.id}"


async def test_code_that_uses_the_kit_is_verified_even_for_an_operator(app: App) -> None:
    app.outcomes["GenerateRequest"] = GENERATED
    await app.producer.put_sources("s1", CSV)
    answer = await app.http.post("/execute", json={"code": KIT, "session_id": "s1"})
    [job] = app.producer.enqueued
    assert answer.json() == {
        "success": True,
        "output": "mean 3.0",
        "error": None,
        "session_id": "s1",
        "job_id": job.id,
    }
    assert isinstance(job.request, GenerateRequest)
    assert job.request.rerun is not None
    assert job.request.rerun.code == KIT


async def test_any_other_script_runs_only_for_an_operator(app: App) -> None:
    app.outcomes["RaySubmitRequest"] = RaySubmitResult(run=RUN)
    await app.producer.put_sources("s1", CSV)
    body = {"code": HELLO, "session_id": "s1", "interactive": False, "inputs": None}
    assert (await app.http.post("/execute", json=body)).json()["output"] == "mean 3.0"
    app.let_in(ASKER)
    app.outcomes["GenerateRequest"] = VerificationFailed("it reads no source", details={})
    refused = await app.http.post("/execute", json=body)
    assert (refused.status_code, refused.json()["error_code"]) == (422, "verification_failed")
    assert [type(request) for request in app.requests] == [RaySubmitRequest, GenerateRequest]


async def test_a_script_that_fails_brings_what_it_printed(app: App) -> None:
    run = FAILED_RUN.model_dump(mode="json")
    app.outcomes["RaySubmitRequest"] = RunFailed("run rl-1 failed with exit code 1", details={"run": run})
    answer = (await app.http.post("/execute", json={"code": HELLO, "session_id": "s1"})).json()
    assert (answer["success"], answer["error_code"]) == (False, "run_failed")
    assert answer["output"] == "Traceback\nKeyError: 'tmp'"


async def test_what_a_newer_worker_says_of_a_run_is_passed_on(app: App) -> None:
    details: dict[str, JsonValue] = {"run": {"v": 2}, "share": float("nan")}
    app.outcomes["RaySubmitRequest"] = RunFailed("run rl-1 failed", details=details)
    answer = await app.http.post("/execute", json={"code": HELLO, "session_id": "s1"})
    assert answer.status_code == 422
    assert answer.json()["details"] == {"run": {"v": 2}, "share": None}
    assert answer.json()["output"] is None


async def test_selected_tables_replace_those_that_were_selected_before(app: App) -> None:
    other = TABLE.model_copy(update={"table": "items", "location": "s3://warehouse/items/"})
    await app.producer.put_sources("s1", other, CSV)
    app.outcomes["SelectTablesRequest"] = SelectedTablesResult(sources=(TABLE,))
    app.outcomes["DeselectTablesRequest"] = DeselectedTablesResult(tables=(TableRef(database="shop", table="items"),))
    body = {"tables": [{"database": "shop", "table": "orders"}], "session_id": "s1"}
    answer = await app.http.post("/sessions/s1/select-tables", json=body)
    assert answer.json() == {
        "success": True,
        "selected_tables": [{"database": "shop", "table": "orders", "location": "s3://warehouse/orders/"}],
    }
    assert {source.name for source in await app.producer.sources("s1")} == {"temps.csv", "shop.orders"}


async def test_a_table_that_does_not_exist_selects_nothing(app: App) -> None:
    await app.producer.put_sources("s1", TABLE)
    app.outcomes["SelectTablesRequest"] = TableNotFound("there is no table shop.none")
    body = {"tables": [{"database": "shop", "table": "none"}], "session_id": "s1"}
    answer = await app.http.post("/sessions/s1/select-tables", json=body)
    assert (answer.json()["success"], answer.json()["error_code"]) == (False, "table_not_found")
    assert [source.name for source in await app.producer.sources("s1")] == ["shop.orders"]


async def test_a_reset_removes_the_sources_and_keeps_the_history(app: App) -> None:
    app.outcomes["GenerateRequest"] = GENERATED
    await app.producer.put_sources("s1", CSV, TABLE)
    await app.http.post("/generate", json={"prompt": "mean of temp", "session_id": "s1"})
    assert (await app.http.post("/sessions/s1/reset")).json() == {"success": True, "message": "Session reset"}
    assert await app.producer.sources("s1") == []
    assert (await app.http.get("/history/s1")).json()["conversation_history"] != []


async def test_clearing_the_csv_keeps_the_tables(app: App) -> None:
    await app.producer.put_sources("s1", CSV, TABLE)
    assert (await app.http.post("/sessions/s1/clear-csv")).json()["success"] is True
    assert [source.name for source in await app.producer.sources("s1")] == ["shop.orders"]


async def test_history_has_what_was_asked_and_what_ran_oldest_first(app: App) -> None:
    assert (await app.http.get("/history/new")).json() == {
        "success": True,
        "session_id": "new",
        "conversation_history": [],
        "execution_results": [],
    }
    app.outcomes["GenerateRequest"] = GENERATED.model_copy(update={"run": None})
    await app.http.post("/generate", json={"prompt": "mean of temp", "session_id": "s1"})
    await app.http.post("/generate", json={"prompt": "max of temp", "session_id": "s1"})
    app.outcomes["GenerateRequest"] = GENERATED
    await app.producer.put_sources("s1", CSV)
    await app.http.post("/execute", json={"code": KIT, "session_id": "s1"})
    app.outcomes["GenerateRequest"] = VerificationFailed("line 1: no", details={})
    await app.http.post("/execute", json={"code": f"{KIT}\n1", "session_id": "s1"})
    history = (await app.http.get("/history/s1")).json()
    assert [entry["prompt"] for entry in history["conversation_history"]] == ["mean of temp", "max of temp"]
    first = history["conversation_history"][0]
    assert (first["type"], first["generated_code"], first["framework"]) == ("generation", GENERATED.code, "ray")
    # The original app counts seconds.
    record = await app.producer.record(app.producer.enqueued[0].id)
    assert record.finished_at is not None
    assert first["timestamp"] == record.finished_at / 1000
    assert [(entry["result"], entry["success"]) for entry in history["execution_results"]] == [
        ("mean 3.0", True),
        ("line 1: no", False),
    ]


async def test_the_catalog_is_listed_to_its_end(app: App) -> None:
    pages = [DatabasesResult(databases=("a",), next_cursor="1"), DatabasesResult(databases=("b",))]
    app.outcomes["ListDatabasesRequest"] = pages[0]
    original = app.producer.tables.databases

    async def databases(**options: object) -> object:
        app.outcomes["ListDatabasesRequest"] = pages.pop(0)
        return await original(**options)  # type: ignore[arg-type]

    app.producer.tables.databases = databases  # type: ignore[method-assign, assignment]
    assert (await app.http.get("/glue/databases")).json() == {"success": True, "databases": ["a", "b"]}
    table = TableSummary(database="shop", table="orders", location=None, columns=COLUMNS * 3, supported=True)
    app.outcomes["ListTablesRequest"] = TablesResult(tables=(table,))
    [shown] = (await app.http.get("/glue/tables/shop")).json()["tables"]
    assert (shown["name"], shown["location"], len(shown["columns"])) == ("orders", "", 5)
    assert shown["columns"][1] == {"name": "temp", "type": "int64"}


async def test_the_cluster_is_shown_with_rays_own_names(app: App) -> None:
    endpoint = EndpointReport(name="private", url="http://10.0.0.5:8265", state=EndpointState.UP)
    version = RayVersion(ray_version="2.60.0")
    app.outcomes["RayStatusRequest"] = RayStatusResult(version=version, endpoint="private", endpoints=(endpoint,))
    assert (await app.http.get("/ray/status")).json() == {
        "status": "connected",
        "ray_version": "2.60.0",
        "dashboard_url": "http://10.0.0.5:8265",
    }
    run = RayRun(submission_id="rl-x-1", status=RunStatus.RUNNING, start_time_ms=1795334676336)
    app.outcomes["RayRunsRequest"] = RayRunsResult(runs=(run,), total=1)
    listed = (await app.http.get("/ray/jobs")).json()
    assert listed["success"] is True
    assert [(job["submission_id"], job["status"], job["start_time"]) for job in listed["jobs"]] == [
        ("rl-x-1", "RUNNING", 1795334676336)
    ]
    app.outcomes["RayStopRequest"] = RayStopResult(stopped=True, run=run)
    assert (await app.http.post("/ray/jobs/rl-x-1/stop")).json() == {"success": True, "status": "RUNNING"}
    app.outcomes["RayLogsRequest"] = RayLogsResult(submission_id="rl-x-1", logs="hi\n", truncated=False)
    assert (await app.http.get("/ray/jobs/rl-x-1/logs")).json()["logs"] == "hi\n"


async def test_a_caller_sees_the_catalog_for_its_own_session(app: App) -> None:
    app.outcomes["ListDatabasesRequest"] = DatabasesResult(databases=("a",))
    app.let_in(ASKER)
    assert (await app.http.get("/glue/databases?session_id=s1")).json()["databases"] == ["a"]
    assert (await app.http.get("/glue/databases?session_id=other")).status_code == 403
    assert (await app.http.get("/glue/databases")).status_code == 403


@pytest.mark.parametrize(
    ("method", "path", "asked", "error", "status"),
    [
        ("GET", "/glue/tables/d", "ListTablesRequest", TableNotFound("no database d"), 404),
        ("GET", "/glue/databases", "ListDatabasesRequest", CatalogUnavailable("Glue is away", retryable=False), 502),
        ("GET", "/ray/jobs", "RayRunsRequest", RayUnreachable("no address answers", retryable=False), 502),
        ("GET", "/ray/jobs/rl-x-1/logs", "RayLogsRequest", RunNotFound("no run rl-x-1"), 404),
        ("POST", "/ray/jobs/rl-x-1/stop", "RayStopRequest", RunNotFound("no run rl-x-1"), 404),
        ("POST", "/sessions/s1/select-tables", "SelectTablesRequest", TableNotFound("no table d.t"), 404),
        ("POST", "/upload-csv", "UploadRequest", BucketNotFound("no bucket b"), 502),
        ("POST", "/upload-csv", "UploadRequest", InvalidFile("line 2 has three cells"), 422),
        ("POST", "/generate", "GenerateRequest", TableNotFound("no table d.t"), 422),
    ],
)
async def test_a_job_that_failed_has_the_status_of_its_error_unless_it_was_the_question(
    app: App, method: str, path: str, asked: str, error: RaylaneError, status: int
) -> None:
    app.outcomes[asked] = error
    bodies = {
        "/upload-csv": {"session_id": "s1", "filename": "a.csv", "content": "a\n1\n"},
        "/generate": {"session_id": "s1", "prompt": "count"},
        "/sessions/s1/select-tables": {"tables": [{"database": "d", "table": "t"}]},
    }
    answer = await app.http.request(method, path, json=bodies.get(path))
    assert (answer.status_code, answer.json()["error_code"]) == (status, error.code)
    assert answer.json()["success"] is False


async def test_a_cluster_that_does_not_answer_is_disconnected(app: App) -> None:
    endpoint = EndpointReport(name="private", url="http://10.0.0.5:8265", state=EndpointState.DOWN)
    app.outcomes["RayStatusRequest"] = RayUnreachable("no address answers", retryable=False)
    app.outcomes["RayEndpointsRequest"] = RayEndpointsResult(endpoints=(endpoint,), problem="refused")
    answer = await app.http.get("/ray/status")
    assert answer.json() == {"status": "disconnected", "dashboard_url": "http://10.0.0.5:8265"}


async def test_a_caller_may_stop_runs_of_its_own_jobs_only(app: App) -> None:
    app.outcomes["RayStopRequest"] = RayStopResult(stopped=True, run=RayRun(status=RunStatus.STOPPED))
    own = await app.producer.generate("mean of temp", session_id="s1")
    foreign = await app.producer.generate("mean of temp", session_id="other")
    app.let_in(ASKER)
    assert (await app.http.post(f"/ray/jobs/rl-{own.id}-1/stop")).json()["success"] is True
    assert (await app.http.post(f"/ray/jobs/rl-{own.id}-2r1/stop")).json()["success"] is True
    assert (await app.http.post(f"/ray/jobs/rl-{foreign.id}-1/stop")).status_code == 404
    assert (await app.http.post("/ray/jobs/raysubmit_1/stop")).status_code == 403


async def test_the_index_names_the_endpoints_that_are_offered(app: App) -> None:
    index = (await app.http.get("/")).json()
    assert "Raylane" in index["message"]
    assert index["openapi"] == "/openapi.json"
    assert index["endpoints"]["/settings"].startswith("GET/POST - ")
    assert "/v1/jobs/{job_id}" in index["endpoints"]
    assert "/spark/generate" not in index["endpoints"]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/generate", {"session_id": "s1", "prompt": "how warm?"}),
        ("POST", "/generate?wait=60", {"session_id": "s1", "prompt": "how warm?"}),
        ("POST", "/upload-csv", {"session_id": "s1", "filename": "a.csv", "content": "a\n1\n"}),
        ("POST", "/execute", {"session_id": "s1", "code": HELLO}),
        ("GET", "/glue/databases", None),
        ("GET", "/ray/status", None),
    ],
)
async def test_nobody_waits_for_a_client_that_has_left(app: App, method: str, path: str, body: JsonValue) -> None:
    patient = Settings.model_validate({"gateway": {"wait_timeout_s": 60}})
    app.app.state.gateway = Gateway(patient, app.producer, Authentication(patient.gateway))
    name, _, query = path.partition("?")
    content = b"" if body is None else json.dumps(body).encode()
    headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
    messages: list[Message] = [{"type": "http.request", "body": content}]
    scope = {"type": "http", "method": method, "path": name, "query_string": query.encode(), "headers": headers}
    scope |= {"http_version": "1.1", "scheme": "http", "client": ("127.0.0.1", 1), "raw_path": name.encode()}

    async def receive() -> Message:
        return messages.pop() if messages else {"type": "http.disconnect"}

    async def send(_: Message) -> None:
        """Nobody is there."""

    await asyncio.wait_for(app.app(scope, receive, send), 10)
    assert len(app.producer.enqueued) == 1, "the job itself continues"


@pytest.mark.parametrize("path", ["/health", "/readyz"])
async def test_nobody_without_a_token_learns_where_redis_is_that_is_away(app: App, tmp_path: Path, path: str) -> None:
    away = QueueUnavailable("Redis did not answer: Connect call failed ('10.0.0.7', 6379)")

    async def fail(*_: object) -> None:
        raise away

    callers = write_callers(tmp_path / "callers.json", ada={"rights": ["ask"], "sessions": ["s"]})
    async with client_of(gateway_settings(tokens_file=callers), producer=app.producer) as client:
        with patch.object(app.producer.settings, "all", fail), patch.object(app.producer.operator, "ping", fail):
            answer = await client.get(path)
    assert answer.status_code == 503
    assert "10.0.0.7" not in answer.text
    assert "the log of the server says why" in answer.text


async def test_health_shows_addresses_unless_there_are_tokens(app: App, tmp_path: Path) -> None:
    health = (await app.http.get("/health")).json()
    assert (health["status"], health["ray_private_ip"], health["s3_bucket"]) == ("healthy", "10.0.0.5", "raylane")
    callers = write_callers(tmp_path / "callers.json", ada={"rights": ["read"], "sessions": ["s1"]})
    async with client_of(gateway_settings(tokens_file=callers)) as client:
        health = (await client.get("/health")).json()
        assert (health["status"], health["ray_private_ip"], health["s3_bucket"]) == ("healthy", None, None)
        assert (await client.get("/")).status_code == 200
        assert (await client.get("/claude-models")).status_code == 401


async def test_the_models_are_those_that_are_configured(app: App) -> None:
    assert (await app.http.get("/claude-models")).json() == {"models": []}


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/postgres/connections"), ("POST", "/spark/generate"), ("GET", "/postgres/a/tables/b/c")],
)
async def test_what_is_not_offered_says_so(app: App, method: str, path: str) -> None:
    answer = await app.http.request(method, path, json={})
    assert answer.status_code == 501
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["title"]) == ("not_offered", "Not Implemented")
