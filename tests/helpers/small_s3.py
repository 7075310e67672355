"""An S3 in memory that checks conditions atomically, as AWS does and moto does not; tests can act between requests.

Objects: put, get, head, list, delete, and multipart uploads, which it does not list. Keys are in path style.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import escape, unescape
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

_META: Final = "x-amz-meta-"


@dataclass(frozen=True)
class Stored:
    """One object."""

    data: bytes
    etag: str
    metadata: dict[str, str]


@dataclass
class SmallS3:
    """The server's objects by `bucket/key`, and what tests want to happen around its requests."""

    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, tuple[dict[str, str], dict[int, bytes]]] = field(default_factory=dict)
    """The metadata and the parts of each multipart upload that is not complete."""
    asked: list[str] = field(default_factory=list)
    """Method and key of each request."""
    before: Callable[[str, str], Awaitable[None]] | None = None
    """Called with the method and `bucket/key` before a request has an effect."""
    after: Callable[[str, str], Awaitable[None]] | None = None
    """The same, when it had its effect and has no answer yet."""
    answers: int | None = None
    """How many more requests it answers before it is down; None for all."""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        place, body = unquote(request.raw_path.partition("?")[0])[1:], await request.read()
        self.asked.append(f"{request.method} {place}")
        if self.answers is not None:
            if self.answers == 0:
                return error(503, "SlowDown", with_body=request.method != "HEAD")
            self.answers -= 1
        if self.before is not None:
            await self.before(request.method, place)
        response = self._answer(request, place, body)
        if self.after is not None:
            await self.after(request.method, place)
        return response

    def _answer(self, request: web.Request, place: str, body: bytes) -> web.Response:
        match request.method, "uploadId" in request.query, "uploads" in request.query:
            case "PUT", False, False:
                return self._put(place, body, request.headers) or self._written(place)
            case "POST", False, True:
                upload_id = f"u{len(self.uploads)}-{len(self.asked)}"
                self.uploads[upload_id] = (_metadata(request.headers), {})
                return _xml(
                    200,
                    f"<InitiateMultipartUploadResult><UploadId>{upload_id}</UploadId></InitiateMultipartUploadResult>",
                )
            case "PUT", True, False:
                _, parts = self.uploads[request.query["uploadId"]]
                parts[int(request.query["partNumber"])] = body
                return web.Response(headers={"ETag": _etag(body)})
            case "POST", True, False:
                return self._complete(place, request)
            case "DELETE", True, False:
                self.uploads.pop(request.query["uploadId"], None)
                return web.Response(status=204)
            case "POST", False, False if "delete" in request.query:
                return self._delete(place, body.decode())
            case "GET", False, True:
                return _xml(200, "<ListMultipartUploadsResult></ListMultipartUploadsResult>")
            case "GET", _, _ if "list-type" in request.query:
                return self._list(place, request.query.get("prefix", ""))
            case "DELETE", _, _:
                self.objects.pop(place, None)
                return web.Response(status=204)
            case (("GET" | "HEAD"), _, _):
                return self._read(place, with_body=request.method == "GET")
            case _:
                return error(501, "NotImplemented")

    def _put(
        self,
        place: str,
        data: bytes,
        headers: Mapping[str, str],
        metadata: dict[str, str] | None = None,
        etag: str = "",
    ) -> web.Response | None:
        """Writes the object; returns an error if its condition does not hold."""
        known = self.objects.get(place)
        if headers.get("If-None-Match") == "*" and known is not None:
            return error(412, "PreconditionFailed")
        if (expected := headers.get("If-Match")) is not None:
            if known is None:
                return error(404, "NoSuchKey")
            if known.etag != expected:
                return error(412, "PreconditionFailed")
        self.objects[place] = Stored(data, etag or _etag(data), _metadata(headers) if metadata is None else metadata)
        return None

    def _complete(self, place: str, request: web.Request) -> web.Response:
        upload_id = request.query["uploadId"]
        if upload_id not in self.uploads:
            return error(404, "NoSuchUpload")
        metadata, parts = self.uploads[upload_id]
        data = b"".join(parts[number] for number in sorted(parts))
        refusal = self._put(place, data, request.headers, metadata, f'"{hashlib.md5(data).hexdigest()}-{len(parts)}"')
        if refusal is not None:
            return refusal
        del self.uploads[upload_id]
        return _xml(
            200,
            f"<CompleteMultipartUploadResult><ETag>{self.objects[place].etag}</ETag></CompleteMultipartUploadResult>",
        )

    def _list(self, bucket: str, prefix: str) -> web.Response:
        listed = "".join(
            f"<Contents><Key>{escape(key)}</Key><ETag>{stored.etag}</ETag><Size>{len(stored.data)}</Size></Contents>"
            for place, stored in self.objects.items()
            if (key := place.removeprefix(f"{bucket}/")).startswith(prefix)
        )
        return _xml(200, f"<ListBucketResult><IsTruncated>false</IsTruncated>{listed}</ListBucketResult>")

    def _delete(self, bucket: str, named: str) -> web.Response:
        failed = ""
        for key, etag in re.findall(r"<Key>(.*?)</Key><ETag>(.*?)</ETag>", named):
            known = self.objects.get(place := f"{bucket}/{unescape(key)}")
            if known is not None and known.etag == unescape(etag):
                del self.objects[place]
            else:
                code = "NoSuchKey" if known is None else "PreconditionFailed"
                failed += f"<Error><Key>{key}</Key><Code>{code}</Code></Error>"
        return _xml(200, f"<DeleteResult>{failed}</DeleteResult>")

    def _read(self, place: str, *, with_body: bool) -> web.Response:
        found = self.objects.get(place)
        if found is None:
            return error(404, "NoSuchKey", with_body=with_body)
        headers = {"ETag": found.etag} | {f"{_META}{name}": value for name, value in found.metadata.items()}
        if with_body:
            return web.Response(body=found.data, headers=headers)
        return web.Response(headers=headers | {"Content-Length": str(len(found.data))})

    def _written(self, place: str) -> web.Response:
        return web.Response(headers={"ETag": self.objects[place].etag})


def error(status: int, code: str, message: str = "no", *, with_body: bool = True) -> web.Response:
    """Returns an error as S3 writes it."""
    text = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>" if with_body else ""
    return _xml(status, text)


def _xml(status: int, text: str) -> web.Response:
    return web.Response(
        status=status,
        text=f'<?xml version="1.0" encoding="UTF-8"?>{text}' if text else "",
        content_type="application/xml",
    )


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def _metadata(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower().removeprefix(_META): value for name, value in headers.items() if re.match(_META, name, re.I)}


@asynccontextmanager
async def serving(handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Yields the URL of a server whose requests `handle` answers."""
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{place:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
