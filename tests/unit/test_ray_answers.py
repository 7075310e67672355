from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raylane_common.errors import RayAuth, RayError, RayRejected, RayServerError, RunNotFound
from raylane_common.ray.answers import (
    Answer,
    FaultKind,
    PathFault,
    check,
    path_fault,
    shorten,
)
from raylane_common.ray.bodies import STEP_BYTES, parse_json
from raylane_common.ray.models import RayRun, RunStatus
from raylane_common.ray.parsing import read, read_flag, read_logs
from raylane_common.ray.signature import A_LIST
from raylane_common.safe_text import safe_text

if TYPE_CHECKING:
    from pydantic import JsonValue

TRACEBACK = b"Traceback (most recent call last):\n  File 'x'\nTypeError: entrypoint must be a string\n.\n"


def answer(status: int, body: bytes = b"") -> Answer:
    return Answer(endpoint="private", status=status, body=body)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, TRACEBACK, RayRejected),
        (400, b"Can only get logs of submission type jobs", RayRejected),
        (401, b"Unauthorized: Missing authentication token", RayAuth),
        (403, b"Forbidden: Invalid authentication token", RayAuth),
        (404, b"Job nope does not exist", RunNotFound),
        (404, b"Package gcs://a.zip does not exist\n", RayRejected),
        (404, b"404: Not Found", RayRejected),
        (405, b"'POST' method not allowed for browser traffic.", RayRejected),
        (413, b"Maximum request body size 104857600 exceeded, actual body size 1", RayRejected),
        (
            429,
            b'{"result": false, "msg": "Max number of in-progress requests=2000 reached.", "data": {}}',
            RayServerError,
        ),
        (500, b"500 Internal Server Error\n\nServer got itself in trouble", RayServerError),
        (500, b"No available agent to submit job, please try again later.", RayServerError),
        (500, TRACEBACK + b"Job 'a' is in a non-terminal state RUNNING.", RayRejected),
        (500, b'{"result": false, "msg": "Failed to connect to GCS", "data": {"result": null}}', RayServerError),
    ],
)
def test_rays_own_answers_become_typed_errors(status: int, body: bytes, error: type[RayError]) -> None:
    assert path_fault(status, "text/plain", body) is None
    with pytest.raises(error) as caught:
        check(answer(status, body), "run a")
    assert type(caught.value) is error
    assert caught.value.details["status"] == status


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b"<html><head><title>400 The plain HTTP request was sent to HTTPS port</title></head></html>"),
        (401, b'{"message":"Unauthorized"}'),
        (401, b""),
        (403, b"Forbidden"),
        (403, b"Forbidden: access is denied."),
        (404, b"default backend - 404"),
        (404, b"404 page not found\n"),
        (404, b'{"message":"no Route matched with those values"}'),
        (404, b"The Job that you look for does not exist"),
        (404, b"<p>Job a does not exist</p>"),
        (405, b"<html><title>405 Not Allowed</title></html>"),
        (407, b"Proxy Authentication Required"),
        (413, b"<html><title>413 Request Entity Too Large</title></html>"),
        (421, b"Misdirected Request"),
        (429, b"slow down"),
        (500, b"Internal Server Error"),
        (503, b"503 Service Unavailable"),
        (522, b"error code: 522"),
        (302, b""),
        (304, b""),
        (101, b""),
        (204, b""),
        (206, b"{}"),
    ],
)
def test_what_is_not_in_rays_words_belongs_to_the_path(status: int, body: bytes) -> None:
    fault = path_fault(status, "text/plain", body)
    assert fault is not None
    assert fault.kind is (FaultKind.GATEWAY if status == 429 or status >= 500 else FaultKind.NOT_RAY)
    assert str(status) in fault.reason


@given(status=st.integers(100, 599), body=st.binary(max_size=200), content_type=st.sampled_from(["text/html", "a/b"]))
def test_every_http_answer_is_good_or_a_path_fault_or_a_typed_error(
    status: int, body: bytes, content_type: str
) -> None:
    fault = path_fault(status, content_type, body)
    if fault is not None:
        assert not fault.nothing_sent
        assert fault.blames_endpoint == (status < 500 and status != 429)
        assert fault.reason == safe_text(fault.reason)
    elif status == 200:
        check(answer(status, body), "do it")
    else:
        with pytest.raises(RayError) as caught:
            check(answer(status, body), "do it")
        assert len(caught.value.message) < 600
        assert caught.value.retryable == isinstance(caught.value, RayServerError)


@given(st.binary(max_size=50))
def test_an_answer_without_json_is_not_rays(body: bytes) -> None:
    try:
        data = parse_json(body, None)
    except PathFault as fault:
        assert fault.kind is FaultKind.NOT_RAY
    else:
        assert data == json.loads(body)


@pytest.mark.parametrize(
    ("body", "key"), [(b'{"error": "login_required"}', "status"), (b"[]", "status"), (b'{"jobs": []}', A_LIST)]
)
def test_json_of_another_shape_is_not_rays(body: bytes, key: str) -> None:
    with pytest.raises(PathFault, match="other JSON") as caught:
        parse_json(body, key)
    assert caught.value.kind is FaultKind.NOT_RAY


LONG = "x" * STEP_BYTES


@given(
    runs=st.lists(
        st.fixed_dictionaries({"status": st.just(LONG), "message": st.text(), "n": st.floats(0, 1)}), max_size=3
    ),
    indent=st.sampled_from([None, 1]),
)
@settings(max_examples=20)
def test_a_long_list_is_parsed_like_a_short_one(runs: list[JsonValue], indent: int | None) -> None:
    body = json.dumps(runs, indent=indent).encode()
    assert parse_json(body + b"\n", A_LIST) == runs


@given(text=st.text(alphabet=st.sampled_from('abn \\"/\n\té€😀'), max_size=60), ascii_only=st.booleans())
@settings(max_examples=50)
def test_a_long_log_is_parsed_like_a_short_one(text: str, ascii_only: bool) -> None:
    logs = text * (1 + 2 * STEP_BYTES // max(1, len(text)))
    body = json.dumps({"logs": logs}, ensure_ascii=ascii_only).encode()
    assert parse_json(body, "logs") == {"logs": logs}
    assert parse_json(body[:-1] + b', "more": 1}', "logs") == {"logs": logs, "more": 1}


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b"1," * STEP_BYTES + b"1]",
        b'[{"status": "' + LONG.encode() + b'"}',
        b'[{"status": "' + LONG.encode() + b'"} {}]',
        b'[{"status": "' + LONG.encode() + b'"}, 1]',
        b'[{"status": "' + LONG.encode() + b'"}] ]',
        b'{"logs": "' + LONG.encode(),
        b"[" * STEP_BYTES * 2,
        LONG.encode() * 2,
    ],
    ids=lambda body: body[:2].decode() + body[-4:].decode(),
)
@pytest.mark.parametrize("key", [A_LIST, "logs"])
def test_a_long_body_that_is_not_rays_is_refused(body: bytes, key: str) -> None:
    with pytest.raises(PathFault):
        parse_json(body, key)


@pytest.mark.parametrize("count", [1, 3000])
def test_half_a_character_in_what_ray_says_is_replaced(count: int) -> None:
    runs = [{"message": "a\ud800b", "metadata": {"\udc00": "\ud83d\ude00"}, "more": "x" * 100}] * count
    assert (
        parse_json(json.dumps(runs).encode(), A_LIST)
        == [{"message": "a\ufffdb", "metadata": {"\ufffd": "\U0001f600"}, "more": "x" * 100}] * count
    )


def test_a_traceback_is_shortened_to_its_last_line() -> None:
    assert shorten(TRACEBACK) == "TypeError: entrypoint must be a string"
    assert shorten(b"404: Not Found") == "404: Not Found"
    assert shorten(b" \n.\n") == "no text"
    assert len(shorten(b"x" * 1000)) == 300
    assert shorten(b"<html>\n<head><title>403 Forbidden</title></head>\n</html>") == "403 Forbidden"
    # Without a limit to what a tag may hold this would take minutes.
    assert shorten(b"<" * 65536) == "no text"


def test_what_the_other_side_sent_is_one_printable_line() -> None:
    reason = PathFault(FaultKind.NOT_RAY, "no valid HTTP (400:\n\n  b'-ERR\x1b[31m'\n    ^\u202e\x00)").reason
    assert reason == r"no valid HTTP (400: b'-ERR' ^\u202e\x00)"
    assert len(PathFault(FaultKind.LOST, "x" * 100_000).reason) == 300


def test_a_job_keeps_its_fields_and_tolerates_new_ones() -> None:
    data: JsonValue = {
        "submission_id": "a",
        "status": "FAILED",
        "driver_exit_code": 3,
        "start_time": 5,
        "new": [1],
        "endpoint": "x",
    }
    job = read(RayRun, replace(answer(200), data=data))
    assert (job.status, job.driver_exit_code, job.start_time_ms, job.endpoint) == (RunStatus.FAILED, 3, 5, "private")


@given(st.none() | st.integers() | st.lists(st.integers()) | st.dictionaries(st.text(), st.text() | st.integers()))
def test_unexpected_json_is_an_error_but_no_path_fault(data: JsonValue) -> None:
    other = replace(answer(200), data=data)
    with pytest.raises(RayServerError):
        read(RayRun, other)
    with pytest.raises(RayServerError):
        read_flag(other, "stopped")
    if not (isinstance(data, dict) and isinstance(data.get("logs"), str)):
        with pytest.raises(RayServerError):
            read_logs(other, max_bytes=10)


@given(st.text(), st.integers(1, 50))
def test_logs_keep_their_last_bytes(text: str, max_bytes: int) -> None:
    kept, truncated = read_logs(replace(answer(200), data={"logs": text}), max_bytes=max_bytes)
    assert text.encode(errors="ignore").decode().endswith(kept)
    assert len(kept.encode()) <= max_bytes
    assert truncated == (len(text.encode(errors="ignore")) > max_bytes)


TRICKY = st.text(
    alphabet=st.sampled_from('abu0123 \\"/\n\té€😀') | st.characters(exclude_categories=["Cs"]), max_size=80
)


@given(text=TRICKY, cut=st.integers(0, 600), ascii_only=st.booleans())
def test_a_truncated_log_may_lose_a_few_characters_at_the_cut(text: str, cut: int, ascii_only: bool) -> None:
    body = json.dumps({"logs": text}, ensure_ascii=ascii_only).encode()
    start = min(cut + len(b'{"logs": "'), len(body) - 2)
    kept, truncated = read_logs(replace(answer(200, body[start:]), truncated=True), max_bytes=10_000)
    assert truncated
    assert text.endswith(kept)
    if "\\" not in text:
        # Six bytes to find the border of a character, and the half of an astral character that the cut left.
        lost = len(json.dumps(kept, ensure_ascii=ascii_only)) - 2
        assert len(body[start:-2].decode(errors="ignore")) - lost <= 12


def test_a_log_of_backslashes_can_be_truncated() -> None:
    body = json.dumps({"logs": "\\" * 50}).encode()
    assert read_logs(replace(answer(200, body[30:]), truncated=True), max_bytes=100) == ("", True)


def test_a_truncated_body_that_does_not_end_as_logs_is_an_error() -> None:
    with pytest.raises(RayServerError):
        read_logs(replace(answer(200, b"</body></html>"), truncated=True), max_bytes=10)
