"""Where a job leaves the gateway, its error names hosts, disks and roles of the deployment to operators alone."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from raylane.gateway.app import create_app
from raylane.testing import MemoryProducer, make_run, make_upload_result
from raylane_common import errors
from raylane_common.wire.jobs import Progress
from tests.helpers.gateways import bearer, client_of, gateway_settings, write_callers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

HOST: Final = "10.20.30.40"
READERS: Final = ("ada", "both")
# The session and the job of each kind are made below. Each of these answers with the error of a job.
_WITH_ERRORS: Final = {
    "/v1/jobs": "/v1/jobs?session_id=ada-1",
    "/v1/jobs/{job_id}": "/v1/jobs/{job_id}",
    "/v1/jobs/{job_id}/attempts": "/v1/jobs/{job_id}/attempts",
    "/v1/jobs/{job_id}/events": "/v1/jobs/{job_id}/events",
    "/v1/sessions/{session_id}/history": "/v1/sessions/ada-1/history",
}
# These answer with it instead of what was asked for.
_INSTEAD: Final = ("/v1/jobs/{job_id}/result", "/v1/jobs/{job_id}/answer")
# Only operators reach these.
_OF_OPERATORS: Final = {"/v1/dead-letters", "/v1/dead-letters/requeue"}


def unreachable(**more: object) -> errors.RaylaneError:
    details: Any = {"endpoints": [{"name": "private", "url": f"http://{HOST}:8265"}], "submission_id": "rl", **more}
    return errors.RayUnreachable(f"no endpoint answered (private http://{HOST}:8265: not Ray)", details=details)


@asynccontextmanager
async def gateway(tmp_path: Path) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """Yields a client, and the id of a job that has failed because the cluster is away."""
    callers = {
        "ada": {"rights": ["ask", "read"], "sessions": ["ada-"]},
        "both": {"rights": ["ask", "read", "operate"], "sessions": ["ada-"]},
    }
    settings = gateway_settings(tokens_file=write_callers(tmp_path / "callers.json", **callers))
    async with MemoryProducer() as producer, client_of(settings, producer=producer) as client:
        upload = await producer.upload_bytes("a\n1\n", filename="a.csv", session_id="ada-1")
        await producer.succeed(upload.id, make_upload_result("a.csv", session_id="ada-1"))
        job = await producer.run_code("import raylane_run", session_id="ada-1")
        await producer.tell(job.id, progress=Progress(stage="running"))
        await producer.fail(job.id, unreachable(run=make_run(status="FAILED").model_dump(mode="json")))
        await producer.answer_with(lambda _: unreachable())
        yield client, job.id


@pytest.mark.parametrize("caller", READERS)
@pytest.mark.parametrize("address", _WITH_ERRORS.values())
async def test_a_job_is_told_as_its_reader_may_see_it(address: str, caller: str, tmp_path: Path) -> None:
    async with gateway(tmp_path) as (client, job_id):
        answer = await client.get(address.format(job_id=job_id), headers=bearer(caller))
    assert answer.status_code == 200
    assert (HOST in answer.text) is (caller == "both")
    data = answer.text
    if address.endswith("/events"):
        data = next(line for line in answer.text.splitlines() if '"failed"' in line).removeprefix("data: ")
    [error] = found_errors(json.loads(data))
    assert (error["code"], error["retryable"]) == ("ray_unreachable", True)
    if caller == "ada":
        assert error["message"] == "the cluster could not be used; the log of the worker says why"
        assert error["details"] == {"submission_id": "rl"}


@pytest.mark.parametrize("caller", READERS)
@pytest.mark.parametrize("address", _INSTEAD)
async def test_an_error_instead_of_a_result_is_told_so_too(address: str, caller: str, tmp_path: Path) -> None:
    async with gateway(tmp_path) as (client, job_id):
        answer = await client.get(address.format(job_id=job_id), headers=bearer(caller))
    assert (answer.status_code, answer.json()["code"]) == (422, "ray_unreachable")
    assert (HOST in answer.text) is (caller == "both")


@pytest.mark.parametrize("caller", READERS)
async def test_the_original_endpoints_tell_no_more(caller: str, tmp_path: Path) -> None:
    async with gateway(tmp_path) as (client, job_id):
        for path, body in (
            ("/generate", {"session_id": "ada-1", "prompt": "count"}),
            ("/execute", {"session_id": "ada-1", "code": "import raylane_run"}),
            ("/upload-csv", {"session_id": "ada-1", "filename": "a.csv", "content": "a\n1\n"}),
            ("/sessions/ada-1/select-tables", {"tables": [{"database": "d", "table": "t"}]}),
        ):
            answer = await client.post(path, json=body, headers=bearer(caller))
            assert answer.json()["error_code"] == "ray_unreachable", path
            assert (HOST in answer.text) is (caller == "both"), path
        for path in (f"/ray/jobs/rl-{job_id}-1/logs", "/glue/databases?session_id=ada-1"):
            answer = await client.get(path, headers=bearer(caller))
            assert answer.json()["error_code"] == "ray_unreachable", path
            assert (HOST in answer.text) is (caller == "both"), path
        history = await client.get("/history/ada-1", headers=bearer(caller))
        assert len(history.json()["execution_results"]) == 2  # one shows the output of its run, the other its error
        assert (HOST in history.text) is (caller == "both")


def test_no_other_route_answers_with_the_error_of_a_job() -> None:
    """A route that is added must be in the lists above."""
    description = create_app(gateway_settings(), producer=MemoryProducer()).openapi()
    schemas = description["components"]["schemas"]
    found = {
        path
        for path, methods in description["paths"].items()
        for method in methods.values()
        for status, response in method["responses"].items()
        if status.startswith("2") and "ErrorInfo" in reached(response, schemas)
    }
    assert found == {*_WITH_ERRORS, *_OF_OPERATORS}


def found_errors(data: Any) -> list[dict[str, Any]]:
    """Returns all errors of jobs in a document."""
    if isinstance(data, list):
        return [error for each in data for error in found_errors(each)]
    if not isinstance(data, dict):
        return []
    own = [data["error"]] if isinstance(data.get("error"), dict) else []
    return own + [error for name, each in data.items() if name != "error" for error in found_errors(each)]


def reached(part: object, schemas: dict[str, Any], seen: set[str] | None = None) -> set[str]:
    """Returns the names of all schemas to which a part of the description leads."""
    seen = set() if seen is None else seen
    for name in json.dumps(part).split("#/components/schemas/")[1:]:
        name = name.partition('"')[0]
        if name not in seen:
            seen.add(name)
            reached(schemas[name], schemas, seen)
    return seen
