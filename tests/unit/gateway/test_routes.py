"""What the endpoints answer, with the outcomes of workers that the test chooses."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pyarrow.parquet as pq
import pytest
from pyarrow import BufferReader

from raylane_common.errors import InvalidFile, RunNotFound, StagedBodyMissing, StorageUnavailable
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.ray import RayRunsResult, RayStopRequest
from raylane_common.wire.tables import DatabasesResult
from raylane_common.wire.upload import (
    PartUrl,
    PreviewRequest,
    PurgeRequest,
    SignedPartsResult,
    StartTransferRequest,
    TransferResult,
    UploadRequest,
)
from tests.unit.gateway.conftest import ADA, BOB, OPERATOR, READER, Outcomes, as_
from tests.unit.producer.samples import CSV, CSV_BYTES, GENERATED, PREVIEWED, TABLE, UPLOADED

if TYPE_CHECKING:
    import httpx

    from raylane.gateway.access.caller import Caller
    from raylane.testing import MemoryProducer

S = "/v1/sessions/ada"


async def answered(producer: MemoryProducer, session_id: str = "ada") -> str:
    job = await producer.generate("how warm?", session_id=session_id, execute=True)
    await producer.succeed(job.id, GENERATED)
    return job.id


@pytest.mark.parametrize(
    ("accept", "content_type", "beginning"),
    [
        (None, "application/json", b'{"items":['),
        ("*/*", "application/json", b'{"items":['),
        ("application/json;q=0.1, text/csv", "text/csv; charset=utf-8", b"city,"),
        ("text/*", "text/csv; charset=utf-8", b"city,"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet", b"PAR1"),
        ("image/svg+xml", "image/svg+xml", b"<svg"),
        ("image/png, image/svg+xml;q=0.5", "image/png", b"\x89PNG"),
        ("image/*;q=0.4, text/csv;q=0", "image/svg+xml", b"<svg"),
    ],
)
async def test_an_answer_in_the_format_that_the_client_accepts(
    accept: str | None, content_type: str, beginning: bytes, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    job_id = await answered(producer)
    answer = await client.get(f"/v1/jobs/{job_id}/answer", headers={"Accept": accept} if accept else {"Accept": ""})
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert answer.content.startswith(beginning)
    assert answer.headers["vary"] == "Accept"


async def test_parquet_has_the_types_of_the_answer(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job_id = await answered(producer)
    path = f"/v1/jobs/{job_id}/answer"
    parquet = await client.get(path, headers={"Accept": "application/vnd.apache.parquet"})
    found = pq.read_table(BufferReader(parquet.content))
    whole = (await client.get(path)).json()
    [table] = [item for item in whole["items"] if item["type"] == "table"]
    assert found.column_names == [column["name"] for column in table["columns"]]
    assert [list(row.values()) for row in found.to_pylist()] == table["rows"]


@pytest.mark.parametrize("accept", ["text/html", "text/csv;q=0", "nonsense", "image/gif, audio/*"])
async def test_a_format_that_the_answer_does_not_have(
    accept: str, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    answer = await client.get(f"/v1/jobs/{await answered(producer)}/answer", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert answer.json()["details"]["available"][:2] == ["application/json", "text/csv"]


@pytest.mark.parametrize(
    ("accept", "missing", "package"),
    [
        ("image/png", "vl_convert", "raylane[charts]"),
        ("image/svg+xml", "vl_convert", "raylane[charts]"),
        ("application/vnd.apache.parquet", "raylane.answers.arrow_table", "raylane[parquet]"),
    ],
)
async def test_a_format_that_needs_a_package_which_is_not_installed(
    accept: str, missing: str, package: str, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    job_id = await answered(producer)
    with patch.dict(sys.modules, {missing: None}):
        answer = await client.get(f"/v1/jobs/{job_id}/answer", headers={"Accept": accept})
    assert (answer.status_code, answer.json()["code"]) == (501, "missing_package")
    assert f"pip install '{package}'" in answer.json()["detail"]


async def test_an_answer_that_is_not_there(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job = await producer.generate("how warm?", session_id="ada")
    for part in ("answer", "result"):
        waiting = await client.get(f"/v1/jobs/{job.id}/{part}", params={"wait_s": 5})
        assert (waiting.status_code, waiting.headers["location"]) == (202, f"/v1/jobs/{job.id}")
    await producer.fail(job.id, StorageUnavailable("S3 is away"))
    for part in ("answer", "result"):
        failed = await client.get(f"/v1/jobs/{job.id}/{part}")
        assert (failed.status_code, failed.json()["code"]) == (422, "storage_unavailable")
    upload = await producer.upload(CSV_BYTES, filename="temps.csv", session_id="ada")
    await producer.succeed(upload.id, UPLOADED)
    no_answer = await client.get(f"/v1/jobs/{upload.id}/answer")
    assert (no_answer.status_code, no_answer.json()["code"]) == (404, "not_found")
    job_id = await answered(producer)
    for query in ({"table": 2}, {"chart": 9}):
        headers = {"Accept": "text/csv" if "table" in query else "image/png"}
        missing = await client.get(f"/v1/jobs/{job_id}/answer", params=query, headers=headers)
        assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


async def test_the_result_of_any_kind_of_job(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job = await producer.tables.databases(job_id="look")
    await producer.succeed(job.id, DatabasesResult(databases=("shop",)))
    result = await client.get("/v1/jobs/look/result")
    assert result.json() == {"type": "databases", "databases": ["shop"], "next_cursor": None}


async def test_sources_are_listed_and_removed(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    await producer.put_sources("ada", CSV, TABLE)
    found = (await client.get(f"{S}/sources", headers=as_(READER))).json()["sources"]
    assert [source["type"] for source in found] == ["file", "table"]
    assert (await client.delete(f"{S}/sources/shop.orders", headers=as_(READER))).status_code == 403
    assert (await client.delete(f"{S}/sources/shop.orders", headers=as_(ADA))).status_code == 204
    gone = await client.delete(f"{S}/sources/shop.orders", headers=as_(ADA))
    assert (gone.status_code, gone.json()["code"]) == (404, "not_found")
    assert gone.json()["detail"] == f"session ada has no source 'shop.orders'; it has {CSV.name}"
    assert (await client.post(f"{S}/reset")).json() == {"sources": 1}
    assert (await client.get("/v1/sessions/unknown/sources")).json() == {"sources": []}


async def test_a_purge_is_a_job(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    purge = await client.post(f"{S}/reset", params={"purge": True})
    assert purge.status_code == 202
    [job] = producer.enqueued
    assert (job.id, job.request) == (purge.json()["id"], PurgeRequest())


async def test_sources_of_a_job_come_back(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job_id = await answered(producer)
    restored = await client.post(f"/v1/jobs/{job_id}/restore", headers=as_(ADA))
    assert [source["filename"] for source in restored.json()["sources"]] == ["temps.csv"]
    assert (await client.post(f"/v1/jobs/{job_id}/restore", headers=as_(BOB))).status_code == 404
    job = await producer.generate("again", session_id="ada")
    none = await client.post(f"/v1/jobs/{job.id}/restore")
    assert (none.status_code, none.json()["code"]) == (409, "no_sources")


async def test_the_history_of_a_session(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job_id = await answered(producer)
    [entry] = (await client.get(f"{S}/history", params={"limit": 1})).json()["entries"]
    assert (entry["job_id"], entry["code"]) == (job_id, GENERATED.code)


async def test_a_small_file_is_uploaded_with_what_the_client_says_of_it(
    client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    types = ["a=b=string", "zip=string"]
    query: dict[str, Any] = {"delimiter": ";", "null": ["NA", "-"], "type": types, "header_line": 0}
    answer = await client.put(f"{S}/files/größe%20&.csv", content=CSV_BYTES, params=query)
    assert answer.status_code == 202
    [job] = producer.enqueued
    assert isinstance(job.request, UploadRequest)
    assert (job.body, job.session_id, job.request.filename) == (CSV_BYTES, "ada", "größe &.csv")
    assert job.request.reading.model_dump(exclude_defaults=True) == {
        "delimiter": ";",
        "null_markers": ("NA", "-"),
        "types": {"a=b": "string", "zip": "string"},
        "header_line": 0,
    }


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("a.csv", {"delimiter": "ab"}, "delimiter"),
        ("a.csv", {"type": "zip"}, "type"),
        ("a.csv", {"type": "zip=zip"}, "types.zip"),
        ("a.csv", {"date_order": "myd"}, "date_order"),
        ("a.csv", {"header_line": "x"}, "header_line"),
        ("%20.csv", {}, "filename"),
        ("a%00.csv", {}, "filename"),
        ("..", {}, "filename"),
        ("a%5Cb.csv", {}, "filename"),
    ],
)
async def test_a_file_that_is_described_wrong_is_refused(
    path: str, query: dict[str, str], field: str, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    url = f"{S}/files/{path}" if path != ".." else f"{S}/files/%2E%2E"
    answer = await client.put(url, content=CSV_BYTES, params=query)
    assert (answer.status_code, answer.json()["details"]) == (422, {"field": field}), answer.text
    assert producer.enqueued == []


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"", 422),
        ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x", 415),
        ({"Content-Encoding": "gzip"}, b"\x1f\x8b", 415),
        ({"Content-Range": "bytes 4-9/10"}, CSV_BYTES, 422),
    ],
)
async def test_a_body_that_is_no_file_is_refused(
    headers: dict[str, str], body: bytes, status: int, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    for path in ("files", "previews"):
        answer = await client.put(f"{S}/{path}/a.csv", content=body, headers=headers)
        assert answer.status_code == status
    assert producer.enqueued == []


async def test_the_same_key_uploads_once(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    key = {"Idempotency-Key": "k"}
    first = await client.put(f"{S}/files/a.csv", content=CSV_BYTES, headers=key)
    assert (await client.put(f"{S}/files/a.csv", content=CSV_BYTES, headers=key)).json() == first.json()
    other = await client.put(f"{S}/files/a.csv", content=b"other", headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "job_id_taken")
    assert "Idempotency-Key 'k'" in other.json()["detail"]
    assert len(producer.enqueued) == 1


async def test_a_preview(client: httpx.AsyncClient, outcomes: Outcomes) -> None:
    outcomes.clear()
    outcomes.update({PreviewRequest: PREVIEWED})
    found = await client.put(f"{S}/previews/temps.csv", content=CSV_BYTES)
    assert (found.status_code, found.json()["filename"]) == (200, "temps.csv")
    outcomes.clear()
    outcomes.update({PreviewRequest: InvalidFile("line 3 has no end")})
    broken = await client.put(f"{S}/previews/temps.csv", content=CSV_BYTES)
    assert (broken.status_code, broken.json()["code"]) == (422, "invalid_file")
    outcomes.clear()
    slow = await client.put(f"{S}/previews/temps.csv", content=CSV_BYTES, headers=as_(ADA), params={"wait_s": 0})
    assert slow.status_code == 202
    assert (await client.get(slow.headers["location"], headers=as_(ADA))).status_code == 200


async def test_an_upload_in_parts_is_its_sessions_own(
    client: httpx.AsyncClient, producer: MemoryProducer, outcomes: Outcomes
) -> None:
    urls = (PartUrl(number=1, url="https://s3/1", headers={"x": "y"}),)
    transfer = TransferResult(upload_id="u", part_bytes=5_242_880, urls=urls, valid_s=3600)
    signed = SignedPartsResult(urls=urls, valid_s=3600)
    file = {"filename": "big.csv", "size_bytes": 10_000_000}
    outcomes.clear()
    outcomes.update({StartTransferRequest: transfer})
    begun = await client.post(f"{S}/uploads", json=file, headers=as_(ADA) | {"Idempotency-Key": "k"})
    again = await client.post(f"{S}/uploads", json=file, headers=as_(ADA) | {"Idempotency-Key": "k"})
    of_bob = await client.post("/v1/sessions/bob/uploads", json=file, headers=as_(BOB) | {"Idempotency-Key": "k"})
    outcomes.clear()
    assert begun.status_code == 200
    assert begun.json() == again.json() == of_bob.json()
    assert begun.json()["urls"] == [{"number": 1, "url": "https://s3/1", "headers": {"x": "y"}}]
    requests = [job.request for job in producer.enqueued]
    assert all(isinstance(request, StartTransferRequest) for request in requests)
    ids = [request.transfer_id for request in requests if isinstance(request, StartTransferRequest)]
    assert ids[0] == ids[1] != ids[2], "what has the same name in two sessions is not the same"
    path = f"{S}/uploads/{begun.json()['id']}"
    outcomes.clear()
    outcomes.update({object: signed})
    more = await client.post(f"{path}/parts", json={"upload_id": "u", "numbers": [1]}, headers=as_(ADA))
    outcomes.clear()
    assert more.json()["urls"] == begun.json()["urls"]
    whole = file | {"sha256": "0" * 64}
    completed = await client.post(f"{path}/complete", json=whole, headers=as_(ADA))
    assert completed.status_code == 202
    assert (await client.post(f"{path}/complete", json=whole, headers=as_(ADA))).json() == completed.json()
    request = producer.enqueued[-1].request
    assert isinstance(request, UploadRequest)
    assert request.transfer_id == ids[0]
    assert (await client.post(f"{path}/complete", json=whole, headers=as_(BOB))).status_code == 403


async def test_an_upload_that_was_completed_before_its_parts_were_there_is_completed_once_they_are(
    client: httpx.AsyncClient, producer: MemoryProducer, outcomes: Outcomes
) -> None:
    path = f"{S}/uploads/{'0' * 32}/complete"
    whole = {"filename": "a.csv", "size_bytes": 10, "sha256": "0" * 64}
    outcomes.update({UploadRequest: StagedBodyMissing("not all parts are there")})
    early = await client.post(path, json=whole, headers=as_(ADA))
    assert (await producer.record(early.json()["id"])).status is JobStatus.FAILED
    outcomes.clear()
    assert (await client.post(path, json=whole, headers=as_(ADA))).json() == early.json()
    assert (await producer.record(early.json()["id"])).status is JobStatus.QUEUED
    await producer.fail(early.json()["id"], InvalidFile("line 3 has no end"))
    assert (await client.post(path, json=whole, headers=as_(ADA))).json() == early.json()
    assert (await producer.record(early.json()["id"])).status is JobStatus.FAILED, "the file is wrong at any time"


async def test_looks_wait_for_a_worker_but_not_for_long(
    client: httpx.AsyncClient, producer: MemoryProducer, outcomes: Outcomes
) -> None:
    nobody = await client.get("/v1/runs")
    assert (nobody.status_code, nobody.headers["location"]) == (202, f"/v1/jobs/{producer.enqueued[0].id}")
    outcomes.clear()
    outcomes.update({object: RayRunsResult(runs=(), total=0)})
    assert (await client.get("/v1/runs")).json() == {"type": "ray_runs", "runs": [], "total": 0}
    outcomes.clear()
    outcomes.update({object: RunNotFound("no run rl-1")})
    missing = await client.get("/v1/runs/rl-1")
    assert (missing.status_code, missing.json()["code"]) == (404, "run_not_found")
    outcomes.clear()
    outcomes.update({object: DatabasesResult(databases=("shop",))})
    found = await client.get("/v1/catalog/databases", params={"session_id": "ada"}, headers=as_(ADA))
    assert found.json()["databases"] == ["shop"]
    outcomes.clear()
    assert (await client.get("/v1/catalog/databases", headers=as_(ADA))).status_code == 403


@pytest.mark.parametrize(
    "path",
    [
        "/v1/lanes",
        "/v1/workers",
        "/v1/dead-letters",
        "/v1/settings",
        "/v1/cluster",
        "/v1/cluster/slots",
        "/v1/runs",
        "/v1/jobs",
    ],
)
async def test_what_belongs_to_no_session_is_for_operators(path: str, client: httpx.AsyncClient) -> None:
    assert (await client.get(path, headers=as_(ADA))).status_code == 403
    assert (await client.get(path, headers=as_(OPERATOR))).status_code in (200, 202)


@pytest.mark.parametrize(("caller", "status"), [(ADA, 202), (BOB, 404), (READER, 403), (OPERATOR, 202)])
async def test_a_run_of_a_job_belongs_to_the_session_of_the_job(
    caller: Caller, status: int, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    job_id = await answered(producer)
    stop = await client.post(f"/v1/runs/rl-{job_id}-1r2/stop", params={"wait_s": 0}, headers=as_(caller))
    assert stop.status_code == status
    if status == 202:
        assert producer.enqueued[-1].request == RayStopRequest(submission_id=f"rl-{job_id}-1r2")
        assert (await client.get(stop.headers["location"], headers=as_(caller))).status_code == 200
    assert (await client.post("/v1/runs/other/stop", headers=as_(ADA))).status_code == 403


async def test_a_script_is_run_for_operators_only(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    script = {"script": {"code": "print(1)"}, "priority": "low"}
    assert (await client.post("/v1/runs", json=script, headers=as_(ADA))).status_code == 403
    submitted = await client.post("/v1/runs", json=script, headers=as_(OPERATOR))
    assert submitted.status_code == 202
    [job] = producer.enqueued
    assert (job.kind, job.priority, job.session_id) == ("ray", "low", None)


async def test_settings_that_workers_apply(client: httpx.AsyncClient) -> None:
    name = "ray.max_runs"
    assert (await client.put(f"/v1/settings/{name}", json={"value": "3"})).json() == {"settings": {name: "3"}}
    assert (await client.get("/v1/settings")).json() == {"settings": {name: "3"}}
    assert (await client.delete(f"/v1/settings/{name}")).status_code == 204
    assert (await client.get("/v1/settings")).json() == {"settings": {}}
    wrong = await client.put("/v1/settings/ray.nothing", json={"value": "3"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")


async def test_dead_letters_are_listed_and_requeued(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job = await producer.generate("?", session_id="ada")
    for _ in range(4):
        if (await producer.record(job.id)).status is not JobStatus.FAILED:
            await producer.fail(job.id, StorageUnavailable("S3 is away"))
    found = await client.get("/v1/dead-letters", params={"code": "storage_unavailable"})
    assert [each["id"] for each in found.json()["jobs"]] == [job.id]
    assert (await client.post("/v1/dead-letters/requeue", json={"code": "other"})).json() == {"requeued": []}
    assert (await client.post("/v1/dead-letters/requeue")).json() == {"requeued": [{"id": job.id, "error": None}]}
    lanes = {lane["lane"]: lane for lane in (await client.get("/v1/lanes")).json()["lanes"]}
    assert (lanes["generate"]["queued"], lanes["generate"]["dead"]) == (1, 0)
