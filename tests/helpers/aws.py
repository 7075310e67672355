"""Settings, clients and broken servers for tests that speak to S3 and Glue."""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiobotocore.session import get_session

from raylane_common.settings import AwsSettings, StorageSettings
from raylane_worker.data import storage
from raylane_worker.data.aws import client_arguments
from raylane_worker.data.upload_order import Order
from raylane_worker.embedded import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence

    import pytest
    from types_aiobotocore_glue import GlueClient
    from types_aiobotocore_s3 import S3Client


# Of the uploads of tests that have only one.
ORDER = Order(1, "j")

# Shared, since each new session loads the description of a service again: 0.1 s for Glue.
_SESSION = get_session()


def aws_settings(url: str, **changes: Any) -> AwsSettings:
    """The settings for an embedded or broken server."""
    defaults: dict[str, Any] = {
        "region": REGION,
        "endpoint_url": url,
        "access_key_id": ACCESS_KEY_ID,
        "secret_access_key": SECRET_ACCESS_KEY,
        "max_tries": 1,
        # A transfer gets no time but that of the call, so that broken servers do not hold up a test.
        "slowest_bytes_per_s": 10**9,
    }
    return AwsSettings.model_validate(defaults | changes)


def share_session(patch: pytest.MonkeyPatch) -> None:
    """Makes each `Storage` of a test use the session of all tests, which has loaded the description of S3 already."""
    patch.setattr(storage, "traced_session", lambda: _SESSION)


def own_bucket(*, create: bool = True) -> StorageSettings:
    """A bucket that no other test has."""
    return StorageSettings(bucket=f"test-{uuid.uuid4().hex}", create_bucket=create)


@asynccontextmanager
async def s3(url: str) -> AsyncIterator[S3Client]:
    """An S3 client, to look at what the code under test wrote."""
    async with _SESSION.create_client("s3", **client_arguments(aws_settings(url))) as client:
        yield client


@asynccontextmanager
async def glue(url: str) -> AsyncIterator[GlueClient]:
    """A Glue client, to fill the catalog."""
    async with _SESSION.create_client("glue", **client_arguments(aws_settings(url))) as client:
        yield client


@asynccontextmanager
async def answering(status: str, body: str) -> AsyncIterator[str]:
    """The URL of a server that gives every request the same answer, without waiting for the request's body."""

    async def answer(_head: bytes, _reader: asyncio.StreamReader) -> tuple[str, str]:
        return status, body

    async with _serving(answer) as url:
        yield url


@asynccontextmanager
async def paging(pages: Sequence[Mapping[str, object]]) -> AsyncIterator[str]:
    """The URL of a Glue that gives one page for each request; moto gives everything at once."""

    async def answer(head: bytes, reader: asyncio.StreamReader) -> tuple[str, str]:
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        number = int(json.loads(await reader.readexactly(length)).get("NextToken", "0"))
        rest = {"NextToken": str(number + 1)} if number + 1 < len(pages) else {}
        return "200 OK", json.dumps({**pages[number], **rest})

    async with _serving(answer) as url:
        yield url


@asynccontextmanager
async def _serving(
    answer: Callable[[bytes, asyncio.StreamReader], Awaitable[tuple[str, str]]],
) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            status, body = await answer(await reader.readuntil(b"\r\n\r\n"), reader)
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}".encode()
            )
            await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """The URL of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def closed() -> str:
    """The URL of a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}"
