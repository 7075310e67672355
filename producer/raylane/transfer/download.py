"""Downloads a file of an answer from S3. See docs/decisions/0037."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from raylane_common.errors import InvalidRequest, RaylaneError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from raylane.options import Enqueuer
    from raylane.transfer.progress import DownloadProgress
    from raylane_common.redis.queue import JobQueue
    from raylane_common.settings import Settings, UploadSettings
    from raylane_common.wire.answer import AnswerFile
    from raylane_common.wire.upload import SignedFilesResult


class Downloader:
    """Gets the files of answers to where the caller wants them."""

    def __init__(self, queue: JobQueue, jobs: Enqueuer, settings: Settings | None) -> None:
        """`settings` are read from the environment at the first download if None."""
        self._queue = queue
        self._jobs = jobs
        self._given_settings = settings

    async def download(
        self, job_id: str, name: str, to: object, progress: Callable[[DownloadProgress], None] | None = None
    ) -> Path | None:
        """Writes the file `name` of the job's answer to a path or an open file. Returns the path.

        Raises the job's own error, `WaitTimeout` if the job has not ended or no worker signs the address,
        `JobNotFound`, `NotFound`, `InvalidRequest`, `DiskFull`, and what `receive` raises.
        """
        from raylane.transfer.asking import ask  # here, because most commands download nothing
        from raylane_common.wire.upload import SignedFilesResult, SignFilesRequest

        file, session_id = await self.find(job_id, name)
        request = SignFilesRequest(job_id=job_id, of_session=session_id, names=(file.name,))

        async def sign() -> SignedFilesResult:
            return await ask(self._jobs, request, SignedFilesResult, timeout_s=self._settings.start_timeout_s)

        return await receive(to, file.name, sign, self._settings, progress)

    async def find(self, job_id: str, name: str) -> tuple[AnswerFile, str]:
        """Returns the file `name` of the job's answer, and the job's session.

        Raises the job's own error, `WaitTimeout` if the job has not ended, `JobNotFound`, `NotFound` if there is no
        such file, and `InvalidRequest` if the job has no session.
        """
        record = await self._queue.wait(job_id, 0)
        if record.result is None and record.error is not None:
            raise RaylaneError.from_info(record.error)
        file = record.answer_file(name)
        if record.session_id is None:
            raise InvalidRequest.field("name", f"job {job_id} has no session, and so no files")
        return file, record.session_id

    @cached_property
    def _settings(self) -> UploadSettings:
        from raylane_common.settings import load_settings  # as above

        return (self._given_settings or load_settings()).uploads


async def receive(
    to: object,
    name: str,
    sign: Callable[[], Awaitable[SignedFilesResult]],
    settings: UploadSettings,
    progress: Callable[[DownloadProgress], None] | None = None,
) -> Path | None:
    """Writes a file to a path or an open file; returns the path. `sign` asks for its address.

    Raises what `Receiving.run` raises, and `InvalidRequest` before it asks if the file cannot be written.
    """
    from raylane.transfer.received import received
    from raylane.transfer.receiving import Receiving  # with aiohttp, which small uploads do not need
    from raylane.transfer.threads import in_thread

    # Not in a thread: a cancelled task would not get the file that it has to close.
    opened = received(to, name)
    try:
        await Receiving(opened, sign, settings, progress).run()
        await in_thread(opened.publish)
    finally:
        await in_thread(opened.close)
    return opened.path
