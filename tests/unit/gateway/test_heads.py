"""`HEAD` and `OPTIONS`: what `GET` would answer, without its body, and what an address takes."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

import pytest

from raylane.gateway.heads import HeadRequests
from raylane.gateway.inclusion import routes_of
from tests.unit.gateway.access.test_middleware import Stream
from tests.unit.producer.samples import GENERATED

if TYPE_CHECKING:
    import httpx
    from fastapi import FastAPI
    from starlette.types import Receive, Scope, Send

    from raylane.testing import MemoryProducer


async def test_every_address_that_takes_get_takes_head(
    app: FastAPI, client: httpx.AsyncClient, producer: MemoryProducer
) -> None:
    job = await producer.generate("how warm?", session_id="ada", execute=True)
    await producer.succeed(job.id, GENERATED)
    paths = {route.path for route in routes_of(app) if "GET" in (route.methods or ())}
    assert len(paths) > 30
    # The length of these is another one each time.
    for path in sorted(paths - {"/metrics", "/readyz", "/health"}):
        url = path.format_map(defaultdict(lambda: "some", job_id=job.id, session_id="ada"))
        is_look = path.startswith(("/v1/cluster", "/v1/runs", "/v1/catalog", "/ray", "/glue")) and "slots" not in path
        params = {"wait_s": "0"} if is_look and path.startswith("/v1") else {}
        got = await client.get(url, params=params)
        head = await client.head(url, params=params)
        assert (head.status_code, head.content) == (got.status_code, b""), path
        if not is_look:
            assert head.headers.keys() == got.headers.keys(), path
            differ = {name for name, _ in {*head.headers.items()} ^ {*got.headers.items()}}
            # The age of a lane's jobs may have one more digit by now.
            aging = {"content-length"} if path.startswith("/v1/lanes") else set[str]()
            assert differ - aging == {"x-request-id"}, path


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/vnd.apache.parquet", "image/svg+xml"])
async def test_an_answer_says_how_long_it_is(accept: str, client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job = await producer.generate("how warm?", session_id="ada", execute=True)
    await producer.succeed(job.id, GENERATED)
    path, sent = f"/v1/jobs/{job.id}/answer", {"Accept": accept}
    got, head = await client.get(path, headers=sent), await client.head(path, headers=sent)
    assert int(head.headers["content-length"]) == int(got.headers["content-length"]) == len(got.content) > 0


async def test_a_stream_of_which_only_the_head_is_asked_is_not_left_open() -> None:
    open_ = 0

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal open_
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        open_ += 1
        try:
            await send({"type": "http.response.body", "body": b"data: 1", "more_body": True})
            await asyncio.Event().wait()
        finally:
            open_ -= 1

    stream = Stream(HeadRequests(app))
    stream.method = "HEAD"
    await stream.run()
    assert (stream.status, stream.body, open_) == (200, b"", 0)


async def test_a_job_is_not_followed_by_head(client: httpx.AsyncClient, producer: MemoryProducer) -> None:
    job = await producer.generate("how warm?", session_id="ada", execute=True)
    head = await client.head(f"/v1/jobs/{job.id}/events")
    assert (head.status_code, head.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


async def test_options_say_what_an_address_takes(client: httpx.AsyncClient) -> None:
    answer = await client.options("/v1/jobs")
    assert (answer.status_code, answer.headers["allow"]) == (204, "GET, HEAD, OPTIONS, POST")
    assert (await client.options("/v1/jobs/j/cancel")).headers["allow"] == "OPTIONS, POST"
    assert (await client.options("/v1/nothing")).status_code == 404
    refused = await client.head("/v1/jobs/j/cancel")
    assert (refused.status_code, refused.content) == (405, b"")
