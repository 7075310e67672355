"""The files of a `MemoryProducer`: downloads of what a test has given, and uploads that are held in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.transfer.download import Downloader
from raylane.transfer.progress import DownloadProgress
from raylane.transfer.received import received
from raylane.transfer.threads import in_thread
from raylane.transfer.upload import Uploader
from raylane_common import checks
from raylane_common.errors import InvalidRequest
from raylane_common.wire.answer import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from raylane.given_files import GivenFile
    from raylane.options import Enqueuer
    from raylane.transfer.content import Content
    from raylane.transfer.progress import UploadProgress
    from raylane_common.redis.queue import JobQueue
    from raylane_common.wire.jobs import NewJob
    from raylane_common.wire.kinds import Result


class MemoryDownloader(Downloader):
    """Writes the files that a test has given with the results of jobs."""

    def __init__(self, queue: JobQueue, jobs: Enqueuer) -> None:
        super().__init__(queue, jobs, None)
        self._contents: dict[tuple[str, str], bytes] = {}

    def keep(self, job_id: str, result: Result, files: Mapping[str, bytes] | None) -> None:
        """Keeps the files of a job's answer by their names. Raises `InvalidRequest` for one that is not in it."""
        answer = getattr(result, "answer", None)
        names = [file.name for file in answer.files] if isinstance(answer, Answer) else []
        for name, content in checks.mapping("files", files).items():
            if name not in names:
                listed = f"has only {', '.join(names)}" if names else "has no files"
                raise InvalidRequest.field(f"files.{name}", f"the answer {listed}; add make_file({name!r}) to it")
            self._contents[job_id, name] = checks.instance(f"files.{name}", bytes, content)

    async def download(
        self, job_id: str, name: str, to: object, progress: Callable[[DownloadProgress], None] | None = None
    ) -> Path | None:
        """Writes what the test has given. Raises what the real download raises, except for faults of S3."""
        file, _ = await self.find(job_id, name)
        content = self._contents.get((job_id, file.name))
        if content is None:
            hint = f"pass files={{{file.name!r}: b'…'}} to succeed"
            raise InvalidRequest.field("name", f"the test has given no content for {file.name}; {hint}")
        opened = received(to, file.name)
        try:
            # In threads, as the real download: an open file may wait for this loop.
            await in_thread(opened.write, content)
            if progress is not None:
                progress(DownloadProgress(len(content), len(content)))
            await in_thread(opened.publish)
        finally:
            await in_thread(opened.close)
        return opened.path


class MemoryUploader(Uploader):
    """Refuses what would go to S3, instead of waiting for a worker."""

    async def _sent(
        self, content: Content, given: GivenFile, progress: Callable[[UploadProgress], None] | None
    ) -> NewJob:
        hint = "use fewer bytes, or the pytest fixture raylane_worker"
        limit = f"a MemoryProducer has no S3, and takes up to {self._settings.staged_bytes:,} bytes"
        raise InvalidRequest.field("data", f"{limit}; {hint}")
