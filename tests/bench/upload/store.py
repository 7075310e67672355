"""A server that only stores objects as S3 does: in files, with MD5 as ETag, without signatures, metadata or memory.

moto keeps all bytes in memory and copies them several times, which takes longer than what is measured here.
Run as `python -m tests.bench.upload.store DIRECTORY`; prints its URL.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

_CHUNK = 1024 * 1024


@dataclass(frozen=True)
class Piece:
    """A range of a file."""

    path: Path
    start: int
    size: int


@dataclass(frozen=True)
class Stored:
    """An object or a part: pieces of files, one after another."""

    pieces: tuple[Piece, ...]
    etag: str

    @property
    def size(self) -> int:
        return sum(piece.size for piece in self.pieces)

    def cut(self, start: int, size: int) -> tuple[Piece, ...]:
        """Returns the pieces of a range."""
        found = []
        for piece in self.pieces:
            skipped = min(start, piece.size)
            taken = min(piece.size - skipped, size)
            if taken:
                found.append(Piece(piece.path, piece.start + skipped, taken))
            start, size = start - skipped, size - taken
        return tuple(found)


@dataclass
class Store:
    """The objects and the uploads of all buckets, by `bucket/key`."""

    directory: Path
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, tuple[str, dict[int, Stored]]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        place, query = unquote(request.raw_path.partition("?")[0])[1:], request.query
        bucket, _, key = place.partition("/")
        match request.method:
            case "PUT" if "partNumber" in query:
                upload = self.uploads.get(query["uploadId"])
                if upload is None:
                    return _error(404, "NoSuchUpload")
                part = self._copied(request) or await self._received(request)
                upload[1][int(query["partNumber"])] = part
                copied = "x-amz-copy-source" in request.headers
                return _xml(f"<CopyPartResult><ETag>{part.etag}</ETag></CopyPartResult>") if copied else _etag(part)
            case "PUT" if key:
                self.objects[place] = await self._received(request)
                return _etag(self.objects[place])
            case "POST" if "uploads" in query:
                upload_id = f"u{next(self.numbers)}"
                self.uploads[upload_id] = (place, {})
                tag = "InitiateMultipartUploadResult"
                return _xml(f"<{tag}><Bucket>{bucket}</Bucket><UploadId>{upload_id}</UploadId></{tag}>")
            case "POST" if "uploadId" in query:
                await request.read()
                upload = self.uploads.pop(query["uploadId"], None)
                if upload is None:
                    return _error(404, "NoSuchUpload")
                parts = [part for _, part in sorted(upload[1].items())]
                self.objects[place] = Stored(tuple(piece for part in parts for piece in part.pieces), f'"{len(parts)}"')
                tag = "CompleteMultipartUploadResult"
                return _xml(f"<{tag}><ETag>{self.objects[place].etag}</ETag></{tag}>")
            case "DELETE":
                self.uploads.pop(query.get("uploadId", ""), None)
                if "uploadId" not in query:
                    self.objects.pop(place, None)
                return web.Response(status=204)
            case "GET" if "uploads" in query:
                return _xml(self._uploads(bucket, query.get("prefix", "")))
            case "GET" if "uploadId" in query:
                return _xml(self._parts(query["uploadId"]))
            case "GET" | "HEAD" if key:
                return await self._sent(request, place)
            case _:
                return _xml("<ListBucketResult></ListBucketResult>") if request.method == "GET" else web.Response()

    async def _received(self, request: web.Request) -> Stored:
        path, md5 = self.directory / str(next(self.numbers)), hashlib.md5()
        with path.open("wb") as file:

            def keep(data: bytes) -> None:
                file.write(data)
                md5.update(data)

            gathered = bytearray()
            async for data in _decoded(request):
                gathered += data
                if len(gathered) >= _CHUNK:
                    await asyncio.to_thread(keep, bytes(gathered))
                    gathered.clear()
            await asyncio.to_thread(keep, bytes(gathered))
        return Stored((Piece(path, 0, path.stat().st_size),), f'"{md5.hexdigest()}"')

    def _copied(self, request: web.Request) -> Stored | None:
        source = request.headers.get("x-amz-copy-source")
        if source is None:
            return None
        first, _, last = request.headers["x-amz-copy-source-range"].removeprefix("bytes=").partition("-")
        found = self.objects[unquote(source).removeprefix("/")]
        return Stored(found.cut(int(first), int(last) + 1 - int(first)), '"copied"')

    async def _sent(self, request: web.Request, place: str) -> web.StreamResponse:
        found = self.objects.get(place)
        if found is None:
            return _error(404, "NoSuchKey")
        start = int(request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        pieces: Sequence[Piece] = found.cut(start, found.size - start)
        response = web.StreamResponse(headers={"ETag": found.etag})
        response.content_length = found.size - start
        await response.prepare(request)
        for piece in pieces if request.method == "GET" else ():
            with piece.path.open("rb") as file:
                file.seek(piece.start)
                for left in range(piece.size, 0, -_CHUNK):
                    await response.write(await asyncio.to_thread(file.read, min(left, _CHUNK)))
        await response.write_eof()
        return response

    def _uploads(self, bucket: str, prefix: str) -> str:
        now = datetime.now(UTC).isoformat()
        found = "".join(
            f"<Upload><Key>{escape(place.partition('/')[2])}</Key><UploadId>{upload_id}</UploadId>"
            f"<Initiated>{now}</Initiated></Upload>"
            for upload_id, (place, _) in self.uploads.items()
            if place.startswith(f"{bucket}/{prefix}")
        )
        tag = "ListMultipartUploadsResult"
        return f"<{tag}><IsTruncated>false</IsTruncated>{found}</{tag}>"

    def _parts(self, upload_id: str) -> str:
        now = datetime.now(UTC).isoformat()
        found = "".join(
            f"<Part><PartNumber>{number}</PartNumber><Size>{part.size}</Size><LastModified>{now}</LastModified>"
            f"<ETag>{escape(part.etag)}</ETag></Part>"
            for number, part in sorted(self.uploads[upload_id][1].items())
        )
        return f"<ListPartsResult><IsTruncated>false</IsTruncated>{found}</ListPartsResult>"


async def _decoded(request: web.Request) -> AsyncIterator[bytes]:
    """Yields the body. boto3 sends it in chunks with signatures, which are removed here."""
    if "aws-chunked" not in request.headers.get("Content-Encoding", ""):
        async for data in request.content.iter_any():
            yield data
        return
    while size := int((await request.content.readline()).partition(b";")[0].strip() or b"0", 16):
        while size:
            data = await request.content.read(size)
            size -= len(data)
            yield data
        await request.content.readexactly(2)
    await request.content.read()


def _etag(stored: Stored) -> web.Response:
    return web.Response(headers={"ETag": stored.etag})


def _xml(text: str) -> web.Response:
    return web.Response(text=f'<?xml version="1.0" encoding="UTF-8"?>{text}', content_type="application/xml")


def _error(status: int, code: str) -> web.Response:
    response = _xml(f"<Error><Code>{code}</Code><Message>no</Message></Error>")
    response.set_status(status)
    return response


async def main(directory: Path) -> None:
    app = web.Application(client_max_size=0)
    app.router.add_route("*", "/{place:.*}", Store(directory).handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print("http://{}:{}".format(*runner.addresses[0][:2]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
