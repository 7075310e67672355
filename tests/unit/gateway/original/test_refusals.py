"""What the endpoints of the original app refuse, and how they say so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raylane.gateway.access.caller import ANYONE, Caller, Right

if TYPE_CHECKING:
    from tests.unit.gateway.original.conftest import App

UPLOAD = {"filename": "a.csv", "content": "a\n1\n", "session_id": "s1"}


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/upload-csv", {"filename": "a.csv", "content": "a\n1"}, "session_id"),
        ("/generate", {"prompt": "count"}, "session_id"),
        ("/execute", {"code": "print(1)"}, "session_id"),
        ("/upload-csv", UPLOAD | {"session_id": "../x"}, "session_id"),
        ("/upload-csv", UPLOAD | {"session_id": ""}, "session_id"),
        ("/upload-csv", UPLOAD | {"session_id": "x" * 129}, "session_id"),
        ("/upload-csv", UPLOAD | {"filename": "../../etc/passwd"}, "filename"),
        ("/upload-csv", UPLOAD | {"filename": "a\nb.csv"}, "filename"),
        ("/upload-csv", UPLOAD | {"content": ""}, "content"),
        ("/upload-csv", UPLOAD | {"content": "a\n\ud800"}, "body"),
        ("/upload-csv", UPLOAD | {"content": ["a"]}, "content"),
        ("/generate", {"prompt": " ", "session_id": "s1"}, "prompt"),
        ("/generate", {"prompt": "\ud800", "session_id": "s1"}, "body"),
        ("/generate", {"prompt": "x" * 20_000, "session_id": "s1"}, "prompt"),
        ("/generate?wait=-1", {"prompt": "count", "session_id": "s1"}, "wait"),
        ("/generate?wait=nan", {"prompt": "count", "session_id": "s1"}, "wait"),
        ("/generate?wait=x", {"prompt": "count", "session_id": "s1"}, "wait"),
        ("/execute", {"code": "", "session_id": "s1"}, "code"),
        ("/execute", {"code": "\ud800", "session_id": "s1"}, "body"),
        ("/execute", {"code": "raylane_run \ud800", "session_id": "s1"}, "body"),
        ("/execute", {"code": "input()", "session_id": "s1", "interactive": True}, "interactive"),
        ("/execute", {"code": "input()", "session_id": "s1", "inputs": ["7"]}, "inputs"),
        ("/sessions/s1/select-tables", {"tables": [{"database": "shop"}], "session_id": "s1"}, "tables.0.table"),
        ("/sessions/s1/select-tables", {"tables": [{"database": "", "table": "t"}]}, "tables.0.database"),
        ("/sessions/s1/select-tables", {"tables": [], "session_id": "s2"}, "session_id"),
        ("/sessions/-/select-tables", {"tables": []}, "session_id"),
        ("/settings", {"s3_bucket": 5}, "s3_bucket"),
    ],
)
async def test_a_wrong_field_is_named_and_nothing_is_enqueued(
    app: App, path: str, body: dict[str, object], field: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = await app.http.post(path, content=json.dumps(body), headers=headers)
    assert answer.status_code == 422
    assert (answer.json()["success"], answer.json()["error_code"]) == (False, "invalid_request")
    assert answer.json()["error"].startswith(f"{field}: ")
    assert answer.json()["details"]["field"] == field
    assert app.requests == []


async def test_a_short_session_id_is_kept_as_it_is(app: App) -> None:
    await app.http.post("/generate?wait=0", json={"prompt": "count", "session_id": "t"})
    assert [job.session_id for job in app.producer.enqueued] == ["t"]


async def test_code_without_a_source_is_refused_at_once(app: App) -> None:
    body = {"code": "from raylane_run import answer", "session_id": "s1"}
    answer = await app.http.post("/execute", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (409, "no_sources")
    assert app.requests == []


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"{", "body: must be JSON in UTF-8: "),
        (b"\xff", "body: must be JSON in UTF-8: "),
        (b"[" * 100_000, "body: must be JSON in UTF-8: "),
        (b"[]", "body: must be an object"),
        (b"null", "body: must be an object"),
        (b"", "body: must be JSON in UTF-8: "),
    ],
)
async def test_a_body_that_is_no_json_object_is_refused(app: App, content: bytes, said: str) -> None:
    answer = await app.http.post("/generate", content=content, headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith(said)


async def test_a_form_is_refused_and_told_what_to_send(app: App) -> None:
    answer = await app.http.post("/generate", data={"prompt": "count", "session_id": "s1"})
    assert (answer.status_code, answer.json()["error_code"]) == (415, "unsupported_media_type")
    assert "Content-Type: application/json" in answer.json()["error"]


_READER = Caller("reader", frozenset({Right.READ}), ("s",))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/upload-csv", UPLOAD),
        ("POST", "/generate", {"prompt": "count", "session_id": "s1"}),
        ("POST", "/execute", {"code": "print(1)", "session_id": "s1"}),
        ("POST", "/sessions/s1/select-tables", {"tables": []}),
        ("POST", "/sessions/s1/reset", None),
        ("POST", "/sessions/s1/clear-csv", None),
        ("GET", "/history/other", None),
        ("GET", "/glue/databases", None),
        ("GET", "/glue/tables/shop", None),
        ("GET", "/settings", None),
        ("POST", "/settings", {}),
        ("POST", "/settings/restore-defaults", None),
        ("GET", "/ray/status", None),
        ("GET", "/ray/jobs", None),
        ("POST", "/ray/jobs/raysubmit_1/stop", None),
        ("GET", "/ray/jobs/raysubmit_1/logs", None),
    ],
)
async def test_a_caller_without_the_right_is_refused(
    app: App, method: str, path: str, body: dict[str, object] | None
) -> None:
    app.let_in(_READER)
    answer = await app.http.request(method, path, json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (403, "forbidden")
    assert answer.json()["success"] is False
    assert app.requests == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
_FIELDS = ("session_id", "prompt", "code", "filename", "content", "tables", "inputs", "s3_bucket", "ray_private_ip")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.sampled_from(
        [
            "/upload-csv",
            "/generate?wait=0",
            "/execute?wait=0",
            "/sessions/s/select-tables",
            "/settings",
            "/spark/generate",
        ]
    ),
    body=st.dictionaries(st.sampled_from(_FIELDS), st.sampled_from(["s", "a.csv"]) | _json, max_size=6) | _json,
)
async def test_no_json_value_is_answered_with_a_server_error(app: App, path: str, body: object) -> None:
    settings = app.settings.gateway.model_copy(update={"wait_timeout_s": 0.001})
    app.settings = app.settings.model_copy(update={"gateway": settings})
    app.let_in(ANYONE)
    answer = await app.http.post(path, content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code in (200, 202, 422, 501, 504)
    assert isinstance(answer.json(), dict)


@pytest.mark.parametrize(
    "path", ["/ray/status", "/ray/jobs", "/ray/jobs/rl-x-1/logs", "/glue/databases", "/glue/tables/shop"]
)
async def test_a_look_that_nobody_waits_for_expires(app: App, path: str) -> None:
    # Otherwise those of a client that polls would pile up where no worker is.
    assert (await app.http.get(path)).status_code == 504
    [job] = app.producer.enqueued
    assert job.expires_s is not None
    assert app.settings.gateway.wait_timeout_s <= job.expires_s <= 60
