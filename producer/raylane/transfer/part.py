"""Sends one part to its signed address, and interprets the answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import TYPE_CHECKING, Final

import aiohttp

from raylane.transfer.http import Outcome, Verdict, as_signed, broken, refusal, stalled
from raylane_common.telemetry import tracing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from raylane_common.telemetry.tracing import Attributes
    from raylane_common.wire.upload import PartUrl

# Small enough to notice a stall, and large enough to cost little.
_PIECE_BYTES: Final = 256 * 1024


def md5_of(data: bytes) -> bytes:
    """Returns the MD5, which is the ETag of a part. It detects damage, but does not protect against attackers."""
    return hashlib.md5(data, usedforsecurity=False).digest()


async def put_part(
    http: aiohttp.ClientSession,
    address: PartUrl,
    data: bytes,
    md5: bytes,
    *,
    idle_s: float,
    sent: Callable[[int], None],
) -> Outcome:
    """Sends `data` to the signed `address`. S3 refuses it if its MD5 is not `md5`.

    `idle_s` limits the seconds without any progress. `sent` is called with the size of each piece that was sent.
    """
    about: Attributes = {"http.request.method": "PUT", "http.request.body.size": len(data)}
    with tracing.span("PUT part", about, kind="client", detail=True) as span:
        outcome = await _put(http, address, data, md5, idle_s=idle_s, sent=sent)
        if outcome.verdict is not Verdict.DONE:
            span.failed(outcome.verdict.value, outcome.reason)
        return outcome


async def _put(
    http: aiohttp.ClientSession,
    address: PartUrl,
    data: bytes,
    md5: bytes,
    *,
    idle_s: float,
    sent: Callable[[int], None],
) -> Outcome:
    try:
        async with asyncio.timeout(idle_s) as limit:

            async def pieces() -> AsyncIterator[memoryview]:
                view = memoryview(data)
                for start in range(0, len(view), _PIECE_BYTES):
                    piece = view[start : start + _PIECE_BYTES]
                    yield piece
                    sent(len(piece))
                    limit.reschedule(asyncio.get_running_loop().time() + idle_s)

            headers = address.headers | {
                "Content-Length": str(len(data)),
                "Content-MD5": base64.b64encode(md5).decode(),
            }
            url = as_signed(address.url)
            async with http.put(url, data=pieces(), headers=headers, allow_redirects=False) as response:
                if response.status == 200:
                    return _stored(response, md5)
                return await refusal(response, "NoSuchUpload")
    except TimeoutError:
        return stalled(idle_s)
    except (aiohttp.ClientError, OSError) as error:
        return broken(error)


def _stored(response: aiohttp.ClientResponse, md5: bytes) -> Outcome:
    # With a key of KMS, the ETag is not the MD5. S3 has compared the MD5 of the header all the same.
    with_kms = response.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    etag = response.headers.get("ETag", "").strip('"')
    if with_kms or etag == md5.hex():
        return Outcome(Verdict.DONE)
    return Outcome(Verdict.LATER, f"S3 has other bytes than were sent (ETag {etag or 'missing'})")
