"""Gets the rest of a file from its signed address, and interprets the answer."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Final

import aiohttp

from raylane.transfer.http import Outcome, Verdict, as_signed, broken, refusal, stalled

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from raylane_common.wire.upload import FileUrl

# One hop to a thread for each of these, not for each packet.
_PIECE_BYTES: Final = 1024 * 1024
_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(\d+)")


class Rest:
    """The bytes of a file from the byte `start` to its end, by one request."""

    def __init__(self, http: aiohttp.ClientSession, file: FileUrl, start: int, idle_s: float) -> None:
        """`idle_s` limits the seconds without any progress."""
        self._http = http
        self._file = file
        self._start = start
        self._idle_s = idle_s
        self.outcome: Outcome = Outcome(Verdict.LATER, "S3 has sent less than the file has")
        """How the request ended; known after the last piece."""
        self.is_encrypted: bool = False
        """Whether the ETag cannot be the MD5 of the file, because S3 encrypts it with a key of KMS."""

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yields the bytes, as far as they arrive, and never more than the file has. Raises nothing."""
        gathered, left = bytearray(), self._file.size_bytes - self._start
        try:
            async with asyncio.timeout(self._idle_s):
                response = await self._ask()
            async with response:
                async with asyncio.timeout(self._idle_s):
                    unwanted = await self._unwanted_bytes(response)
                while unwanted is not None and left > 0:
                    async with asyncio.timeout(self._idle_s):
                        data = await response.content.readany()
                    if not data:
                        break
                    gathered += data[unwanted : unwanted + left]
                    left -= len(data[unwanted : unwanted + left])
                    unwanted -= min(unwanted, len(data))
                    if len(gathered) >= _PIECE_BYTES:
                        yield bytes(gathered)
                        gathered.clear()
        except TimeoutError:
            self.outcome = stalled(self._idle_s)
        except (aiohttp.ClientError, OSError) as error:
            self.outcome = broken(error)
        if gathered:
            yield bytes(gathered)
        if left == 0:
            self.outcome = Outcome(Verdict.DONE)

    async def _ask(self) -> aiohttp.ClientResponse:
        conditions = {"If-Match": f'"{self._file.etag}"'} if self._file.etag else {}
        if self._start:
            conditions["Range"] = f"bytes={self._start}-"
        headers = self._file.headers | conditions
        return await self._http.get(as_signed(self._file.url), headers=headers, allow_redirects=False)

    async def _unwanted_bytes(self, response: aiohttp.ClientResponse) -> int | None:
        """Returns how many bytes of the answer come before those that are missing; None if it has none of them."""
        if response.status not in (200, 206):
            self.outcome = await refusal(response)
            return None
        etag = response.headers.get("ETag", "").strip('"')
        if self._file.etag and etag and etag != self._file.etag:
            self.outcome = Outcome(Verdict.SIGN_AGAIN, f"S3 has another object (ETag {etag})")
            return None
        first, size = 0, response.content_length
        if response.status == 206:
            found = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            first, size = (int(found[1]), int(found[2])) if found else (-1, None)
        if not 0 <= first <= self._start or (size is not None and size != self._file.size_bytes):
            self.outcome = Outcome(Verdict.SIGN_AGAIN, f"S3 gives bytes from {first} of {size}")
            return None
        self.is_encrypted = response.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
        return self._start - first
