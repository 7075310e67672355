"""A stub of Bedrock's ConverseStream over real HTTP, for tests of the generator `agent` without an account."""

from __future__ import annotations

import binascii
import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


def frame(event: str, payload: dict[str, object], kind: str = "event") -> bytes:
    """Returns one message of vnd.amazon.eventstream: lengths, their CRC, headers, payload, CRC of the whole message."""
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
    """Returns a whole answer; the input of the tool comes in two pieces, as Bedrock may send it."""
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


async def stream(request: web.Request, frames: Sequence[bytes]) -> web.StreamResponse:
    """Sends an answer, or the beginning of one."""
    response = web.StreamResponse(headers={"content-type": "application/vnd.amazon.eventstream"})
    await response.prepare(request)
    for part in frames:
        await response.write(part)
    return response


@dataclass
class BedrockStub:
    """A server for `async with`. It answers the supervisor itself, and the code agent with `code_agent`.

    `code_agent` gets the request's JSON and returns frames. `instead`, if set, answers any other way in its place.
    `requests` has the JSON of every request, `paths` its path.
    """

    code_agent: Callable[[dict[str, Any]], list[bytes]] = lambda body: answer(text="I know nothing.")
    instead: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    url: str = ""
    requests: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/model/{model}/converse-stream", self._converse)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _converse(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.paths.append(request.raw_path)
        tools = [tool["toolSpec"]["name"] for tool in body["toolConfig"]["tools"]]
        if tools == ["code_generation_agent"]:
            return await stream(request, answer(text="I delegate.", tool=("code_generation_agent", {"notes": ""})))
        if self.instead is not None:
            return await self.instead(request)
        return await stream(request, self.code_agent(body))


def tool_result(body: dict[str, Any]) -> str | None:
    """Returns the text of the last tool result in a request; None in the first turn."""
    for message in reversed(body["messages"]):
        for block in message["content"]:
            if "toolResult" in block:
                return str(block["toolResult"]["content"][0]["text"])
    return None
