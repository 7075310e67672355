"""Decides how an upload travels, through Redis or straight to S3, and returns the job that registers it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from functools import cached_property
from typing import TYPE_CHECKING, Final

from raylane import arguments
from raylane.transfer.addresses import Addresses
from raylane.transfer.asking import ask
from raylane.transfer.content import content_of
from raylane_common.errors import JobNotFound
from raylane_common.limits import MAX_UPLOAD_BYTES
from raylane_common.telemetry import tracing
from raylane_common.wire.upload import (
    SignedPartsResult,
    SignPartsRequest,
    StartTransferRequest,
    TransferResult,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from raylane.given_files import GivenFile
    from raylane.handle import JobHandle
    from raylane.options import Enqueuer, ResultT
    from raylane.transfer.content import Content, Data
    from raylane.transfer.progress import UploadProgress
    from raylane_common.redis.queue import JobQueue
    from raylane_common.settings import Settings, UploadSettings
    from raylane_common.wire.jobs import NewJob

# Placeholders for what is known only when the file has been read.
_NO_SHA256: Final = "0" * 64
_NO_TRANSFER: Final = "0" * 32


class Uploader:
    """Sends the bytes of uploads to where a worker finds them."""

    def __init__(self, queue: JobQueue, jobs: Enqueuer, settings: Settings | None) -> None:
        """`settings` are read from the environment at the first upload if None."""
        self._queue = queue
        self._jobs = jobs
        self._given_settings = settings

    async def upload(
        self,
        data: Data,
        given: GivenFile,
        result_type: type[ResultT],
        progress: Callable[[UploadProgress], None] | None = None,
    ) -> JobHandle[ResultT]:
        """Enqueues the job for `data`, once its bytes are staged with the job or stored on S3.

        `progress` is called with what was sent. Raises `InvalidRequest`, what sending and signing raise, and
        `WaitTimeout` if no worker starts the transfer.
        """
        # The jobs that sign the addresses of a large file, its parts and the job itself are one trace.
        with tracing.span("upload"):
            return await self._jobs.put(await self._job_for(data, given, progress), result_type)

    async def _job_for(self, data: Data, given: GivenFile, progress: Callable[[UploadProgress], None] | None) -> NewJob:
        content = await asyncio.to_thread(content_of, data)
        try:
            given = given.named(content.name)
            small = await content.whole(self._settings.staged_bytes)
            if small is None:
                return await self._sent(content, given, progress)
            arguments.check_size("data", len(small), self._settings.staged_bytes)
            return await asyncio.to_thread(given.staged, small)
        finally:
            content.close()

    async def _sent(
        self, content: Content, given: GivenFile, progress: Callable[[UploadProgress], None] | None
    ) -> NewJob:
        arguments.check_size("data", content.size_bytes or 1, MAX_UPLOAD_BYTES)
        # Made early, so that a wrong option is refused before gigabytes are sent.
        known = given.job(content.size_bytes or 1, _NO_SHA256, transfer_id=_NO_TRANSFER)
        has_own_id = given.options.get("job_id") is not None
        transfer_id = await _transfer_id(content, given, known.id if has_own_id else None)
        from raylane.transfer.sending import Sending, summary_of  # with aiohttp, which small uploads do not need

        if has_own_id and await self._exists(known.id):
            return given.job(*await summary_of(content), transfer_id=transfer_id)
        start = StartTransferRequest(
            transfer_id=transfer_id,
            filename=given.filename or "",
            size_bytes=content.size_bytes,
            into_session=given.session_id,
        )
        asked_at_s = asyncio.get_running_loop().time()
        started = await self._ask(start, TransferResult)

        async def sign(numbers: Sequence[int]) -> SignedPartsResult:
            return await self._ask(
                SignPartsRequest(transfer_id=transfer_id, upload_id=started.upload_id, numbers=tuple(numbers)),
                SignedPartsResult,
            )

        addresses = Addresses(started, content.size_bytes, asked_at_s, sign)
        sending = Sending(content, started, addresses, self._settings, progress)
        return given.job(*await sending.run(), transfer_id=transfer_id)

    @cached_property
    def _settings(self) -> UploadSettings:
        from raylane_common.settings import load_settings  # here, because most commands upload nothing

        return (self._given_settings or load_settings()).uploads

    async def _exists(self, job_id: str) -> bool:
        try:
            await self._queue.record(job_id)
        except JobNotFound:
            return False
        return True

    async def _ask(self, request: StartTransferRequest | SignPartsRequest, result_type: type[ResultT]) -> ResultT:
        return await ask(self._jobs, request, result_type, timeout_s=self._settings.start_timeout_s)


async def _transfer_id(content: Content, given: GivenFile, job_id: str | None) -> str:
    """Returns the id under which the same upload finds its parts again; a random one if it cannot be read again.

    If a stream is uploaded again under the caller's own job id, it counts as the same.
    """
    found = await content.fingerprint() or (job_id.encode() if job_id else secrets.token_bytes(16))
    about = (given.session_id or "", given.filename or "", str(content.size_bytes))
    return hashlib.sha256("\0".join(about).encode() + b"\0" + found).hexdigest()[:32]
