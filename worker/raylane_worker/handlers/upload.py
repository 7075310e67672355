"""`upload` jobs: write a CSV to S3 and add it to the session's sources.

Everything is safe to repeat: the S3 key and the session's field follow from the request, and the bytes are the same.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest
from raylane_common.wire.sources import CsvSource
from raylane_common.wire.upload import UploadResult
from raylane_worker.context import Handler
from raylane_worker.data.layout import csv_key

if TYPE_CHECKING:
    from raylane_common.wire.upload import UploadRequest
    from raylane_worker.context import JobContext
    from raylane_worker.data.csv_profile import CsvProfile


async def upload(request: UploadRequest, ctx: JobContext) -> UploadResult:
    """Checks the staged bytes, writes them to S3, and then adds the source to the session.

    Raises `StagedBodyMissing`, `InvalidRequest` if the bytes are not those of the request, `InvalidCsv`,
    `StorageUnavailable`, `StorageRejected` and what `JobPort` raises.
    """
    body = await ctx.port.body()
    await ctx.progress("checking", f"{request.filename}, {len(body):,} bytes")
    found = await asyncio.to_thread(_check, request, body)
    storage, key = await ctx.storage(), csv_key(ctx.session_id, request.filename)
    await ctx.progress("storing", f"{found.rows:,} rows to {storage.bucket}/{key}")
    await storage.put(key, body, content_type="text/csv")
    source = CsvSource(
        filename=request.filename,
        s3_uri=storage.uri(key),
        size_bytes=len(body),
        rows=found.rows,
        columns=found.columns,
        job_id=ctx.job_id,
    )
    await ctx.resources.sources.put(ctx.session_id, [source])
    return UploadResult(
        s3_uri=source.s3_uri,
        bucket=storage.bucket,
        key=key,
        bytes=len(body),
        rows=found.rows,
        columns=found.columns,
        preview=found.preview,
        warnings=found.warnings,
    )


def _check(request: UploadRequest, body: bytes) -> CsvProfile:
    if len(body) != request.size_bytes:
        raise InvalidRequest.field(
            "size_bytes", f"{len(body)} bytes were staged, not {request.size_bytes}; upload again"
        )
    if hashlib.sha256(body).hexdigest() != request.sha256:
        raise InvalidRequest.field("sha256", "the staged bytes have another checksum; upload the file again")
    # pyarrow takes 51 MiB, so it is imported when a job needs it. This function runs in a thread.
    from raylane_worker.data.csv_profile import profile

    return profile(body)


HANDLER: Final = Handler(upload)
