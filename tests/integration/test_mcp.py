"""`raylane mcp` as a process, with the client of the protocol's package, a real server of Redis, and lanes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from raylane_common.redis.source_store import SourceStore
from raylane_common.wire.base import Lane
from raylane_common.wire.jobs import JobStatus
from tests.helpers.bound import bound
from tests.helpers.gateways import bearer, write_callers
from tests.helpers.lanes import worker
from tests.helpers.mcp_results import call, images, refused
from tests.helpers.waiting import until
from tests.unit.producer.samples import CSV, GENERATED, UPLOADED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from raylane_common.redis.queue import JobQueue
    from raylane_common.wire.kinds import Result
    from raylane_worker.context import JobContext
    from raylane_worker.embedded import EmbeddedValkey

pytestmark = pytest.mark.timeout(120)
RAYLANE = Path(sys.executable).parent / "raylane"
HANDSHAKE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}


def environment(valkey: EmbeddedValkey) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "AWS_"))}
    return kept | {"RAYLANE_REDIS__URL": valkey.url}


class Work:
    """What the handlers of the lanes do: a question with the word `slow` runs until it is cancelled or released."""

    def __init__(self, redis: Redis) -> None:
        self._sources = SourceStore(redis)
        self.release = asyncio.Event()

    async def upload(self, request: Any, ctx: JobContext) -> Result:
        await self._sources.put(ctx.session_id, [CSV.model_copy(update={"filename": request.filename})])
        return UPLOADED

    async def generate(self, request: Any, ctx: JobContext) -> Result:
        await ctx.progress("writing", "version 1")
        if "slow" in request.prompt:
            await self.release.wait()
        return GENERATED


@pytest.fixture
async def work(redis: Redis) -> AsyncIterator[Work]:
    handlers = Work(redis)
    async with (
        worker(redis, handlers.upload, of=Lane.UPLOAD),
        worker(redis, handlers.generate, of=Lane.GENERATE, concurrency=50),
    ):
        yield handlers


def over_stdio(valkey: EmbeddedValkey, *arguments: str) -> StdioServerParameters:
    program, *rest = bound(RAYLANE, "mcp", *arguments)
    return StdioServerParameters(command=program, args=rest, env=environment(valkey))


async def test_a_session_over_stdio_survives_a_restart_and_many_calls_wait_at_once(
    valkey: EmbeddedValkey, work: Work, queue: JobQueue, tmp_path: Path
) -> None:
    (tmp_path / "temps.csv").write_text("city,temp\nOslo,3\n")
    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with Client(over_stdio(valkey, "--session", "ada", "--files", str(tmp_path))) as client:
        uploaded = await call(client, "upload_file", path="temps.csv")
        assert uploaded["status"] == "succeeded"
        assert [source["name"] for source in (await call(client, "list_sources"))["data"]["sources"]] == ["temps.csv"]
        result = await client.call_tool("ask", {"question": "temp by city"}, progress_callback=note)
        assert result.structured_content["data"]["answer"]["items"][0]["rows"] == [["Oslo", 3.0]]
        assert told == ["queued", "running", "writing: version 1", "succeeded"]
        assert images(await client.call_tool("get_chart", {"job_id": result.structured_content["job_id"]}))
        slow = await call(client, "ask", question="slow", wait_s=0, idempotency_key="one")
        assert not slow["ended"]
    async with Client(over_stdio(valkey), mode="legacy") as client:
        asking = [
            asyncio.create_task(call(client, "ask", session_id=f"s{number}", question="slow", wait_s=60))
            for number in range(40)
        ]
        cancelled = asyncio.create_task(client.call_tool("ask", {"session_id": "x", "question": "slow", "wait_s": 60}))
        await until(lambda: all_run(queue, 41))
        cancelled.cancel()
        await asyncio.gather(cancelled, return_exceptions=True)
        assert await all_run(queue, 41), "giving up a call leaves its job alone"
        work.release.set()
        assert {outcome["status"] for outcome in await asyncio.gather(*asking)} == {"succeeded"}
        again = await call(client, "ask", session_id="ada", question="slow", idempotency_key="one")
        assert (again["job_id"], again["status"]) == (slow["job_id"], "succeeded")
        waited = await call(client, "wait", job_id=slow["job_id"])
        assert waited["data"] == again["data"]
        [answer] = (await client.read_resource(f"raylane://jobs/{slow['job_id']}/answer")).contents
        assert json.loads(answer.text)["items"][1]["value"] == 1  # type: ignore[union-attr]
        assert len((await call(client, "list_jobs", session_id="ada"))["data"]["jobs"]) == 3
    assert (await queue.record(slow["job_id"])).status is JobStatus.SUCCEEDED


async def all_run(queue: JobQueue, count: int) -> bool:
    sessions = [f"s{number}" for number in range(count - 1)] + ["x"]
    records = [record for session in sessions for record in await queue.history(session)]
    return [record.status for record in records] == [JobStatus.RUNNING] * count


@asynccontextmanager
async def process(valkey: EmbeddedValkey, *arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    started = await asyncio.create_subprocess_exec(
        *bound(RAYLANE, "mcp", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(valkey),
        limit=2**24,
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def test_stdout_has_the_protocol_alone_and_the_process_ends_with_stdin(
    valkey: EmbeddedValkey, work: Work
) -> None:
    async with process(valkey) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        nested = "[" * 100_000
        for line in ("not json", "{}", '{"jsonrpc":"2.0","id":9}', nested, '{"a":"\\ud800"}', "\xff\xfe"):
            server.stdin.write(line.encode("latin-1") + b"\n")
        waiting = {"name": "ask", "arguments": {"session_id": "ada", "question": "slow", "wait_s": 300}}
        for message in (
            HANDSHAKE,
            {"jsonrpc": "2.0", "method": "notifications/initialized"},
            {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "no", "arguments": {"\ud83d": 1}}},
            {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": waiting},
            {"jsonrpc": "2.0", "id": 4, "method": "tools/list"},
        ):
            server.stdin.write(json.dumps(message).encode() + b"\n")
        answers: dict[int, Any] = {}
        while not {1, 4} <= answers.keys():
            message = json.loads(await server.stdout.readline())
            if "id" in message:
                answers[message["id"]] = message
        assert len(answers[4]["result"]["tools"]) > 10
        server.stdin.close()
        rest = await server.stdout.read()
        assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
        assert await server.wait() == 0


async def test_sigterm_ends_a_server_that_waits(valkey: EmbeddedValkey, work: Work, queue: JobQueue) -> None:
    async with process(valkey) as server:
        assert server.stdin is not None
        asked = {"name": "ask", "arguments": {"session_id": "ada", "question": "slow", "wait_s": 300}}
        for message in (HANDSHAKE, {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": asked}):
            server.stdin.write(json.dumps(message).encode() + b"\n")
        await until(lambda: has_jobs(queue, "ada", 1))
        server.terminate()
        assert await server.wait() == -signal.SIGTERM
    [record] = await queue.history("ada")
    assert not record.status.is_final


async def test_a_client_that_no_longer_reads_ends_the_server_without_a_word(valkey: EmbeddedValkey) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    server = await asyncio.create_subprocess_exec(
        *bound(RAYLANE, "mcp"),
        stdin=asyncio.subprocess.PIPE,
        stdout=writing,
        stderr=asyncio.subprocess.PIPE,
        env=environment(valkey),
    )
    os.close(writing)
    _, stderr = await server.communicate(json.dumps(HANDSHAKE).encode() + b"\n")
    assert (server.returncode, stderr) == (0, b"")


async def has_jobs(queue: JobQueue, session_id: str, count: int) -> bool:
    return len(await queue.history(session_id)) == count


@asynccontextmanager
async def over_http(valkey: EmbeddedValkey, port: int, callers: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Yields a server that answers."""
    started = await asyncio.create_subprocess_exec(
        *bound(RAYLANE, "mcp", "--http", "--port", str(port)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(valkey) | {"RAYLANE_GATEWAY__TOKENS_FILE": str(callers)},
    )
    try:
        assert started.stdout is not None
        assert b"listening at" in await started.stdout.readline()
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


@asynccontextmanager
async def http_client(port: int, name: str, mode: str = "legacy") -> AsyncIterator[Client]:
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(httpx2.AsyncClient(headers=bearer(name), timeout=60))
        transport = streamable_http_client(f"http://127.0.0.1:{port}/mcp", http_client=http)
        yield await stack.enter_async_context(Client(transport, mode=mode))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


async def test_sessions_over_http_go_on_after_a_restart_and_stay_with_their_callers(
    valkey: EmbeddedValkey, work: Work, queue: JobQueue, tmp_path: Path
) -> None:
    rights = ["ask", "read"]
    callers = write_callers(
        tmp_path / "callers.json",
        ada={"rights": rights, "sessions": ["ada"]},
        bob={"rights": rights, "sessions": ["bob"]},
    )
    port = free_port()
    told: list[str | None] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with AsyncExitStack() as clients:
        async with over_http(valkey, port, callers) as server:
            # The protocol of today, and the one in which every request is independent.
            ada = await clients.enter_async_context(http_client(port, "ada", "legacy"))
            bob = await clients.enter_async_context(http_client(port, "bob", "auto"))
            assert (ada.protocol_version, bob.protocol_version) == ("2025-11-25", "2026-07-28")
            jobs = {}
            for session_id, client in (("ada", ada), ("bob", bob)):
                assert "upload_file" not in {tool.name for tool in (await client.list_tools()).tools}
                file = {"session_id": session_id, "filename": "temps.csv", "content": "city,temp\nOslo,3\n"}
                await call(client, "upload_text", **file)
                asked = {"session_id": session_id, "question": "temp by city"}
                result = await client.call_tool("ask", asked, progress_callback=note)
                assert told == ["queued", "running", "writing: version 1", "succeeded"]
                told.clear()
                jobs[session_id] = result.structured_content["job_id"]
            for session_id, client in (("ada", bob), ("bob", ada)):
                await assert_hidden(client, session_id, jobs[session_id])
            await assert_refusals(port)
            waiting = [
                asyncio.create_task(
                    client.call_tool(
                        "ask",
                        {"session_id": session_id, "question": "slow", "wait_s": 300},
                        progress_callback=note,
                    )
                )
                for session_id, client in (("ada", ada), ("bob", bob))
            ]
            await until(lambda: told.count("writing: version 1") == len(waiting))
            server.terminate()
            assert await server.wait() == 0
            slow = [result.structured_content for result in await asyncio.gather(*waiting)]
            assert [outcome["ended"] for outcome in slow] == [False, False]
        async with over_http(valkey, port, callers):
            work.release.set()
            for client, outcome in ((ada, slow[0]), (bob, slow[1])):
                assert (await call(client, "wait", job_id=outcome["job_id"]))["status"] == "succeeded"


async def assert_hidden(client: Client, session_id: str, job_id: str) -> None:
    """Nothing of a session that is not the caller's can be seen."""
    for tool in ("wait", "cancel", "get_answer", "get_chart", "get_code", "get_log"):
        assert (await refused(client, tool, job_id=job_id))[0] == "job_not_found"
    assert (await refused(client, "list_sources", session_id=session_id))[0] == "forbidden"
    for uri in (f"raylane://jobs/{job_id}/answer", f"raylane://sessions/{session_id}/sources"):
        with pytest.raises(MCPError):
            await client.read_resource(uri)


async def assert_refusals(port: int) -> None:
    """Without a token nobody gets in, and only messages are taken."""
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await http.post("/mcp", json=HANDSHAKE)).status_code == 401
        wrong = await http.post("/mcp", json=HANDSHAKE, headers=bearer("eve"))
        assert (wrong.status_code, wrong.json()["code"]) == (401, "unauthenticated")
        for method in ("GET", "DELETE"):
            answer = await http.request(method, "/mcp", headers=bearer("ada"))
            assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")
        assert (await http.get("/other", headers=bearer("ada"))).status_code == 404
