"""The OpenAPI document: complete, and the same names for the same things."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from raylane.gateway.app import create_app
from raylane.testing import MemoryProducer
from tests.helpers.gateways import gateway_settings, write_callers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx
    from fastapi import FastAPI


@pytest.fixture(scope="module")
def document(shared_app: FastAPI) -> dict[str, Any]:
    return shared_app.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_each_operation_has_a_plain_name_of_its_own_and_says_what_it_does(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert all(name.isidentifier() and "v1" not in name for name in names)
    for place, operation in operations(document):
        assert operation["summary"] or operation.get("description"), place


async def test_the_document_that_nobody_needs_a_token_for_is_written_once(
    app: FastAPI, client: httpx.AsyncClient, document: dict[str, Any]
) -> None:
    found = await client.get("/openapi.json")
    assert found.headers["content-type"] == "application/json"
    assert found.json() == document
    assert app.state.openapi_json() is app.state.openapi_json()
    other = await client.post("/openapi.json")
    assert (other.status_code, other.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_each_error_of_v1_is_a_problem_document(document: dict[str, Any]) -> None:
    for place, operation in operations(document):
        if " /v1/" not in place:
            continue
        assert {"401", "403", "422", "429", "503"} <= operation["responses"].keys(), place
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                schema = response["content"]["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}, f"{place} {status}"


def test_every_schema_that_is_referred_to_is_in_the_document(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    referred = {part.partition('"')[0] for part in text.split('"#/components/schemas/')[1:]}
    assert referred <= document["components"]["schemas"].keys()


def test_examples_are_valid(document: dict[str, Any]) -> None:
    from raylane.gateway.job_bodies import EnqueueJob

    for example in document["components"]["schemas"]["EnqueueJob"]["examples"]:
        EnqueueJob.model_validate_json(json.dumps(example), strict=True)


def test_a_gateway_with_callers_says_that_it_needs_a_token(tmp_path: Path) -> None:
    path = write_callers(tmp_path / "callers.json", ada={"rights": ["ask"], "sessions": ["ada"]})
    guarded = create_app(gateway_settings(tokens_file=path), producer=MemoryProducer()).openapi()
    assert guarded["components"]["securitySchemes"] == {"bearer": {"type": "http", "scheme": "bearer"}}
    assert guarded["security"] == [{"bearer": []}]
    assert guarded["paths"]["/livez"]["get"]["security"] == []
