"""Messages about wrong fields are our own words, not pydantic's."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from raylane import GenerateRequest, RaySubmitRequest, SelectTablesRequest, UploadRequest
from raylane.gateway.routes.cluster import SubmitRun
from raylane_common.errors import InvalidRequest
from raylane_common.limits import AUDIT_POSITION_PATTERN, EVENT_POSITION_PATTERN, IDEMPOTENCY_KEY_PATTERN, IN_WORDS
from raylane_common.wire.jobs import NewJob

_GENERATE: dict[str, Any] = {"prompt": "count"}
_SUBMIT: dict[str, Any] = {"code": "print(1)"}


@pytest.mark.parametrize(
    ("model", "fields", "message"),
    [
        (GenerateRequest, {}, "prompt: is missing"),
        (GenerateRequest, {"prompt": 7}, "prompt: must be text"),
        (GenerateRequest, _GENERATE | {"max_versions": 0}, "max_versions: must be at least 1"),
        (GenerateRequest, _GENERATE | {"max_versions": 99}, "max_versions: must be at most 5"),
        (GenerateRequest, _GENERATE | {"max_versions": "many"}, "max_versions: must be a whole number"),
        (GenerateRequest, _GENERATE | {"max_versions": 1.5}, "max_versions: must be a whole number"),
        (GenerateRequest, _GENERATE | {"execute": "perhaps"}, "execute: must be true or false"),
        (GenerateRequest, _GENERATE | {"generator": "oracle"}, "generator: must be 'auto', 'template' or 'agent'"),
        (RaySubmitRequest, _SUBMIT | {"files": []}, "files: must be an object with names and values"),
        (RaySubmitRequest, _SUBMIT | {"pip": "polars"}, "pip: must be a list"),
        (
            RaySubmitRequest,
            _SUBMIT | {"env_vars": {"1A": "x"}},
            "env_vars.1A: must be letters, digits and '_', the first no digit",
        ),
        (SelectTablesRequest, {"tables": []}, "tables: must not be empty"),
        (
            SelectTablesRequest,
            {"tables": [{"database": "a/b", "table": "t"}]},
            "tables.0.database: must be text without control characters or '/'",
        ),
        (SubmitRun, {"script": "print(1)"}, "script: must be an object with names and values"),
        (UploadRequest, {"filename": "a.csv", "size_bytes": -1}, "size_bytes: must be at least 1"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_wrong_field_is_described_in_plain_words(
    model: type[BaseModel], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        model.model_validate(fields)

    assert InvalidRequest.from_validation(caught.value).message == message


def test_an_option_that_is_no_request_is_told_so() -> None:
    with pytest.raises(ValidationError) as caught:
        NewJob.model_validate({"request": {"prompt": "count"}})
    assert InvalidRequest.from_validation(caught.value).message == "request: must be an object from this library"


@pytest.mark.parametrize("pattern", [EVENT_POSITION_PATTERN, AUDIT_POSITION_PATTERN, IDEMPOTENCY_KEY_PATTERN])
def test_every_pattern_of_a_query_or_a_header_has_words(pattern: str) -> None:
    assert "[" not in IN_WORDS[pattern]


@pytest.mark.parametrize("name", sorted(NewJob.model_fields))
@pytest.mark.parametrize(
    "value", [object(), float("nan"), float("inf"), -1, "", "\x00", [object()], {"a": object()}, b"\xff"]
)
def test_no_value_of_an_option_gets_a_message_in_the_words_of_pydantic(name: str, value: object) -> None:
    fields: dict[str, Any] = {"id": "a", "request": GenerateRequest(prompt="count"), "session_id": "ada", name: value}

    try:
        NewJob.model_validate(fields)
    except ValidationError as error:
        message = InvalidRequest.from_validation(error).message
        assert not any(word in message for word in ("Input", "should", "Value error", "valid "))
