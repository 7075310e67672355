"""The generator `agent` with strands' BedrockModel, over real HTTP, against a stub of Bedrock's ConverseStream."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from strands.models import BedrockModel

from raylane_common.errors import GenerationRefused, ModelMisconfigured, ModelUnavailable
from raylane_common.ray.client import RayClient
from raylane_common.ray.settings import RaySettings
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.generate import Checkpoint, Engine, GenerateRequest, GenerateResult, GeneratorName, Usage
from raylane_common.wire.sources import Column, ColumnType, FileSource
from raylane_worker.context import Resources
from raylane_worker.generation.agents.generator import AgentGenerator
from raylane_worker.generation.port import WritingTask
from raylane_worker.generation.providers.models import make_model
from raylane_worker.run_slots import RunSlots
from tests.helpers.bedrock import BedrockStub, answer, frame, stream, tool_result
from tests.helpers.handler_harness import Cut, Job

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis


S3_URI = "s3://bucket/sessions/sess-a/csv/täglich 1.csv"
CODE = f"""\
from raylane_run import answer, read

rows = read({S3_URI!r})
answer.value("rows", len(rows))
"""
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"


def refused(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"x-amzn-ErrorType": code})


def answer_as_code_agent(body: dict[str, Any]) -> list[bytes]:
    """A code agent that passes another session to the tool without arguments, and then submits."""
    if tool_result(body) is None:
        return answer(tool=("get_data_sources", {"session_id": "sess-b"}))
    return answer(tool=("submit_code", {"code": CODE, "interpreted_as": "all rows are counted"}))


@pytest.fixture
async def bedrock() -> AsyncIterator[BedrockStub]:
    async with BedrockStub(code_agent=answer_as_code_agent) as stub:
        yield stub


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


def settings(stub: BedrockStub, *, credentials: bool = True, **generation: object) -> Settings:
    aws = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": SECRET} if credentials else {}
    model = {"model": "bedrock:amazon.nova-pro-v1:0", "model_endpoint_url": stub.url, "model_region": "us-east-1"}
    return Settings.model_validate({"aws": aws, "generation": {**model, **generation}})


def a_source() -> FileSource:
    return FileSource(
        filename="täglich 1.csv",
        s3_uri=S3_URI,
        size_bytes=1000,
        rows=10,
        columns=(Column(name="x", type=ColumnType.INTEGER, native_type="int64"),),
        job_id="upload-1",
    )


async def ignore_text(piece: str) -> None:
    """Drops what the model says."""


async def write(settings: Settings) -> tuple[str, Usage | None]:
    task = WritingTask("job-1", "how many rows?", (a_source(),), Engine.LOCAL)
    model = await asyncio.to_thread(make_model, settings.generation.model or "", settings)
    assert isinstance(model, BedrockModel)
    try:
        draft = await AgentGenerator(model, settings.generation).write(task, ignore_text)
    finally:
        model.client.close()
    return draft.code, draft.usage


async def test_the_tool_gives_the_agents_the_exact_location(bedrock: BedrockStub) -> None:
    code, usage = await write(settings(bedrock))
    assert code == CODE
    assert usage == Usage(input_tokens=300, output_tokens=60)

    supervisor, first, second = bedrock.requests
    assert set(bedrock.paths) == {"/model/amazon.nova-pro-v1%3A0/converse-stream"}
    assert specs(supervisor).keys() == {"code_generation_agent"}
    assert specs(first).keys() == {"get_data_sources", "submit_code", "cannot"}
    assert specs(first)["get_data_sources"].get("properties", {}) == {}
    assert "The engine is local" in str(first["system"])
    assert first["messages"][0]["content"][0] == {"text": "how many rows?"}
    result = second["messages"][-1]["content"][0]["toolResult"]
    listed = json.loads(result["content"][0]["text"])
    assert [source["location"] for source in listed["sources"]] == [S3_URI]
    assert "sess-b" not in result["content"][0]["text"]


# The garbage collector closes the socket of a job's client.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_followers_receive_the_text_and_the_result_names_the_model_that_wrote_the_code(
    bedrock: BedrockStub, redis: Redis
) -> None:
    async with RayClient(RaySettings()) as ray:
        resources = Resources(settings=settings(bedrock), ray=ray, sources=SourceStore(redis), run_slots=RunSlots(ray))
        job = Job(GenerateRequest(prompt="how many rows?", generator=GeneratorName.AGENT), resources, Cut())
        begun = Checkpoint(
            sources_used=(a_source(),),
            engine=Engine.LOCAL,
            generator=GeneratorName.AGENT,
            model="bedrock:set-before-the-job-was-put-back",
        )
        job.checkpoints.append(begun)
        result = await job.run()
    assert isinstance(result, GenerateResult)
    assert result.model == "bedrock:amazon.nova-pro-v1:0"
    assert job.texts == ["I delegate.", CODE]
    assert job.events == ["generating", "text", "text", "verifying"]
    gc.collect()


def specs(request: dict[str, Any]) -> dict[str, Any]:
    tools = [tool["toolSpec"] for tool in request["toolConfig"]["tools"]]
    return {tool["name"]: tool["inputSchema"]["json"] for tool in tools}


async def test_text_instead_of_a_submission_is_a_refusal(bedrock: BedrockStub) -> None:
    bedrock.instead = lambda request: stream(request, answer(text="```python\nimport ray\n```"))
    with pytest.raises(GenerationRefused, match="import ray"):
        await write(settings(bedrock))


@pytest.mark.parametrize(
    ("status", "code", "message", "expected", "said"),
    [
        (403, "AccessDeniedException", "User: arn:aws:iam::1:role/w is not authorized", ModelMisconfigured, "role/w"),
        (403, "UnrecognizedClientException", f"token {SECRET}", ModelMisconfigured, "RAYLANE_AWS__ACCESS_KEY_ID"),
        (400, "ValidationException", "The provided model identifier is invalid.", ModelMisconfigured, "identifier is"),
        (404, "ResourceNotFoundException", "end of its life", ModelMisconfigured, "RAYLANE_GENERATION__MODEL"),
        (503, "ServiceUnavailableException", "later", ModelUnavailable, "ServiceUnavailableException"),
    ],
)
async def test_a_refusal_of_the_service_is_a_typed_error_that_says_what_to_set(
    bedrock: BedrockStub, status: int, code: str, message: str, expected: type[Exception], said: str
) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return refused(status, code, message)

    bedrock.instead = refuse
    with pytest.raises(expected, match=said) as caught:
        await write(settings(bedrock))
    assert SECRET not in str(caught.value)
    assert len(bedrock.requests) == 2


async def test_throttling_is_retried_and_then_unavailable(bedrock: BedrockStub) -> None:
    async def throttle(_: web.Request) -> web.StreamResponse:
        answered = refused(429, "ThrottlingException", "Too many requests")
        answered.headers["Retry-After"] = "40"
        return answered

    bedrock.instead = throttle
    with pytest.raises(ModelUnavailable, match="throttles") as caught:
        await write(settings(bedrock))
    assert caught.value.retryable
    assert caught.value.retry_after_s == 40
    assert len(bedrock.requests) == 1 + 3


# strands does not close the response of a broken answer; the garbage collector closes its socket.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_an_error_in_the_middle_of_an_answer_is_unavailable(bedrock: BedrockStub) -> None:
    begun = answer(tool=("get_data_sources", {}))[:3]
    failed = frame("modelStreamErrorException", {"message": "the model broke"}, kind="exception")
    bedrock.instead = lambda request: stream(request, [*begun, failed])
    with pytest.raises(ModelUnavailable, match="modelStreamErrorException"):
        await write(settings(bedrock))
    gc.collect()


async def test_a_connection_that_breaks_in_the_middle_of_an_answer_is_unavailable(bedrock: BedrockStub) -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = await stream(request, answer(tool=("get_data_sources", {}))[:3])
        assert request.transport is not None
        request.transport.close()
        return response

    bedrock.instead = break_off
    with pytest.raises(ModelUnavailable):
        await write(settings(bedrock))


async def test_a_service_that_does_not_answer_in_time_is_unavailable(bedrock: BedrockStub) -> None:
    async def stall(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    bedrock.instead = stall
    with pytest.raises(ModelUnavailable, match="ReadTimeoutError"):
        await write(settings(bedrock, model_timeout_s=0.3))


async def test_the_timeout_of_a_version_does_not_wait_for_the_service(bedrock: BedrockStub) -> None:
    closed = asyncio.Event()

    async def trickle(request: web.Request) -> web.StreamResponse:
        response = await stream(request, [frame("messageStart", {"role": "assistant"})])
        delta = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "."}})
        try:
            while True:
                await response.write(delta)
                await asyncio.sleep(0.01)
        finally:
            closed.set()

    bedrock.instead = trickle
    with pytest.raises(ModelUnavailable, match="VERSION_TIMEOUT_S"):
        await write(settings(bedrock, model_timeout_s=1, version_timeout_s=1))
    await asyncio.wait_for(closed.wait(), 10)


async def test_no_credentials_is_a_configuration_error_before_anything_is_sent(bedrock: BedrockStub) -> None:
    with pytest.raises(ModelMisconfigured, match="RAYLANE_AWS__ACCESS_KEY_ID"):
        await write(settings(bedrock, credentials=False))
    assert bedrock.requests == []


async def test_an_address_without_a_server_is_unavailable(bedrock: BedrockStub, unused_tcp_port: int) -> None:
    with pytest.raises(ModelUnavailable):
        await write(settings(bedrock, model_endpoint_url=f"http://127.0.0.1:{unused_tcp_port}"))
