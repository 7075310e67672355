"""`upload` jobs: write a file to S3 and add it to the session's sources, or say how it would be read.

Everything is safe to repeat: the S3 keys and the session's field follow from the request, and the bytes are the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, assert_never

from raylane_common.errors import InvalidRequest
from raylane_common.wire.sources import FileSource, PreparedCopy
from raylane_common.wire.upload import PreviewRequest, PreviewResult, UploadRequest, UploadResult
from raylane_worker.context import Handler
from raylane_worker.data.layout import original_key, prepared_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane_common.wire.upload import AnyUploadRequest, AnyUploadResult
    from raylane_worker.context import JobContext
    from raylane_worker.data.prepare import FileContent
    from raylane_worker.data.storage import Storage

_MEDIA_TYPES: Final = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet"}


async def upload(request: AnyUploadRequest, ctx: JobContext) -> AnyUploadResult:
    """Performs the request's action on the staged bytes.

    Raises `StagedBodyMissing`, `InvalidRequest` if the bytes are not those of the request, `InvalidFile`,
    `StorageUnavailable`, `StorageRejected` and what `JobPort` raises.
    """
    body = await ctx.port.body()
    await ctx.progress("reading", f"{request.filename}, {len(body):,} bytes")
    async with _scratch() as scratch:
        copy = scratch / "copy.parquet"
        found = await asyncio.to_thread(_read, request, body, scratch / "original", copy)
        match request:
            case UploadRequest():
                return await _store(request, ctx, body, found, copy)
            case PreviewRequest():
                return PreviewResult(
                    filename=request.filename,
                    bytes=len(body),
                    rows=found.rows,
                    reading=found.reading,
                    reasons=found.reasons,
                    columns=found.columns,
                    preview=found.preview,
                    warnings=found.warnings,
                )
            case _:
                assert_never(request)


async def _store(request: UploadRequest, ctx: JobContext, body: bytes, found: FileContent, copy: Path) -> UploadResult:
    """Writes the file and its prepared copy to S3, and then adds the source to the session."""
    storage, key = await ctx.storage(), original_key(ctx.session_id, request.filename)
    await ctx.progress("storing", f"{found.rows:,} rows to {storage.bucket}/{key}")
    await storage.put(key, body, content_type=_MEDIA_TYPES.get(Path(key).suffix.lower(), "application/octet-stream"))
    prepared = await _store_copy(request, ctx, storage, found, copy) if found.reasons else None
    source = FileSource(
        filename=request.filename,
        s3_uri=storage.uri(key),
        size_bytes=len(body),
        rows=found.rows,
        reading=found.reading,
        prepared=prepared,
        columns=found.columns,
        warnings=found.warnings,
        enqueued_ms=ctx.record.enqueued_at,
        job_id=ctx.job_id,
    )
    await ctx.resources.sources.put(ctx.session_id, [source])
    return UploadResult(
        s3_uri=source.s3_uri,
        bucket=storage.bucket,
        key=key,
        bytes=len(body),
        rows=found.rows,
        reading=found.reading,
        prepared=prepared,
        columns=found.columns,
        preview=found.preview,
        warnings=found.warnings,
    )


async def _store_copy(
    request: UploadRequest, ctx: JobContext, storage: Storage, found: FileContent, copy: Path
) -> PreparedCopy:
    key, data = prepared_key(ctx.session_id, request.filename), await asyncio.to_thread(copy.read_bytes)
    await storage.put(key, data, content_type=_MEDIA_TYPES[".parquet"])
    return PreparedCopy(s3_uri=storage.uri(key), size_bytes=len(data), reasons=found.reasons)


@asynccontextmanager
async def _scratch() -> AsyncIterator[Path]:
    """A directory for the files of one attempt."""
    directory = await asyncio.to_thread(TemporaryDirectory, prefix="raylane-")
    try:
        yield Path(directory.name)
    finally:
        await asyncio.to_thread(directory.cleanup)


def _read(request: AnyUploadRequest, body: bytes, original: Path, copy: Path) -> FileContent:
    if len(body) != request.size_bytes:
        raise InvalidRequest.field(
            "size_bytes", f"{len(body)} bytes were staged, not {request.size_bytes}; upload again"
        )
    if hashlib.sha256(body).hexdigest() != request.sha256:
        raise InvalidRequest.field("sha256", "the staged bytes have another checksum; upload the file again")
    original.write_bytes(body)
    # pyarrow takes 51 MiB, so it is imported when a job needs it. This function runs in a thread.
    from raylane_worker.data.prepare import read_file

    return read_file(original, request.filename, request.reading, copy_to=copy)


HANDLER: Final = Handler(upload)
