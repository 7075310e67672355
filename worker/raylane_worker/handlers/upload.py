"""`upload` jobs: write a file to S3 and add it to the session's sources, or report how it would be read.

Everything is safe to repeat: the S3 keys and the session's field follow from the request, and the bytes are the same.
An upload that was enqueued before another one of the same file never replaces it, however late it is tried again.
See docs/decisions/0034.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final, assert_never

from raylane_common.counting import counted
from raylane_common.errors import RaylaneError, SourceReplaced, StorageError
from raylane_common.limits import MAX_PARTS
from raylane_common.logs import get_logger
from raylane_common.redis.queue.scripts.calls import FileUpload
from raylane_common.wire.sources import FileSource, PreparedCopy
from raylane_common.wire.upload import (
    MAX_SIGNED_PARTS,
    PreviewRequest,
    PreviewResult,
    PurgeRequest,
    PurgeResult,
    ReadInPlaceRequest,
    SignedPartsResult,
    SignFilesRequest,
    SignPartsRequest,
    StartTransferRequest,
    TransferResult,
    UploadChecksRequest,
    UploadRequest,
    UploadResult,
)
from raylane_worker.context import Handler
from raylane_worker.data.layout import PARQUET, media_type, original_key, part_size, prepared_key
from raylane_worker.data.originals import Original, Staged, Transferred
from raylane_worker.data.preparing import Preparing
from raylane_worker.data.scratch import scratch
from raylane_worker.data.target import Target
from raylane_worker.data.upload_order import Order, Superseded
from raylane_worker.doctor.examine import examine
from raylane_worker.handlers import answer_files, in_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from raylane_common.wire.reading import ReadingOptions
    from raylane_common.wire.upload import AnyUploadRequest, AnyUploadResult
    from raylane_worker.context import JobContext
    from raylane_worker.data.file_content import FileContent
    from raylane_worker.data.storage.purge import Purged

logger = get_logger("raylane.worker")

# In the directory of an attempt.
_ORIGINAL: Final = "original"
_COPY: Final = "copy.parquet"


async def upload(request: AnyUploadRequest, ctx: JobContext) -> AnyUploadResult:
    """Performs the request's action.

    Raises `StagedBodyMissing`, `InvalidRequest` if the bytes are not those of the request, `InvalidFile`,
    `SessionFull`, `ScratchFull`, `StorageUnavailable`, `StorageRejected`, what `JobPort` raises, and what
    `answer_files.sign` raises.
    """
    match request:
        case StartTransferRequest():
            return await _start_transfer(request, ctx)
        case SignPartsRequest():
            return await _sign_parts(request, ctx)
        case SignFilesRequest():
            return await answer_files.sign(request, ctx)
        case PurgeRequest():
            return await _purge(ctx)
        case ReadInPlaceRequest():
            object_, size_bytes = await in_place.find(request, ctx)
            file = _File(request.filename, size_bytes, request.reading, request.s3_uri)
            return await _store_read(file, object_, ctx)
        case UploadRequest() | PreviewRequest():
            return await _read(request, ctx)
        case UploadChecksRequest():
            return await examine(request, ctx)
        case _:
            assert_never(request)


async def _start_transfer(request: StartTransferRequest, ctx: JobContext) -> TransferResult:
    """Begins the upload to S3, or finds it, and signs the addresses of the first parts that are missing.

    Raises `SessionFull` before anything is sent, if the session may not have the file.
    """
    settings = ctx.resources.settings.uploads
    if request.into_session is not None:
        upload = FileUpload(request.filename, ctx.job_id, ctx.record.enqueued_at, request.size_bytes or 0)
        with suppress(SourceReplaced):
            await ctx.resources.sources.place_of(request.into_session, upload, ctx.resources.settings.sessions)
    transfers = (await ctx.storage()).transfers
    upload_id, stored = await transfers.begin(request.transfer_id)
    part_bytes = part_size(request.size_bytes or 1, settings.part_bytes)
    known = {part.number for part in stored}
    count = MAX_PARTS if request.size_bytes is None else -(-request.size_bytes // part_bytes)
    missing = islice((number for number in range(1, count + 1) if number not in known), MAX_SIGNED_PARTS)
    urls = await transfers.sign(request.transfer_id, upload_id, missing, settings.url_ttl_s)
    return TransferResult(
        upload_id=upload_id, part_bytes=part_bytes, stored=tuple(stored), urls=urls, valid_s=settings.url_ttl_s
    )


async def _sign_parts(request: SignPartsRequest, ctx: JobContext) -> SignedPartsResult:
    valid_s = ctx.resources.settings.uploads.url_ttl_s
    transfers = (await ctx.storage()).transfers
    urls = await transfers.sign(request.transfer_id, request.upload_id, request.numbers, valid_s)
    return SignedPartsResult(urls=urls, valid_s=valid_s)


async def _purge(ctx: JobContext) -> PurgeResult:
    """Deletes what the session has on S3, after its sources, so that no source names an object that is gone.

    Keeps what was uploaded after the purge was enqueued.
    """
    storage, sources, session_id = await ctx.storage(), ctx.resources.sources, ctx.session_id
    # Nothing says when a table was selected. What the first attempt has left was selected later.
    is_first = ctx.record.attempt <= 1
    removed, enqueued_us = await sources.purge(session_id, ctx.job_id, ctx.record.enqueued_at, tables=is_first)

    async def kept() -> set[str]:
        names = await sources.uploaded_since(session_id, enqueued_us)
        return {key for name in names for key in (original_key(session_id, name), prepared_key(session_id, name))}

    purged: list[Purged] = []
    # The bucket may have been changed at run time, and the session may have files in all of them.
    for bucket in dict.fromkeys((storage.bucket, *ctx.resources.settings.storage.allowed_buckets)):
        await ctx.progress("purging", f"session {session_id} in {bucket}")
        purged.append(await storage.at(bucket).purge(session_id, kept))
    objects, size_bytes, uploads = map(sum, zip(*purged, strict=True))
    return PurgeResult(sources=removed, objects=objects, bytes=size_bytes, uploads=uploads)


@dataclass(frozen=True)
class _File:
    """A file of a session: its name there, its size, how it is written, and where it is or will be stored."""

    filename: str
    size_bytes: int
    reading: ReadingOptions
    s3_uri: str


async def _read(request: UploadRequest | PreviewRequest, ctx: JobContext) -> UploadResult | PreviewResult:
    """Reads the file, and stores it for an upload. Removes its transfer unless a requeued job may need the parts."""
    original = await _original(request, ctx)
    try:
        if isinstance(request, PreviewRequest):
            file = _File(request.filename, request.size_bytes, request.reading, "")
            async with _content(file, original, ctx) as (found, _):
                result: UploadResult | PreviewResult = _previewed(request, found)
        else:
            uri = (await ctx.storage()).uri(original_key(ctx.session_id, request.filename))
            result = await _store_read(_File(request.filename, request.size_bytes, request.reading, uri), original, ctx)
    except RaylaneError as error:
        # A job that is not at fault becomes a dead letter, which needs the bytes when it is requeued.
        if not error.outside_job:
            await _forget(original, ctx)
        raise
    await _forget(original, ctx)
    return result


async def _store_read(file: _File, original: Original, ctx: JobContext) -> UploadResult:
    await _check_room(file, ctx)
    async with _content(file, original, ctx) as (found, directory):
        return await _store(file, ctx, original, found, directory)


@asynccontextmanager
async def _content(file: _File, original: Original, ctx: JobContext) -> AsyncIterator[tuple[FileContent, Path]]:
    """Yields what the file holds, and the directory with the file and, if there is a reason for one, its copy."""
    await ctx.progress("reading", f"{file.filename}, {counted(file.size_bytes, 'byte')}")
    # The prepared copy is rarely larger than the file.
    needed_bytes = 2 * file.size_bytes
    async with scratch(ctx.resources.settings.uploads.scratch_dir, needed_bytes) as directory:
        path = directory / _ORIGINAL
        await original.fetch(path)
        # How Ray reads a file depends on its name, and one that stays in place has a name of its own.
        name = file.s3_uri or file.filename
        share_samples = ctx.resources.settings.generation.share_samples
        yield (
            await Preparing().prepare(path, name, file.reading, copy_to=directory / _COPY, share_samples=share_samples),
            directory,
        )


async def _original(request: UploadRequest | PreviewRequest, ctx: JobContext) -> Original:
    if request.transfer_id is None:
        return Staged(await ctx.port.body(), request.size_bytes, request.sha256)
    key = original_key(ctx.session_id, request.filename) if isinstance(request, UploadRequest) else None
    return Transferred(await ctx.storage(), request.transfer_id, request.size_bytes, request.sha256, key)


async def _forget(original: Original, ctx: JobContext) -> None:
    try:
        await original.forget()
    except StorageError as error:
        _log_left(error, ctx)


def _log_left(error: StorageError, ctx: JobContext) -> None:
    # The sweep removes it later, and the outcome of the job does not depend on it.
    logger.warning("job %s: its transfer is left on S3: %s", ctx.job_id, error)


async def clean_up(request: AnyUploadRequest, ctx: JobContext) -> None:
    """Removes the transfer of a job that was cancelled."""
    if ctx.record.cancel_requested_at is None:
        return
    if isinstance(request, UploadRequest | PreviewRequest) and request.transfer_id is not None:
        try:
            original = await _original(request, ctx)
        except StorageError as error:
            _log_left(error, ctx)
        else:
            await _forget(original, ctx)


def _previewed(request: PreviewRequest, found: FileContent) -> PreviewResult:
    return PreviewResult(
        filename=request.filename,
        bytes=request.size_bytes,
        rows=found.rows,
        reading=found.reading,
        reasons=found.reasons,
        columns=found.columns,
        preview=found.preview,
        warnings=found.warnings,
    )


async def _store(file: _File, ctx: JobContext, original: Original, found: FileContent, directory: Path) -> UploadResult:
    """Writes the file and its prepared copy to S3, and then adds the source to the session.

    If a newer upload of the file was there first, the result is the same as if it had come later, with a warning.
    """
    bucket, _, key = file.s3_uri.removeprefix("s3://").partition("/")
    await ctx.progress("storing", f"{counted(found.rows, 'row')} of {bucket}/{key}")
    prepared, warnings = None, found.warnings
    try:
        prepared = await _write(file, ctx, original, found, directory)
    except (SourceReplaced, Superseded) as newer:
        job_id = newer.newer.job_id if isinstance(newer, Superseded) else newer.details["job_id"]
        if isinstance(newer, SourceReplaced) and newer.details.get("purged"):
            warnings += (f"{file.filename} was purged while it was stored (job {job_id}); upload it again",)
        else:
            warnings += (f"a newer upload of {file.filename} (job {job_id}) has replaced this one",)
    return UploadResult(
        s3_uri=file.s3_uri,
        bucket=bucket,
        key=key,
        bytes=file.size_bytes,
        rows=found.rows,
        reading=found.reading,
        prepared=prepared,
        columns=found.columns,
        preview=found.preview,
        warnings=warnings,
    )


async def _check_room(file: _File, ctx: JobContext) -> None:
    """Raises `SessionFull` before the file is read, if the session may not have it."""
    with suppress(SourceReplaced):
        await ctx.resources.sources.place_of(ctx.session_id, _upload_of(file, ctx), ctx.resources.settings.sessions)


def _upload_of(file: _File, ctx: JobContext) -> FileUpload:
    return FileUpload(file.filename, ctx.job_id, ctx.record.enqueued_at, file.size_bytes)


async def _write(
    file: _File, ctx: JobContext, original: Original, found: FileContent, directory: Path
) -> PreparedCopy | None:
    """Writes the objects and the source. Raises `SourceReplaced` or `Superseded` if a newer upload did.

    All that takes time, or may fail for long, comes before the earlier source of the file is removed.
    """
    storage, sources, limits = await ctx.storage(), ctx.resources.sources, ctx.resources.settings.sessions
    upload, key = _upload_of(file, ctx), original_key(ctx.session_id, file.filename)
    place = await sources.place_of(ctx.session_id, upload, limits)
    order, prepared = Order(place.enqueued_us, ctx.job_id), None
    async with AsyncExitStack() as sending:
        target = Target(key, media_type(found.reading), order, replaces=place.replaces)
        puts = [await sending.enter_async_context(original.sent(storage, target, directory / _ORIGINAL))]
        if found.reasons:
            copy = directory / _COPY
            target = Target(prepared_key(ctx.session_id, file.filename), PARQUET, order, replaces=place.replaces)
            puts.append(await sending.enter_async_context(storage.files.sent(target, copy)))
            size_bytes = (await asyncio.to_thread(copy.stat)).st_size
            prepared = PreparedCopy(s3_uri=storage.uri(target.key), size_bytes=size_bytes, reasons=found.reasons)
        # From here on the session has no source of an earlier upload, whose bytes are about to be replaced.
        await sources.claim(ctx.session_id, upload, limits)
        for put in puts:
            await put()
    source = FileSource(
        filename=file.filename,
        s3_uri=file.s3_uri,
        size_bytes=file.size_bytes,
        rows=found.rows,
        reading=found.reading,
        prepared=prepared,
        columns=found.columns,
        warnings=found.warnings,
        enqueued_ms=ctx.record.enqueued_at,
        job_id=ctx.job_id,
    )
    await sources.put(ctx.session_id, [source], limits)
    return prepared


HANDLER: Final = Handler(upload, clean_up)
