"""One trace from a client's HTTP requests to the end of the run, read back from a collector of OpenTelemetry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.bedrock import answer, tool_result
from tests.helpers.collector import chain

if TYPE_CHECKING:
    from tests.acceptance.conftest import System

pytestmark = pytest.mark.timeout(400)

TRACE = "5b8efff798038103d269b633813fc60c"
CLIENT = "eee19b7ec3c1b174"
HEADERS = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}
PROMPT = "how many unmistakable rows are there"
CODE = 'from raylane_run import answer, read\n\nrows = read({uri!r})\nanswer.value("unmistakable", len(rows))\n'


def write_code(body: dict[str, Any]) -> list[bytes]:
    """Plays a model that looks at the sources, and then writes code."""
    listed = tool_result(body)
    if listed is None:
        return answer(tool=("get_data_sources", {"session_id": "traced"}))
    (source,) = json.loads(listed)["sources"]
    code = CODE.format(uri=source["location"])
    return answer(tool=("submit_code", {"code": code, "interpreted_as": "the rows are counted"}))


async def test_requests_jobs_aws_model_and_run_are_one_trace_without_content(
    system: System, gateway: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system.bedrock, "code_agent", write_code)
    async with httpx.AsyncClient(base_url=gateway, headers=HEADERS, timeout=TIMEOUT_S) as client:

        async def done(kind: str, **request: object) -> str:
            body = {"kind": kind, "session_id": "traced", "request": request}
            accepted = await client.post("/v1/jobs", json=body)
            assert accepted.status_code == 202, accepted.text
            record: dict[str, Any] = {"status": "queued"}
            while record["status"] not in ("succeeded", "failed", "cancelled"):
                record = (await client.get(f"/v1/jobs/{accepted.json()['id']}", params={"wait_s": 20})).json()
            assert record["status"] == "succeeded", record["error"]
            return str(record["id"])

        await done("upload", action="upload", filename="unmistakable.csv", content="unmistakable,n\nx,1\ny,2\n")
        await done("tables", action="databases")
        job_id = await done("generate", prompt=PROMPT, execute=True, generator="agent")
    spans = await system.collector.whole(TRACE, CLIENT, "process upload", "process generate", "Glue.GetDatabases")
    by_id = {span.span_id: span for span in spans}
    assert {span.service for span in spans} == {"raylane-gateway", "raylane-worker"}

    request = ["enqueue generate", "POST /v1/jobs"]
    above_run = ["run", "process generate", *request]
    assert chain(spans, "ray submit") == ["ray submit", "run submit", *above_run]
    assert chain(spans, "run wait") == ["run wait", *above_run]
    assert chain(spans, "run collect") == ["run collect", *above_run]
    assert chain(spans, "verify version") == ["verify version", "process generate", *request]
    below_upload = ["process upload", "enqueue upload", "POST /v1/jobs"]
    assert chain(spans, "Glue.GetDatabases") == ["Glue.GetDatabases", *below_upload]
    stored = [span for span in spans if span.name == "S3.PutObject"]
    assert [by_id[span.parent_id].name for span in stored] == ["process upload"] * len(stored)
    assert stored
    asked = [span for span in spans if span.name.startswith("chat")]
    assert asked, sorted({span.name for span in spans})
    for span in asked:
        names = []
        while span.parent_id in by_id:
            span = by_id[span.parent_id]
            names.append(span.name)
        assert names[-4:] == ["write version", "process generate", *request]

    [run] = [span for span in spans if span.name == "run"]
    [attempt] = [span for span in spans if span.name == "process generate"]
    assert attempt.attributes["messaging.message.id"] == job_id
    assert attempt.attributes["raylane.job.outcome"] == "succeeded"
    assert run.attributes["raylane.run.status"] == "SUCCEEDED"
    assert not any(span.failed for span in (run, attempt))
    assert "unmistakable" not in "".join(span.text for span in spans)

    lines = [json.loads(line) for line in system.worker_log.read_text().splitlines()]
    [ended] = [line for line in lines if line["message"].startswith(f"job {job_id}: run ")]
    assert ended["trace_id"] == TRACE
    assert ended["span_id"] == run.span_id
    environment = await _environment(system, str(run.attributes["raylane.run.submission_id"]))
    assert environment["TRACEPARENT"] == f"00-{TRACE}-{run.span_id}-01"


async def _environment(system: System, submission_id: str) -> dict[str, str]:
    """Returns the variables that Ray has given to a run."""
    headers = {"Authorization": f"Bearer {system.env['RAYLANE_RAY__TOKEN']}"}
    async with httpx.AsyncClient(base_url=system.env["RAYLANE_RAY__PUBLIC_URL"], headers=headers) as ray:
        found = (await ray.get(f"/api/jobs/{submission_id}")).json()
    variables: dict[str, str] = found["runtime_env"]["env_vars"]
    return variables
