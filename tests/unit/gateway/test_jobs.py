"""Jobs over HTTP: what is enqueued, and whose jobs a caller reaches."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import pytest

from raylane.gateway.job_bodies import Options
from raylane.testing import make_answer, make_file, make_generate_result
from raylane_common.errors import NotUnderstood
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import NewJob, Priority
from raylane_common.wire.ray import RayStatusRequest
from raylane_common.wire.tables import DatabasesResult, ListDatabasesRequest, SelectTablesRequest
from raylane_common.wire.upload import PurgeRequest, ReadInPlaceRequest, UploadRequest
from tests.unit.gateway.conftest import ADA, BOB, OPERATOR, READER, as_
from tests.unit.producer.samples import GENERATED

if TYPE_CHECKING:
    import httpx

    from raylane.gateway.access.caller import Caller
    from raylane.testing import MemoryProducer

QUESTION = {"kind": "generate", "session_id": "ada", "request": {"prompt": "count"}}
LOOK = {"kind": "tables", "session_id": "ada", "request": {"action": "databases"}}


async def enqueue(client: httpx.AsyncClient, body: dict[str, Any], caller: Caller = ADA, key: str | None = None) -> str:
    headers = as_(caller) | ({} if key is None else {"Idempotency-Key": key})
    answer = await client.post("/v1/jobs", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    assert answer.headers["location"] == answer.json()["url"] == f"/v1/jobs/{job_id}"
    return job_id


@pytest.mark.parametrize(
    ("kind", "request_", "expected"),
    [
        ("generate", {"prompt": "count", "engine": "local"}, GenerateRequest(prompt="count", engine="local")),
        ("upload", {"action": "upload", "filename": "a.csv", "content": "x\n1\n"}, UploadRequest),
        ("upload", {"action": "purge"}, PurgeRequest()),
        (
            "upload",
            {"action": "in_place", "s3_uri": "s3://other/a.csv", "filename": "a.csv"},
            ReadInPlaceRequest(s3_uri="s3://other/a.csv", filename="a.csv"),
        ),
        ("tables", {"action": "databases", "limit": 5}, ListDatabasesRequest(limit=5)),
        ("tables", {"action": "select", "tables": [{"database": "d", "table": "t"}]}, SelectTablesRequest),
        ("ray", {"action": "status"}, RayStatusRequest()),
    ],
)
async def test_a_job_of_any_kind(
    kind: str, request_: dict[str, Any], expected: object, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    answer = await client.post("/v1/jobs", json={"kind": kind, "session_id": "ada", "request": request_})
    assert answer.status_code == 202
    [job] = producer.enqueued
    assert (job.id, job.session_id) == (answer.json()["id"], "ada")
    assert job.request == expected if not isinstance(expected, type) else isinstance(job.request, expected)
    assert job.body == (b"x\n1\n" if expected is UploadRequest else b"")


async def test_the_options_of_a_job(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    first = await enqueue(client, QUESTION)
    options = {"after": [first], "delay_s": 5, "expires_s": 60, "priority": "high", "unique": "k", "max_attempts": 2}
    job_id = await enqueue(client, LOOK | options)
    job = producer.enqueued[-1]
    assert job == NewJob(
        request=ListDatabasesRequest(),
        id=job_id,
        session_id="ada",
        after=(first,),
        delay_s=5,
        expires_s=60,
        priority=Priority.HIGH,
        unique="ada/k",
        max_attempts=2,
    )
    later = await client.post("/v1/jobs", json=QUESTION | {"at": "2026-01-31T08:00:00Z", "delay_s": 1})
    assert (later.status_code, later.json()["details"]) == (422, {"field": "at"})


@pytest.mark.parametrize("at", ["2026-01-31T08:00:00Z", "2026-01-31T09:00:00.000+01:00"])
async def test_a_job_may_start_at_a_time(at: str, client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    await enqueue(client, QUESTION | {"at": at})
    assert producer.enqueued[-1].at == datetime(2026, 1, 31, 8, tzinfo=UTC)


@pytest.mark.parametrize("at", ["2027", "1798761600.5", 1798761600, "2026-12-01", "2026-12-01T08:00:00", "soon"])
async def test_a_number_is_no_time_at_which_a_job_starts(client: httpx.AsyncClient, at: object) -> None:
    refused = await client.post("/v1/jobs", json=QUESTION | {"at": at})
    assert (refused.status_code, refused.json()["details"]) == (422, {"field": "at"})


async def test_the_same_key_makes_one_job_and_another_body_is_refused(
    client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    first = await enqueue(client, QUESTION, key="k 1")
    assert await enqueue(client, QUESTION, key="k 1") == first
    other = QUESTION | {"request": {"prompt": "something else"}}
    refused = await client.post("/v1/jobs", json=other, headers=as_(ADA) | {"Idempotency-Key": "k 1"})
    assert (refused.status_code, refused.json()["code"]) == (422, "job_id_taken")
    assert "Idempotency-Key 'k 1'" in refused.json()["detail"]
    assert [job.id for job in producer.enqueued] == [first]


WHOLE: dict[str, Any] = QUESTION | {
    "request": {"prompt": "count", "execute": True, "engine": "local", "max_versions": 2},
    "delay_s": 5,
    "expires_s": 60,
    "priority": "high",
    "unique": "u",
    "max_attempts": 2,
}
_OTHERS: dict[str, Any] = {
    "delay_s": 6,
    "expires_s": 61,
    "priority": "low",
    "unique": "v",
    "max_attempts": 3,
    "at": "2026-01-31T08:00:00Z",
}


@pytest.mark.parametrize(
    "other",
    [
        *({name: value} for name, value in _OTHERS.items() if name != "at"),
        *({name: None} for name in ("delay_s", "expires_s", "unique", "max_attempts")),
        {"delay_s": None, "expires_s": None, "at": "2026-01-31T08:00:00Z"},
        {"after": ["first"]},
        *(
            {"request": WHOLE["request"] | changed}
            for changed in (
                {"prompt": "Count"},
                {"execute": False},
                {"engine": "distributed"},
                {"max_versions": 3},
                {"generator": "template"},
                {"keep_sources": True},
                {"chart": False},
            )
        ),
        {"kind": "tables", "request": {"action": "databases"}},
    ],
    ids=str,
)
async def test_a_key_of_another_request_is_refused_whatever_differs(
    other: dict[str, Any], client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    await producer.generate("count", session_id="ada", job_id="first")
    first = await enqueue(client, WHOLE, key="k")
    assert await enqueue(client, dict(reversed(WHOLE.items())), key="k") == first, "the order of fields says nothing"
    refused = await client.post("/v1/jobs", json=WHOLE | other, headers=as_(ADA) | {"Idempotency-Key": "k"})
    assert (refused.status_code, refused.json()["code"]) == (422, "job_id_taken")
    assert await enqueue(client, WHOLE, key="k") == first
    assert len(producer.enqueued) == 2


def test_every_option_of_a_job_is_tried_with_another_value() -> None:
    assert {*_OTHERS, "after"} == {*Options.model_fields}


async def test_keys_hold_across_the_addresses_that_take_them(
    client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    key = {"Idempotency-Key": "k"}
    file = {"action": "upload", "filename": "a.csv", "content": "x\n1\n"}
    asked = {"kind": "upload", "session_id": "ada", "request": file, "delay_s": 60}
    assert (await client.post("/v1/jobs", json=asked, headers=key)).status_code == 202
    for refused in (
        await client.put("/v1/sessions/ada/files/a.csv", content=b"x\n1\n", headers=key),
        await client.post("/v1/runs", json={"session_id": "ada", "script": {"code": "1"}}, headers=key),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "job_id_taken")
    run = {"session_id": "ada", "script": {"code": "1"}}
    first = await client.post("/v1/runs", json=run, headers={"Idempotency-Key": "run"})
    again = await client.post("/v1/runs", json=run, headers={"Idempotency-Key": "run"})
    other = await client.post("/v1/runs", json=run | {"priority": "low"}, headers={"Idempotency-Key": "run"})
    assert (first.json(), other.status_code) == (again.json(), 422)
    assert len(producer.enqueued) == 2


async def test_a_follow_up_is_the_same_request_when_the_job_that_it_continues_has_gone_on(
    client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    earlier = await producer.generate("how warm?", session_id="ada", execute=True)
    await producer.succeed(earlier.id, GENERATED)
    asked = QUESTION | {"request": {"prompt": "by month", "continues": earlier.id}}
    first = await enqueue(client, asked, key="k")
    with patch("raylane.gateway.enqueueing.predecessor", return_value=None):
        assert await enqueue(client, asked, key="k") == first


@pytest.mark.parametrize("key", ["", " ", "é", "x" * 256])
async def test_a_key_that_cannot_be_a_header_is_refused(key: str, client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/jobs", json=QUESTION, headers=[(b"Idempotency-Key", key.encode())])
    assert answer.status_code == 422


async def test_keys_of_different_sessions_never_meet(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    of_ada = await enqueue(client, QUESTION | {"unique": "u"}, key="k")
    of_bob = await enqueue(client, QUESTION | {"session_id": "bob", "unique": "u"}, BOB, key="k")
    assert of_ada != of_bob
    assert await enqueue(client, QUESTION | {"unique": "u"}) == of_ada
    # Not even with a key that is the id of the other job.
    assert await enqueue(client, QUESTION | {"session_id": "bob"}, BOB, key=of_ada) not in (of_ada, of_bob)


async def test_jobs_of_other_sessions_do_not_exist_for_a_caller(
    client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    job_id = await enqueue(client, QUESTION)
    for method, path in (
        ("GET", ""),
        ("GET", "/attempts"),
        ("POST", "/cancel"),
        ("POST", "/retry"),
        ("POST", "/rerun"),
    ):
        answer = await client.request(method, f"/v1/jobs/{job_id}{path}", headers=as_(BOB))
        missing = await client.request(method, f"/v1/jobs/none{path}", headers=as_(BOB))
        assert answer.status_code == missing.status_code == 404
        assert answer.json()["code"] == missing.json()["code"] == "job_not_found"
        assert answer.json()["detail"].replace(job_id, "none") == missing.json()["detail"]
    after = await client.post("/v1/jobs", json=QUESTION | {"session_id": "bob", "after": [job_id]}, headers=as_(BOB))
    none = await client.post("/v1/jobs", json=QUESTION | {"session_id": "bob", "after": ["none"]}, headers=as_(BOB))
    assert after.status_code == none.status_code == 422
    assert after.json()["detail"].replace(job_id, "none") == none.json()["detail"]
    assert [job.id for job in producer.enqueued] == [job_id]


async def test_a_follow_up_reads_only_jobs_of_its_own_session(
    client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    job_id = await enqueue(client, QUESTION)
    await producer.succeed(job_id, GENERATED)
    follow_up = QUESTION | {"request": {"prompt": "only Oslo", "continues": job_id}}
    await enqueue(client, follow_up)
    request = producer.enqueued[-1].request
    assert isinstance(request, GenerateRequest)
    assert request.continues is not None
    assert request.continues.code == GENERATED.code
    stolen = await client.post("/v1/jobs", json=follow_up | {"session_id": "bob"}, headers=as_(BOB))
    assert (stolen.status_code, stolen.json()["code"]) == (404, "job_not_found")


@pytest.mark.parametrize(
    ("kind", "request_"),
    [
        ("generate", {"prompt": "p", "continues": {"job_id": "j", "prompts": ["p"], "code": "1", "sources_used": []}}),
        ("generate", {"prompt": "p", "rerun": {"job_id": "j", "code": "1", "generator": "template"}}),
        ("upload", {"action": "sign_files", "job_id": "j", "of_session": "bob", "names": ["a.csv"]}),
        ("upload", {"action": "sign_parts", "transfer_id": "0" * 32, "upload_id": "u", "numbers": [1]}),
        ("upload", {"action": "start_transfer", "transfer_id": "0" * 32, "filename": "a.csv"}),
        (
            "upload",
            {
                "action": "upload",
                "filename": "a.csv",
                "size_bytes": 1,
                "sha256": "0" * 64,
                "transfer_id": "0" * 32,
            },
        ),
    ],
)
async def test_what_only_a_producer_fills_in_is_refused(
    kind: str, request_: dict[str, Any], client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    answer = await client.post("/v1/jobs", json={"kind": kind, "session_id": "ada", "request": request_})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert producer.enqueued == []


@pytest.mark.parametrize(
    ("body", "caller"),
    [
        (QUESTION, READER),
        (QUESTION, BOB),
        (QUESTION, OPERATOR),
        (LOOK | {"session_id": None}, ADA),
        ({"kind": "ray", "session_id": "ada", "request": {"action": "submit", "code": "print(1)"}}, ADA),
        ({"kind": "ray", "request": {"action": "runs"}}, ADA),
        ({"kind": "ray", "session_id": "ada", "request": {"action": "runs"}}, OPERATOR),
    ],
)
async def test_who_may_not_enqueue(
    body: dict[str, Any], caller: Caller, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    answer = await client.post("/v1/jobs", json=body, headers=as_(caller))
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert producer.enqueued == []


async def test_waiting_ends_with_the_job_or_with_the_limit(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job_id = await enqueue(client, LOOK)
    waiting = await client.get(f"/v1/jobs/{job_id}", params={"wait_s": 60})
    assert (waiting.status_code, waiting.json()["status"]) == (200, "queued")
    await producer.succeed(job_id, DatabasesResult(databases=("shop",)))
    ended = await client.get(f"/v1/jobs/{job_id}", params={"wait_s": 60})
    assert ended.json()["result"]["databases"] == ["shop"]


async def test_cancelling_and_retrying(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job_id = await enqueue(client, QUESTION)
    unfinished = await client.post(f"/v1/jobs/{job_id}/retry")
    assert (unfinished.status_code, unfinished.json()["code"]) == (409, "job_not_requeued")
    assert (await client.post(f"/v1/jobs/{job_id}/cancel", headers=as_(READER))).status_code == 403
    assert (await client.post(f"/v1/jobs/{job_id}/cancel")).json() == {"id": job_id, "status": "cancelled"}
    assert (await client.post(f"/v1/jobs/{job_id}/retry")).status_code == 202
    assert (await client.get(f"/v1/jobs/{job_id}")).json()["status"] == "queued"


async def test_running_code_again(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job_id = await enqueue(client, QUESTION)
    without_code = await client.post(f"/v1/jobs/{job_id}/rerun")
    assert (without_code.status_code, without_code.json()["code"]) == (409, "no_code")
    await producer.succeed(job_id, GENERATED)
    again = await client.post(f"/v1/jobs/{job_id}/rerun", headers={"Idempotency-Key": "again"})
    assert again.status_code == 202
    assert (await client.post(f"/v1/jobs/{job_id}/rerun", headers={"Idempotency-Key": "again"})).json() == again.json()
    assert len(producer.enqueued) == 2


async def test_attempts_that_did_not_succeed(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job_id = await enqueue(client, QUESTION)
    await producer.fail(job_id, NotUnderstood("what?"))
    [attempt] = (await client.get(f"/v1/jobs/{job_id}/attempts")).json()["attempts"]
    assert (attempt["number"], attempt["error"]["code"]) == (1, "not_understood")


@pytest.mark.parametrize(
    ("query", "headers", "field"),
    [
        ({"after": "18446744073709551616-0"}, {}, "after"),
        ({"after": "0-18446744073709551616"}, {}, "after"),
        ({}, {"Last-Event-ID": "x"}, "Last-Event-ID"),
        ({"after": "1-0"}, {"Last-Event-ID": "0-18446744073709551616"}, "Last-Event-ID"),
    ],
)
async def test_a_wrong_position_in_the_events_is_named_as_it_was_sent(
    query: dict[str, str], headers: dict[str, str], field: str, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    job = await producer.generate("count", session_id="ada")
    refused = await client.get(f"/v1/jobs/{job.id}/events", params=query, headers=as_(ADA) | headers)
    assert (refused.status_code, refused.json()["details"]["field"]) == (422, field)
    assert "must be the id of an event" in refused.json()["detail"]


async def test_a_file_that_a_test_has_given_is_served(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    """The gateway takes the file piece by piece in the loop in which a `MemoryProducer` writes it."""
    job = await producer.generate("count", session_id="ada", execute=True)
    result = make_generate_result(answer=make_answer(make_file("rows.csv", size_bytes=4)))
    await producer.succeed(job.id, result, files={"rows.csv": b"a\n1\n"})
    found = await client.get(f"/v1/jobs/{job.id}/files/rows.csv", headers=as_(ADA))
    assert (found.status_code, found.content) == (200, b"a\n1\n")
