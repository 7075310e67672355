"""A whole session of a client with a language model, recorded and compared with the transcript that is checked in.

`RAYLANE_WRITE_TRANSCRIPT=1` writes the transcript anew; read what has changed before you commit it.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.types import ImageContent, TextContent

from tests.acceptance.conftest import BIN, TIMEOUT_S
from tests.helpers.bound import bound

if TYPE_CHECKING:
    from raylane import Producer
    from tests.acceptance.conftest import System

TRANSCRIPT = Path(__file__).parent / "golden" / "mcp_session.txt"
SALES = "region,amount,year\nnorth,10,2023\nsouth,20,2023\nnorth,30,2024\nsouth,50,2024\neast,5,2024\n"
_ID = re.compile(r"\b[0-9a-f]{32}\b")
_MARK = re.compile(r"\b[0-9a-f]{8}\b")
# How long things take decides which of these a client hears of, and how often.
_TIMING = ("running", "scheduled")
_WIDTH = 100


class Recorder:
    """Calls tools, and writes down what a client sees."""

    def __init__(self) -> None:
        self.client: Client | None = None
        self.lines: list[str] = []
        self._ids: dict[str, str] = {}

    def say(self, text: str, before: str = "") -> None:
        masked = _MARK.sub("MARK", _ID.sub(self._name, text))
        self.lines += [before + line for line in masked.splitlines()]

    async def call(self, tool: str, **arguments: Any) -> dict[str, Any]:
        assert self.client is not None
        self.say(f"{tool} {json.dumps(arguments)}", "> ")
        told: list[str] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            told.append(str(message).partition(":")[0])

        result = await self.client.call_tool(tool, arguments, progress_callback=note)
        stages = [stage for stage in dict.fromkeys(told) if stage not in _TIMING]
        # A wait may begin at any stage of the job, and is told the end in any case.
        if shown := stages[-1:] if tool == "wait" else stages:
            self.say(", ".join(shown), "~ ")
        for content in result.content:
            if isinstance(content, ImageContent):
                width, height = struct.unpack(">II", base64.b64decode(content.data)[16:24])
                self.say(f"{content.mime_type} of {width} x {height}", "< ")
            elif result.is_error and isinstance(content, TextContent):
                self.say(content.text, "! ")
        structured: dict[str, Any] = result.structured_content or {}
        if structured:
            self.say("\n".join(_lines({name: structured[name] for name in structured if name != "data_note"})), "< ")
        return structured

    def _name(self, found: re.Match[str]) -> str:
        return self._ids.setdefault(found[0], f"JOB{len(self._ids) + 1}")


def _lines(value: Any) -> list[str]:
    """Returns JSON on as few lines as are easy to read, without times, and without what other tests compare."""
    match value:
        case {"ended": False, "status": str(), **rest}:
            return _lines({"ended": False, **rest})
        case dict():
            value = {name: "TIME" if name.endswith("_ms") else each for name, each in value.items()}
            if "vega_lite" in value:
                value["vega_lite"] = sorted(value["vega_lite"])
            if "code" in value:
                value["code"] = f"{len(value['code'].splitlines())} lines"
    text = json.dumps(value)
    if len(text) <= _WIDTH or not isinstance(value, dict | list):
        return [text]
    parts = [_lines(each) for each in (value if isinstance(value, list) else value.values())]
    if isinstance(value, dict):
        parts = [[f"{json.dumps(name)}: {first}", *more] for name, (first, *more) in zip(value, parts, strict=True)]
    opening, closing = "[]" if isinstance(value, list) else "{}"
    return [opening, *(f"  {line}" for part in parts for line in part), closing]


@pytest.mark.timeout(300)
async def test_a_recorded_session_of_a_client(system: System) -> None:
    program, *arguments = bound(BIN / "raylane", "mcp", "--session", "mcp-golden")
    server = StdioServerParameters(command=program, args=arguments, env=system.process_environment())
    record = Recorder()
    async with Client(server) as record.client:
        for tool in (await record.client.list_tools()).tools:
            record.say(f"tool {tool.name}({', '.join(tool.input_schema['properties'])})")
        await record.call("upload_text", filename="sales.csv", content=SALES, wait_s=TIMEOUT_S)
        await record.call("list_sources")
        asked = await record.call(
            "ask", question="sum of amount by region", wait_s=TIMEOUT_S, idempotency_key="first question"
        )
        again = {"question": "sum of amount by region", "wait_s": TIMEOUT_S, "idempotency_key": "first question"}
        assert (await record.client.call_tool("ask", again)).structured_content == asked
        await record.call("get_answer", job_id=asked["job_id"], table=1, first_row=2, max_rows=1)
        await record.call("get_chart", job_id=asked["job_id"])
        await record.call("get_code", job_id=asked["job_id"])
        await record.call("ask", question="only where year = 2024", continues=asked["job_id"], wait_s=TIMEOUT_S)
        await record.call("ask", question="sum of amout by region", wait_s=TIMEOUT_S)
        # A session has one question at a time, so the second one waits.
        slow = await record.call("ask", question="average amount by year", wait_s=0)
        other = await record.call("ask", question="how many rows by year", wait_s=0)
        await record.call("cancel", job_id=other["job_id"])
    record.say("the server is started again")
    async with Client(server) as record.client:
        await record.call("wait", job_id=other["job_id"], wait_s=TIMEOUT_S)
        await record.call("wait", job_id=slow["job_id"], wait_s=TIMEOUT_S)
        await record.call("list_jobs")
        for resource in (await record.client.list_resources()).resources:
            record.say(f"resource {resource.uri}")
    written = "\n".join(record.lines) + "\n"
    if os.environ.get("RAYLANE_WRITE_TRANSCRIPT"):
        TRANSCRIPT.write_text(written, encoding="utf-8")
    assert written == TRANSCRIPT.read_text(encoding="utf-8")


async def test_the_program_of_the_page_shows_that_the_server_works(
    system: System, producer: Producer, weather: Path, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[2] / "docs" / "mcp.md").read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    [shown] = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    await (await producer.upload(weather, session_id="sample")).result(TIMEOUT_S)
    ran = await asyncio.create_subprocess_exec(
        *bound(sys.executable, "-c", program),
        cwd=tmp_path,
        env=system.process_environment() | {"PATH": f"{BIN}:{os.environ['PATH']}"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await ran.communicate()
    assert (stdout.decode(), stderr.decode()) == (shown, "")
