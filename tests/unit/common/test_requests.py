from __future__ import annotations

import string
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.limits import MAX_STAGED_BYTES
from raylane_common.rules import plain_name
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import NewJob
from raylane_common.wire.ray import RayRunRequest, RaySubmitRequest
from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.tables import ListTablesRequest, SelectTablesRequest
from raylane_common.wire.upload import ReadInPlaceRequest, UploadRequest

Model = TypeVar("Model", bound=BaseModel)

UPLOAD = {"filename": "a.csv", "size_bytes": 3, "sha256": "0" * 64}


def build(model: type[Model], **fields: object) -> Model:
    with invalid_requests():
        return model.model_validate(fields)


def refused(model: type[BaseModel], field: str, **fields: Any) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        build(model, **fields)
    assert caught.value.details["field"] == field
    assert caught.value.message.startswith(f"{field}: ")
    return caught.value


@pytest.mark.parametrize(
    ("filename", "stored"),
    [
        ("re\u0301sume\u0301.csv", "r\u00e9sum\u00e9.csv"),
        ("\u212bngstrom.csv", "\u00c5ngstrom.csv"),
        ("\u1112\u1161\u11ab.csv", "\ud55c.csv"),
        ("Screenshot 9.41\u202fPM.csv", "Screenshot 9.41 PM.csv"),
        ("a\u00a0b.csv", "a b.csv"),
        ("\uff21\u3000\u00b2.csv", "\uff21\u3000\u00b2.csv"),
    ],
)
def test_names_that_look_the_same_are_the_same(filename: str, stored: str) -> None:
    for name in (filename, stored):
        assert UploadRequest.model_validate({**UPLOAD, "filename": name}).filename == stored
        # The key of an object that is somebody else's is left as it is.
        uri = f"s3://bucket/{name}"
        in_place = ReadInPlaceRequest.model_validate({"s3_uri": uri, "filename": name})
        assert (in_place.filename, in_place.s3_uri) == (stored, uri)


def test_a_name_is_as_long_as_what_is_stored() -> None:
    longest = "e\u0301" * 125 + ".csv"
    assert len(UploadRequest.model_validate({**UPLOAD, "filename": longest}).filename.encode()) == 254
    # A blank at the end of a name is not seen, whichever blank it is.
    with pytest.raises(ValidationError, match="must not begin or end with a space"):
        UploadRequest.model_validate({**UPLOAD, "filename": "a\u202f"})


@pytest.mark.parametrize(
    "filename",
    [
        "",
        " ",
        " a.csv",
        "a.csv ",
        "a/b.csv",
        "/a.csv",
        "a\\b.csv",
        "..",
        "../a.csv",
        ".",
        "a\x00.csv",
        "a\n.csv",
        "a\x7f.csv",
        "a\x85.csv",
        "a\u2028.csv",
        "a\ud800.csv",
        "a\ufffe.csv",
        "a" * 256,
        "ä" * 128,
    ],
)
def test_a_filename_that_could_leave_its_place_is_refused(filename: str) -> None:
    refused(UploadRequest, "filename", **(UPLOAD | {"filename": filename}))


@pytest.mark.parametrize(
    "filename",
    ["a.csv", "DES=+2006261.csv", "my data, 2.csv", "ünïcode.csv", "noextension", ".x", "a..csv", "what?", "A.CSV.GZ"],
)
def test_an_odd_but_harmless_filename_is_kept_as_it_is(filename: str) -> None:
    assert build(UploadRequest, **(UPLOAD | {"filename": filename})).filename == filename


def test_who_may_not_use_a_name_is_told_the_argument_that_all_ways_in_have() -> None:
    with pytest.raises(InvalidRequest, match=r"give it another name with `filename` \(--filename in the CLI\)"):
        build(UploadRequest, **(UPLOAD | {"filename": "a/b.csv"}))


@given(filename=st.text(max_size=300))
def test_a_filename_is_either_refused_by_name_or_safe_in_a_key(filename: str) -> None:
    try:
        request = build(UploadRequest, **(UPLOAD | {"filename": filename}))
    except InvalidRequest as error:
        assert error.details["field"] == "filename"
    else:
        key = f"sessions/s/csv/{request.filename}"
        assert key.split("/") == ["sessions", "s", "csv", plain_name(filename)]
        assert plain_name(request.filename) == request.filename
        assert filename not in (".", "..")
        assert key.isprintable() or any(not character.isprintable() for character in filename)


@pytest.mark.parametrize("prompt", ["", "  \n", "x" * (16 * 1024 + 1), "ä" * (8 * 1024 + 1)])
def test_a_prompt_that_is_empty_or_too_long_is_refused(prompt: str) -> None:
    refused(GenerateRequest, "prompt", prompt=prompt)


def test_a_prompt_of_exactly_16_kib_is_taken() -> None:
    assert len(build(GenerateRequest, prompt="x" * 16 * 1024).prompt) == 16 * 1024


def test_unknown_and_missing_fields_are_named() -> None:
    refused(GenerateRequest, "promt", prompt="x", promt="y")
    refused(GenerateRequest, "prompt")
    refused(UploadRequest, "size_bytes", **(UPLOAD | {"size_bytes": MAX_STAGED_BYTES + 1}))
    refused(UploadRequest, "size_bytes", **(UPLOAD | {"size_bytes": 0}))
    refused(UploadRequest, "sha256", **(UPLOAD | {"sha256": "zz"}))
    refused(GenerateRequest, "max_attempts", prompt="x", max_attempts=6)
    refused(GenerateRequest, "generator", prompt="x", generator="magic")
    refused(SelectTablesRequest, "tables", tables=[])
    refused(SelectTablesRequest, "tables.0.table", tables=[{"database": "d"}])
    refused(ListTablesRequest, "database", database="a/b")
    refused(RayRunRequest, "submission_id", submission_id="a b")
    refused(RaySubmitRequest, "code", code="  ")


@pytest.mark.parametrize("session_id", ["", "-a", ".a", "a b", "a/b", "ä", "a" * 129, "a\n"])
def test_a_bad_session_id_is_refused_and_never_replaced(session_id: str) -> None:
    refused(NewJob, "session_id", request=GenerateRequest(prompt="x"), session_id=session_id)


@given(session_id=st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=128))
def test_a_session_id_is_kept_as_the_caller_chose_it(session_id: str) -> None:
    if session_id[0] in "._-":
        refused(NewJob, "session_id", request=GenerateRequest(prompt="x"), session_id=session_id)
    else:
        assert build(NewJob, request=GenerateRequest(prompt="x"), session_id=session_id).session_id == session_id


def test_jobs_that_belong_to_a_session_need_one() -> None:
    for request in (UploadRequest(**UPLOAD), GenerateRequest(prompt="x")):
        refused(NewJob, "session_id", request=request)
    assert build(NewJob, request=ListTablesRequest(database="d")).session_id is None


@pytest.mark.parametrize("job_id", ["", "a b", "a/b", "a.b", "-a", "a" * 57, "a\n"])
def test_a_job_id_that_could_not_name_a_run_is_refused(job_id: str) -> None:
    refused(NewJob, "id", request=ListTablesRequest(database="d"), id=job_id)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        *(("delimiter", value, "must be one character, but no line break") for value in ("", "ab", "\n", "\0")),
        *(("quote", value, "must be one character, but no line break, or empty") for value in ("ab", "\r", "\0")),
        *(("escape", value, "must be one character, but no line break, or empty") for value in ("ab", "\n", "\0")),
        ("types.a", "other", "must be one of integer, number, string, boolean, date, time, timestamp"),
        ("types.a", "float", "must be one of integer, number, string, boolean, date, time, timestamp"),
    ],
)
def test_an_option_that_no_file_can_have_is_refused(field: str, value: str, problem: str) -> None:
    name, _, column = field.partition(".")
    assert (
        refused(ReadingOptions, field, **{name: {column: value} if column else value}).message == f"{field}: {problem}"
    )
