"""Generator `agent` with strands' BedrockModel, over real HTTP, against a stub of Bedrock's ConverseStream."""

from __future__ import annotations

import asyncio
import binascii
import gc
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from strands.models import BedrockModel

from raylane_common.errors import GenerationRefused, ModelMisconfigured, ModelUnavailable
from raylane_common.requests import GeneratorName
from raylane_common.results import Usage
from raylane_common.settings import Settings
from raylane_common.sources import Column, ColumnType, CsvSource
from raylane_worker.generation.agents import WritingTask, write_code
from raylane_worker.generation.models import choose, make_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable


LOCATION = "s3://bucket/sessions/sess-a/csv/täglich 1.csv"
CODE = f'import ray\n\nray.init()\nprint(ray.data.read_csv("{LOCATION}").count())\n'
SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"


def frame(event: str, payload: dict[str, object], kind: str = "event") -> bytes:
    """One message of vnd.amazon.eventstream: lengths, their CRC, headers, payload, CRC of it all."""
    names = {f":{kind}-type": event, ":content-type": "application/json", ":message-type": kind}
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in names.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", binascii.crc32(prelude)) + headers + body
    return message + struct.pack("!I", binascii.crc32(message))


def answer(*, text: str | None = None, tool: tuple[str, dict[str, object]] | None = None) -> list[bytes]:
    """A whole answer, with the tool's input cut into pieces as Bedrock does."""
    frames = [frame("messageStart", {"role": "assistant"})]
    if text is not None:
        frames.append(frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": text}}))
        frames.append(frame("contentBlockStop", {"contentBlockIndex": 0}))
    if tool is not None:
        name, arguments = tool
        start = {"toolUse": {"toolUseId": f"tooluse_{name}", "name": name}}
        frames.append(frame("contentBlockStart", {"contentBlockIndex": 1, "start": start}))
        whole = json.dumps(arguments)
        for piece in (whole[: len(whole) // 2], whole[len(whole) // 2 :]):
            delta = {"contentBlockIndex": 1, "delta": {"toolUse": {"input": piece}}}
            frames.append(frame("contentBlockDelta", delta))
        frames.append(frame("contentBlockStop", {"contentBlockIndex": 1}))
    frames.append(frame("messageStop", {"stopReason": "tool_use" if tool else "end_turn"}))
    usage = {"inputTokens": 100, "outputTokens": 20, "totalTokens": 120}
    frames.append(frame("metadata", {"usage": usage, "metrics": {"latencyMs": 5}}))
    return frames


def refused(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status, headers={"x-amzn-ErrorType": code})


@dataclass
class Bedrock:
    """The stub: plays both agents, and remembers every request. `instead` answers in place of the code agent."""

    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    instead: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def converse(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.paths.append(request.raw_path)
        tools = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
        if tools == ["code_generation_agent"]:
            frames = answer(text="I delegate.", tool=("code_generation_agent", {"notes": "count the rows"}))
        elif self.instead is not None:
            return await self.instead(request)
        elif len(body["messages"]) == 1:
            frames = answer(tool=("get_data_sources", {"session_id": "sess-b"}))
        else:
            frames = answer(tool=("submit_code", {"code": CODE, "interpreted_as": "all rows are counted"}))
        return await self.stream(request, frames)

    async def stream(self, request: web.Request, frames: list[bytes]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/vnd.amazon.eventstream"})
        await response.prepare(request)
        for part in frames:
            await response.write(part)
        return response


@pytest.fixture
async def bedrock() -> AsyncIterator[Bedrock]:
    stub = Bedrock()
    app = web.Application()
    app.router.add_post("/model/{model}/converse-stream", stub.converse)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stub.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stub
    await runner.cleanup()


@pytest.fixture(autouse=True)
def no_account(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")


def settings(stub: Bedrock, *, credentials: bool = True, **generation: object) -> Settings:
    aws = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": SECRET} if credentials else {}
    model = {"model": "bedrock:amazon.nova-pro-v1:0", "model_endpoint_url": stub.url, "model_region": "us-east-1"}
    return Settings.model_validate({"aws": aws, "generation": {**model, **generation}})


async def write(chosen: Settings) -> tuple[str, Usage | None]:
    source = CsvSource(
        filename="täglich 1.csv",
        s3_uri=LOCATION,
        size_bytes=1000,
        rows=10,
        columns=(Column(name="x", type=ColumnType.INTEGER, native_type="int64"),),
        job_id="upload-1",
    )
    task = WritingTask("job-1", "how many rows?", (source,), True, chosen.generation)
    model = await asyncio.to_thread(make_model, choose(chosen, GeneratorName.AGENT), chosen)
    assert isinstance(model, BedrockModel)
    try:
        draft = await write_code(task, model)
    finally:
        model.client.close()
    return draft.code, draft.usage


async def test_the_agents_write_code_with_the_exact_location_that_the_tool_told(bedrock: Bedrock) -> None:
    code, usage = await write(settings(bedrock))
    assert code == CODE
    assert usage == Usage(input_tokens=300, output_tokens=60)

    supervisor, first, second = bedrock.requests
    assert set(bedrock.paths) == {"/model/amazon.nova-pro-v1%3A0/converse-stream"}
    assert specs(supervisor).keys() == {"code_generation_agent"}
    assert specs(first).keys() == {"get_data_sources", "submit_code", "cannot"}
    assert specs(first)["get_data_sources"].get("properties", {}) == {}
    assert "ray.init()" in str(first["system"])
    assert first["messages"][0]["content"][0] == {"text": "how many rows?"}
    result = second["messages"][-1]["content"][0]["toolResult"]
    told = json.loads(result["content"][0]["text"])
    assert [source["location"] for source in told["sources"]] == [LOCATION]
    assert "sess-b" not in result["content"][0]["text"]


def specs(request: dict[str, Any]) -> dict[str, Any]:
    tools = [tool["toolSpec"] for tool in request["toolConfig"]["tools"]]
    return {tool["name"]: tool["inputSchema"]["json"] for tool in tools}


async def test_text_instead_of_a_submission_is_a_refusal(bedrock: Bedrock) -> None:
    bedrock.instead = lambda request: bedrock.stream(request, answer(text="```python\nimport ray\n```"))
    with pytest.raises(GenerationRefused, match="import ray"):
        await write(settings(bedrock))


@pytest.mark.parametrize(
    ("status", "code", "message", "expected", "told"),
    [
        (403, "AccessDeniedException", "User: arn:aws:iam::1:role/w is not authorized", ModelMisconfigured, "role/w"),
        (403, "UnrecognizedClientException", f"token {SECRET}", ModelMisconfigured, "RAYLANE_AWS__ACCESS_KEY_ID"),
        (400, "ValidationException", "The provided model identifier is invalid.", ModelMisconfigured, "identifier is"),
        (404, "ResourceNotFoundException", "end of its life", ModelMisconfigured, "RAYLANE_GENERATION__MODEL"),
        (503, "ServiceUnavailableException", "later", ModelUnavailable, "ServiceUnavailableException"),
    ],
)
async def test_a_refusal_of_the_service_is_typed_and_says_what_to_set(
    bedrock: Bedrock, status: int, code: str, message: str, expected: type[Exception], told: str
) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return refused(status, code, message)

    bedrock.instead = refuse
    with pytest.raises(expected, match=told) as caught:
        await write(settings(bedrock))
    assert SECRET not in str(caught.value)
    assert len(bedrock.requests) == 2


async def test_throttling_is_tried_again_and_then_unavailable(bedrock: Bedrock) -> None:
    async def throttle(_: web.Request) -> web.StreamResponse:
        return refused(429, "ThrottlingException", "Too many requests")

    bedrock.instead = throttle
    with pytest.raises(ModelUnavailable, match="throttles") as caught:
        await write(settings(bedrock))
    assert caught.value.retryable
    assert len(bedrock.requests) == 1 + 3


# strands leaves the response of a broken answer to the garbage collector, which closes its socket.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
async def test_an_error_in_the_middle_of_an_answer_is_unavailable(bedrock: Bedrock) -> None:
    begun = answer(tool=("get_data_sources", {}))[:3]
    failed = frame("modelStreamErrorException", {"message": "the model broke"}, kind="exception")
    bedrock.instead = lambda request: bedrock.stream(request, [*begun, failed])
    with pytest.raises(ModelUnavailable, match="modelStreamErrorException"):
        await write(settings(bedrock))
    gc.collect()


async def test_a_connection_that_breaks_in_the_middle_of_an_answer_is_unavailable(bedrock: Bedrock) -> None:
    async def break_off(request: web.Request) -> web.StreamResponse:
        response = await bedrock.stream(request, answer(tool=("get_data_sources", {}))[:3])
        assert request.transport is not None
        request.transport.close()
        return response

    bedrock.instead = break_off
    with pytest.raises(ModelUnavailable):
        await write(settings(bedrock))


async def test_a_service_that_does_not_answer_in_time_is_unavailable(bedrock: Bedrock) -> None:
    async def stall(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError("not reached")

    bedrock.instead = stall
    with pytest.raises(ModelUnavailable, match="ReadTimeoutError"):
        await write(settings(bedrock, model_timeout_s=0.3))


async def test_the_deadline_of_the_attempt_does_not_wait_for_the_service(bedrock: Bedrock) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = await bedrock.stream(request, [frame("messageStart", {"role": "assistant"})])
        delta = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "."}})
        try:
            while True:
                await response.write(delta)
                await asyncio.sleep(0.01)
        finally:
            bedrock.closed.set()

    bedrock.instead = trickle
    with pytest.raises(ModelUnavailable, match="ATTEMPT_TIMEOUT_S"):
        await write(settings(bedrock, model_timeout_s=1, attempt_timeout_s=1))
    await asyncio.wait_for(bedrock.closed.wait(), 10)


async def test_no_credentials_is_a_configuration_error_before_anything_is_sent(bedrock: Bedrock) -> None:
    with pytest.raises(ModelMisconfigured, match="RAYLANE_AWS__ACCESS_KEY_ID"):
        await write(settings(bedrock, credentials=False))
    assert bedrock.requests == []


async def test_an_address_where_nobody_listens_is_unavailable(bedrock: Bedrock, unused_tcp_port: int) -> None:
    with pytest.raises(ModelUnavailable):
        await write(settings(bedrock, model_endpoint_url=f"http://127.0.0.1:{unused_tcp_port}"))
