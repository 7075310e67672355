from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import RayAuth, RayError, RayRejected, RayServerError, RunNotFound
from raylane_common.ray.answers import (
    Answer,
    FaultKind,
    PathFault,
    check,
    parse_json,
    path_fault,
    shorten,
)
from raylane_common.ray.models import RayRun, RunStatus
from raylane_common.ray.parsing import read, read_flag, read_logs

if TYPE_CHECKING:
    from pydantic import JsonValue

TRACEBACK = b"Traceback (most recent call last):\n  File 'x'\nTypeError: entrypoint must be a string\n.\n"


def answer(status: int, body: bytes = b"") -> Answer:
    return Answer(endpoint="private", status=status, body=body)


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (400, TRACEBACK, RayRejected),
        (401, b"Unauthorized: Missing authentication token", RayAuth),
        (403, b"Forbidden: Invalid authentication token", RayAuth),
        (404, b"Job nope does not exist", RunNotFound),
        (404, b"404: Not Found", RayRejected),
        (405, b"'POST' method not allowed for browser traffic.", RayRejected),
        (413, b"", RayRejected),
        (429, b"slow down", RayServerError),
        (500, b"500 Internal Server Error\n\nServer got itself in trouble", RayServerError),
        (500, b"RuntimeError: Attempted to delete job 'a', but it is in a non-terminal state RUNNING.", RayRejected),
    ],
)
def test_rays_own_answers_become_typed_errors(status: int, body: bytes, error: type[RayError]) -> None:
    assert path_fault(status, "text/plain", body) is None
    with pytest.raises(error) as caught:
        check(answer(status, body), "run a")
    assert type(caught.value) is error
    assert caught.value.details["status"] == status


@given(status=st.integers(200, 599), body=st.binary(max_size=200), content_type=st.sampled_from(["text/html", "a/b"]))
def test_every_http_answer_is_good_or_a_path_fault_or_a_typed_error(
    status: int, body: bytes, content_type: str
) -> None:
    fault = path_fault(status, content_type, body)
    if fault is not None:
        assert status in (502, 503, 504) or 300 <= status < 400 or (status < 300 and content_type == "text/html")
        assert not fault.nothing_sent
        assert fault.blames_endpoint == (status < 500)
    elif status < 300:
        check(answer(status, body), "do it")
    else:
        with pytest.raises(RayError) as caught:
            check(answer(status, body), "do it")
        assert len(caught.value.message) < 600
        assert caught.value.retryable == isinstance(caught.value, RayServerError)


@given(st.binary(max_size=50))
def test_an_answer_without_json_is_not_rays(body: bytes) -> None:
    try:
        data = parse_json(body)
    except PathFault as fault:
        assert fault.kind is FaultKind.NOT_RAY
    else:
        assert data == json.loads(body)


def test_a_traceback_is_shortened_to_its_last_line() -> None:
    assert shorten(TRACEBACK) == "TypeError: entrypoint must be a string"
    assert shorten(b"404: Not Found") == "404: Not Found"
    assert shorten(b" \n.\n") == "no text"
    assert len(shorten(b"x" * 1000)) == 300


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
