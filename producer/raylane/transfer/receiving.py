"""Gets one file from S3, continues where a connection broke, and makes sure that all bytes are of the same object."""

from __future__ import annotations

import asyncio
import hashlib
import re
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from raylane.transfer.http import Outcome, Verdict, http_session
from raylane.transfer.progress import DownloadProgress
from raylane.transfer.rest import Rest
from raylane.transfer.threads import in_thread
from raylane_common.backoff import Backoff
from raylane_common.errors import AnswerFileGone, StorageRejected, StorageUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp

    from raylane.transfer.received import Received
    from raylane_common.settings import UploadSettings
    from raylane_common.wire.upload import FileUrl, SignedFilesResult

# A file may be read for longer than its address is valid, but the request must begin before that.
_USED_FRACTION: Final = 0.8
# As for parts: once because the address has expired, and once because the keys of the worker are being replaced.
_MOST_REFUSALS: Final = 3
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
_MD5: Final = re.compile(r"[0-9a-f]{32}")


class Receiving:
    """One file that is being downloaded."""

    def __init__(
        self,
        to: Received,
        sign: Callable[[], Awaitable[SignedFilesResult]],
        settings: UploadSettings,
        progress: Callable[[DownloadProgress], None] | None = None,
    ) -> None:
        """`sign` asks a worker for the file's address. `progress` is called very often."""
        self._to = to
        self._ask_for_address = sign
        self._settings = settings
        self._progress = progress
        self._received_bytes = 0
        # Of an object that was written in parts, the ETag is no MD5, and there is nothing to compare with.
        self._md5: hashlib._Hash | None = None

    async def run(self) -> None:
        """Writes the whole file.

        Raises `AnswerFileGone` if it is deleted or replaced, `StorageUnavailable` if nothing arrives for `give_up_s`
        seconds or what has arrived is damaged, `StorageRejected` if S3 refuses the address, and what signing and
        writing raise.
        """
        file, use_until = await self._signed()
        if _MD5.fullmatch(file.etag):
            self._md5 = hashlib.md5(usedforsecurity=False)
        await in_thread(self._to.reserve, file.size_bytes)
        pauses = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S, jitter=1.0)
        until, refusals = _now() + self._settings.give_up_s, 0
        async with http_session(1) as http:
            while (before := self._received_bytes) < file.size_bytes:
                if _now() >= use_until:
                    file, use_until = await self._signed(file)
                verdict, reason = await self._get_rest(http, file)
                if self._received_bytes > before:
                    pauses.reset()
                    until, refusals = _now() + self._settings.give_up_s, 0
                if verdict is Verdict.DONE:
                    break
                if verdict is Verdict.SIGN_AGAIN:
                    refusals += 1
                    # The worker looks at the object, and so finds out whether it is gone or another one.
                    file, use_until = await self._signed(file)
                    if refusals == _MOST_REFUSALS:
                        raise StorageRejected(f"S3 refuses to give {file.name}: {reason}; check the worker's role")
                elif _now() >= until:
                    limit_s = f"{self._settings.give_up_s:g} s"
                    raise StorageUnavailable(f"S3 has sent nothing of {file.name} for {limit_s}: {reason}; try again")
                await asyncio.sleep(pauses.next_s())
        self._check(file)

    async def _signed(self, known: FileUrl | None = None) -> tuple[FileUrl, float]:
        """Returns the file with a new address, and the loop's time until which to use it.

        Raises `AnswerFileGone` if it is not the `known` one, of which some bytes may have arrived.
        """
        asked_s = _now()
        signed = await self._ask_for_address()
        [file] = signed.files
        if known is not None and (file.size_bytes, file.etag) != (known.size_bytes, known.etag):
            problem = f"{file.name} was replaced while it was downloaded; download it again"
            raise AnswerFileGone(problem, details={"name": file.name})
        return file, asked_s + signed.valid_s * _USED_FRACTION

    async def _get_rest(self, http: aiohttp.ClientSession, file: FileUrl) -> Outcome:
        """Writes what arrives by one more request. Raises what writing raises."""
        rest = Rest(http, file, self._received_bytes, self._settings.idle_timeout_s)
        async with aclosing(rest.pieces()) as pieces:
            async for data in pieces:
                await in_thread(self._keep, data)
                self._received_bytes += len(data)
                if self._progress is not None:
                    self._progress(DownloadProgress(self._received_bytes, file.size_bytes))
        if rest.is_encrypted:
            self._md5 = None
        return rest.outcome

    def _keep(self, data: bytes) -> None:
        if self._md5 is not None:
            self._md5.update(data)
        self._to.write(data)

    def _check(self, file: FileUrl) -> None:
        if self._md5 is not None and self._md5.hexdigest() != file.etag and self._received_bytes:
            raise StorageUnavailable(f"{file.name} has arrived damaged (MD5 is not {file.etag}); download it again")


def _now() -> float:
    return asyncio.get_running_loop().time()
