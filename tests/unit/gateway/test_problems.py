"""What a caller of the gateway gets for an error."""

from __future__ import annotations

from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from raylane_common.errors import QueueUnavailable
from tests.unit.producer.samples import GENERATED

if TYPE_CHECKING:
    import httpx

    from raylane.testing import MemoryProducer

JSON = {"Content-Type": "application/json"}


async def test_a_missing_job_is_a_problem_document(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/jobs/none")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "urn:raylane:error:job_not_found",
        "title": "Not Found",
        "status": 404,
        "detail": "no job none: it was never enqueued, or its record has expired",
        "code": "job_not_found",
        "retryable": False,
        "details": {"job_id": "none"},
    }


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b"", "body: must be JSON in UTF-8"),
        (b"{", "body: must be JSON in UTF-8"),
        (b"\xff", "body: must be JSON in UTF-8"),
        (b'{"kind": "\xff"}', "body: must be JSON in UTF-8"),
        (b"[" * 100_000, "body: must be JSON in UTF-8"),
        (b'{"a":' * 100_000, "body: must be JSON in UTF-8"),
        (b"null", "body: must be an object"),
        (b"[]", "body: must be an object"),
        (b'{"kind": "other"}', "body: must have one of 'generate', 'upload', 'tables', 'ray' as its 'kind'"),
        (b'{"kind": "generate"}', "session_id: is missing"),
        (b'{"kind": "upload", "session_id": "ada", "request": {}}', "request: is missing its action"),
        (b'{"kind": "upload", "session_id": "ada", "request": 5}', "request: must be"),
        (
            b'{"kind": "upload", "session_id": "ada", "request": {"action": "in_place", "s3_uri": "x"}}',
            "request.s3_uri: must look like s3://bucket/key",
        ),
        (
            b'{"kind": "tables", "session_id": "ada", "request": {"action": "select", "tables": [{"table": "t"}]}}',
            "request.tables.0.database: is missing",
        ),
        (b'{"kind": "generate", "session_id": "a\\u0000", "request": {"prompt": "count"}}', "session_id: must be"),
        (b'{"kind": "generate", "session_id": "ada", "request": {"prompt": "\\ud800"}}', "body: must be JSON"),
        (b'{"kind": "generate", "session_id": "ada", "request": {"prompt": "count"}, "x": 1}', "x: is not a known"),
        (
            b'{"kind": "generate", "session_id": "ada", "request": {"prompt": "count", "execute": "yes"}}',
            "request.execute: must be true or false",
        ),
        (
            b'{"kind": "generate", "session_id": "ada", "request": {"prompt": "count"}, "delay_s": NaN}',
            "delay_s: must be",
        ),
        (
            b'{"kind": "generate", "session_id": "ada", "request": {"prompt": "count"}, "delay_s": 1e999}',
            "delay_s: must be",
        ),
        (
            b'{"kind": "generate", "session_id": "ada", "request": {"prompt": "count"}, "max_attempts": '
            + b"9" * 5000
            + b"}",
            "body: must be JSON in UTF-8: number out of range",
        ),
        (b'{"kind": "tables", "request": {"action": "select", "tables": []}}', "request.tables: must not be empty"),
        (
            b'{"kind": "generate", "session_id": "ada", "session_id": "bob", "request": {"prompt": "count"}}',
            "session_id: is there twice",
        ),
        (b'{"kind": "tables", "kind": "generate", "session_id": "ada", "request": {"prompt": "a"}}', "kind: is there"),
        (
            b'{"kind": "generate", "session_id": "ada", "request": {"prompt": "a", "\\u0070rompt": "a"}}',
            "prompt: is there twice",
        ),
    ],
)
async def test_a_body_that_breaks_a_rule_is_refused_with_its_field(
    body: bytes, detail: str, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    answer = await client.post("/v1/jobs", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert detail in answer.json()["detail"]
    assert producer.enqueued == []


async def test_an_unknown_name_is_not_sent_back_as_a_whole(client: httpx.AsyncClient) -> None:
    body = b'{"kind": "generate", "session_id": "ada", "request": {"prompt": "count"}, "%s": 1}' % (b"x" * 100_000)
    answer = await client.post("/v1/jobs", content=body, headers=JSON)
    assert answer.json()["details"] == {"field": "x" * 100}
    assert len(answer.content) < 1000


async def test_the_mark_that_programs_on_windows_write_is_no_part_of_the_json(client: httpx.AsyncClient) -> None:
    body = b'\xef\xbb\xbf{"kind": "generate", "session_id": "ada", "request": {"prompt": "count"}}'
    assert (await client.post("/v1/jobs", content=body, headers=JSON)).status_code == 202


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "multipart/form-data"},
        JSON | {"Content-Encoding": "gzip"},
    ],
)
async def test_a_body_of_another_type_is_refused(headers: dict[str, str], client: httpx.AsyncClient) -> None:
    answer = await client.post("/v1/jobs", content=b"{}", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/v1/jobs/%ff", "path"),
        ("/v1/sessions/ada/files/caf%E9.csv", "path"),
        ("/v1/sessions/ada/files/caf%e8.csv", "path"),
        ("/v1/sessions/ada/files/a.csv?delimiter=%A7", "query"),
        ("/%80", "path"),
    ],
)
async def test_an_address_that_is_not_utf_8_is_refused_before_two_names_become_one(
    path: str, field: str, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    answer = await client.put(path, content=b"a,b\n1,2\n")
    assert (answer.status_code, answer.json()["details"]) == (422, {"field": field})
    assert producer.enqueued == []


async def test_an_unknown_address_and_another_method_are_problem_documents(client: httpx.AsyncClient) -> None:
    unknown = await client.get("/v1/job")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    other = await client.delete("/v1/jobs")
    assert (other.status_code, other.json()["code"]) == (405, "method_not_allowed")
    assert other.headers["allow"] == "GET, HEAD, OPTIONS, POST"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Idempotency-Key", "k"),
        ("Content-Type", "application/json"),
        ("Content-Encoding", "identity"),
        ("Content-Range", "bytes 0-1/2"),
        ("Origin", "http://127.0.0.1"),
        ("Last-Event-ID", "1-0"),
    ],
)
async def test_a_header_that_has_one_value_is_not_sent_twice(
    name: str, value: str, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    sent = [(name, value), (name.lower(), value)]
    for method in ("GET", "PUT"):
        answer = await client.request(method, "/v1/sessions/ada/files/a.csv", headers=sent)
        assert (answer.status_code, answer.json()["details"]) == (422, {"field": name})
    assert producer.enqueued == []


async def test_a_host_that_is_named_twice_is_none(client: httpx.AsyncClient) -> None:
    sent = [("Host", "127.0.0.1"), ("Host", "elsewhere")]
    assert (await client.get("/v1/lanes", headers=sent)).status_code == 422


async def test_a_header_that_is_a_list_may_come_in_pieces(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job = await producer.generate("how warm?", session_id="ada", execute=True)
    await producer.succeed(job.id, GENERATED)
    sent = [("Accept", "text/csv;q=0.1"), ("Accept", "image/svg+xml;q=0.9")]
    answer = await client.get(f"/v1/jobs/{job.id}/answer", headers=sent)
    assert answer.headers["content-type"] == "image/svg+xml"


@pytest.mark.parametrize("job_id", ["%00", "a%00b", "x" * 57, "é", "-a"])
async def test_an_id_that_no_job_can_have_is_refused(job_id: str, client: httpx.AsyncClient) -> None:
    answer = await client.get(f"/v1/jobs/{job_id}")
    assert (answer.status_code, answer.json()["details"]) == (422, {"field": "job_id"})


@pytest.mark.parametrize("wait_s", ["x", "-1", "nan", "1e99", "9" * 5000])
async def test_a_parameter_that_breaks_a_rule_is_refused_with_its_name(wait_s: str, client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/jobs/none", params={"wait_s": wait_s})
    assert (answer.status_code, answer.json()["details"]) == (422, {"field": "wait_s"})


@pytest.mark.parametrize(
    ("method", "path", "field", "hint"),
    [
        ("PUT", "/v1/sessions/ada/files/a.csv?delimeter=;", "delimeter", "did you mean delimiter?"),
        ("PUT", "/v1/sessions/ada/files/a.csv?header=3&delimiter=;", "header", "header_line"),
        ("GET", "/v1/jobs?statuss=failed", "statuss", "did you mean status?"),
        ("POST", "/v1/sessions/ada/reset?perge=true", "perge", "did you mean purge?"),
        ("POST", "/v1/jobs/none/cancel?force=1", "force", "it has none"),
        ("GET", "/v1/lanes?%0a=1", "\\n", "it has none"),
    ],
)
async def test_a_misspelt_parameter_is_refused_and_not_left_out(
    method: str, path: str, field: str, hint: str, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    answer = await client.request(method, path, content=b"a;b\n1;2\n" if method == "PUT" else None)
    assert (answer.status_code, answer.json()["details"]) == (422, {"field": field})
    assert hint in answer.json()["detail"]
    assert producer.enqueued == []


async def test_the_original_endpoints_ignore_parameters_that_they_do_not_know(client: httpx.AsyncClient) -> None:
    assert (await client.get("/health?_=1")).status_code == 200


async def test_a_redis_that_is_away_is_unavailable_for_now(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    with patch.object(producer, "session_of", side_effect=QueueUnavailable("Redis does not answer")):
        answer = await client.get("/v1/jobs/any")
    assert (answer.status_code, answer.json()["code"]) == (503, "queue_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    refused = QueueUnavailable("the user may not do this", retryable=False)
    with patch.object(producer, "session_of", side_effect=refused):
        answer = await client.get("/v1/jobs/any")
    assert answer.status_code == 503
    assert "retry-after" not in answer.headers


async def test_a_bug_tells_the_caller_nothing_of_it(
    client: httpx.AsyncClient, producer: MemoryProducer, caplog: pytest.LogCaptureFixture
) -> None:
    with patch.object(producer, "session_of", side_effect=ZeroDivisionError("secret")):
        answer = await client.get("/v1/jobs/any")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert "ZeroDivisionError: secret" in caplog.text
