"""Sends one part to its signed address, and interprets the answer."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

import aiohttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from raylane_common.wire.upload import PartUrl

# Small enough to notice a stall, and large enough to cost little.
_PIECE_BYTES: Final = 256 * 1024
_CONNECT_S: Final = 10.0
# Error documents of S3 are shorter.
_ANSWER_BYTES: Final = 16 * 1024
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,300})</Message>")
# With these, the same part may succeed at once, although their status is 400.
_DAMAGED: Final = frozenset({"BadDigest", "InvalidDigest", "IncompleteBody", "RequestTimeout"})


class Verdict(Enum):
    """The outcome of one try to send a part."""

    STORED = "stored"
    LATER = "try again"
    """A broken connection, a stall, a damaged part, or a server that is busy."""
    SIGN_AGAIN = "sign again"
    """The address is refused; perhaps it has expired."""
    GONE = "gone"
    """S3 no longer has the upload: it has been completed or aborted."""


class Outcome(NamedTuple):
    """The verdict, and the reason in words."""

    verdict: Verdict
    reason: str = ""


def http_session(connections: int) -> aiohttp.ClientSession:
    """Returns a session for up to `connections` parts at once. It uses no proxy, cookie or login of the environment."""
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


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
            async with http.put(address.url, data=pieces(), headers=headers, allow_redirects=False) as response:
                text = (await response.content.read(_ANSWER_BYTES)).decode(errors="replace")
                return _judge(response, text, md5)
    except TimeoutError:
        return Outcome(Verdict.LATER, f"no progress for {idle_s:g} s")
    except (aiohttp.ClientError, OSError) as error:
        # Only the type of the error: its text may hold the address.
        return Outcome(Verdict.LATER, f"the connection failed ({type(error).__name__})")


def _judge(response: aiohttp.ClientResponse, text: str, md5: bytes) -> Outcome:
    code, message = _CODE.search(text), _MESSAGE.search(text)
    reason = " ".join(filter(None, (str(response.status), code and code[1], message and message[1])))
    if response.status == 200:
        return _stored(response, md5)
    if response.status >= 500 or response.status in (408, 429) or (code and code[1] in _DAMAGED):
        return Outcome(Verdict.LATER, reason)
    if response.status == 404 and code and code[1] == "NoSuchUpload":
        return Outcome(Verdict.GONE, reason)
    return Outcome(Verdict.SIGN_AGAIN, reason)


def _stored(response: aiohttp.ClientResponse, md5: bytes) -> Outcome:
    # With a key of KMS, the ETag is not the MD5. S3 has compared the MD5 of the header all the same.
    with_kms = response.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms")
    etag = response.headers.get("ETag", "").strip('"')
    if with_kms or etag == md5.hex():
        return Outcome(Verdict.STORED)
    return Outcome(Verdict.LATER, f"S3 has other bytes than were sent (ETag {etag or 'missing'})")
