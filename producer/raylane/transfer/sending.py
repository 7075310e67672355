"""Sends the parts of one upload to S3, several at once, and leaves out those that S3 already has."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from raylane.transfer.http import Verdict, http_session
from raylane.transfer.part import md5_of, put_part
from raylane.transfer.progress import UploadProgress
from raylane_common.backoff import Backoff
from raylane_common.errors import InvalidRequest, StorageRejected, StorageUnavailable
from raylane_common.limits import MAX_PARTS

if TYPE_CHECKING:
    from collections.abc import Callable

    import aiohttp

    from raylane.transfer.addresses import Addresses
    from raylane.transfer.content import Content
    from raylane_common.settings import UploadSettings
    from raylane_common.wire.upload import TransferResult

# How many times S3 may refuse the address of a part: once because it has expired, and once because the keys of the
# worker are replaced at that moment. The last refusal is an error.
_MOST_REFUSALS: Final = 3
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 10.0
# For reading content that is not sent.
_READ_BYTES: Final = 4 * 1024 * 1024


class Summary(NamedTuple):
    """Size and SHA-256 of all that was read, which the worker compares with what it finds."""

    size_bytes: int
    sha256: str


async def summary_of(content: Content) -> Summary:
    """Reads the content without sending it."""
    size_bytes, sha256 = 0, hashlib.sha256()
    while data := await content.read(_READ_BYTES):
        await asyncio.to_thread(sha256.update, data)
        size_bytes += len(data)
    await content.check()
    return Summary(size_bytes, sha256.hexdigest())


class Sending:
    """One upload whose parts are being sent."""

    def __init__(
        self,
        content: Content,
        started: TransferResult,
        addresses: Addresses,
        settings: UploadSettings,
        progress: Callable[[UploadProgress], None] | None = None,
    ) -> None:
        """`started` says what S3 already has; `addresses` signs the other parts. `progress` is called very often."""
        self._content = content
        self._part_bytes = started.part_bytes
        self._stored = {part.number: (part.size_bytes, part.etag) for part in started.stored}
        self._addresses = addresses
        self._settings = settings
        self._progress = progress
        self._sent_bytes = 0
        self._resumed_bytes = 0
        self._is_gone = False

    async def run(self) -> Summary:
        """Sends all parts, and returns what was read.

        Raises `StorageUnavailable` if S3 does not take a part for `give_up_s` seconds, `StorageRejected` if it refuses
        one, `InvalidRequest` if the content cannot be read or has changed, and what signing raises.
        """
        size_bytes, sha256 = 0, hashlib.sha256()
        slots = asyncio.Semaphore(self._settings.parts_at_once)
        try:
            async with http_session(self._settings.parts_at_once) as http, asyncio.TaskGroup() as sending:
                for number in range(1, MAX_PARTS + 2):
                    await slots.acquire()
                    data = await self._content.read(self._part_bytes)
                    if not data:
                        break
                    self._check_number(number)
                    await asyncio.to_thread(sha256.update, data)
                    size_bytes += len(data)
                    part = sending.create_task(self._send(http, number, data))
                    part.add_done_callback(lambda _: slots.release())
                    # Now only the task holds the part. With a second reference, one more part would be in memory.
                    del data
        except ExceptionGroup as failures:
            # The first failure cancels the other parts.
            raise failures.exceptions[0] from failures
        await self._content.check()
        return Summary(size_bytes, sha256.hexdigest())

    def _check_number(self, number: int) -> None:
        if number > MAX_PARTS:
            most = self._part_bytes * MAX_PARTS
            raise InvalidRequest.field("data", f"must not exceed {most} bytes if its size is not known; upload a file")

    async def _send(self, http: aiohttp.ClientSession, number: int, data: bytes) -> None:
        md5 = await asyncio.to_thread(md5_of, data)
        if self._stored.get(number) == (len(data), md5.hex()):
            self._resumed_bytes += len(data)
            self._count(len(data))
            return
        pauses = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S, jitter=1.0)
        until, refusals = asyncio.get_running_loop().time() + self._settings.give_up_s, 0
        while not self._is_gone:
            sent = _Counted(self._count)
            address = await self._addresses.of(number)
            verdict, reason = await put_part(
                http, address, data, md5, idle_s=self._settings.idle_timeout_s, sent=sent.piece
            )
            if verdict is Verdict.DONE:
                self._addresses.forget(number)
                return
            sent.take_back()
            if verdict is Verdict.GONE:
                # Another upload of the same file may have completed it. The worker checks that.
                self._is_gone = True
            elif verdict is Verdict.SIGN_AGAIN:
                refusals += 1
                if refusals == _MOST_REFUSALS:
                    raise StorageRejected(f"S3 refuses part {number} of the upload: {reason}; check the worker's role")
                self._addresses.forget(number)
            elif asyncio.get_running_loop().time() >= until:
                raise StorageUnavailable(
                    f"S3 did not take part {number} of the upload within {self._settings.give_up_s:g} s: {reason}; "
                    "upload it again to continue where it stopped"
                )
            await asyncio.sleep(pauses.next_s())

    def _count(self, count: int) -> None:
        self._sent_bytes += count
        if self._progress is not None:
            self._progress(UploadProgress(self._sent_bytes, self._content.size_bytes, self._resumed_bytes))


class _Counted:
    """What one try has sent, so that it can be taken back if the try fails."""

    def __init__(self, count: Callable[[int], None]) -> None:
        self._count = count
        self._bytes = 0

    def piece(self, count: int) -> None:
        self._bytes += count
        self._count(count)

    def take_back(self) -> None:
        if self._bytes:
            self._count(-self._bytes)
