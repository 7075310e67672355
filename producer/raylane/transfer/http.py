"""What sending and receiving share: the HTTP session, the outcome of one request, and how an answer of S3 is read."""

from __future__ import annotations

import re
from enum import Enum
from typing import Final, NamedTuple

import aiohttp
from yarl import URL

_CONNECT_S: Final = 10.0
# Error documents of S3 are shorter.
_ANSWER_BYTES: Final = 16 * 1024
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9.]{1,64})</Code>")
_MESSAGE: Final = re.compile(r"<Message>([^<]{1,300})</Message>")
# With these, the same request may succeed at once, although their status is 400.
_DAMAGED: Final = frozenset({"BadDigest", "InvalidDigest", "IncompleteBody", "RequestTimeout"})


class Verdict(Enum):
    """The outcome of one request with a signed address."""

    DONE = "done"
    LATER = "try again"
    """A broken connection, a stall, damaged bytes, or a server that is busy."""
    SIGN_AGAIN = "sign again"
    """The address is refused; perhaps it has expired."""
    GONE = "gone"
    """S3 no longer has what the address leads to."""


class Outcome(NamedTuple):
    """The verdict, and the reason in words."""

    verdict: Verdict
    reason: str = ""


def http_session(connections: int) -> aiohttp.ClientSession:
    """Returns a session for up to `connections` requests at once.

    It uses no proxy, cookie or login of the environment, and gets bytes as S3 has them.
    """
    return aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S),
        connector=aiohttp.TCPConnector(limit=connections),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=False,
    )


def as_signed(address: str) -> URL:
    """Returns the address as it was signed. Otherwise aiohttp decodes what it may, and servers may compare letters."""
    return URL(address, encoded=True)


async def refusal(response: aiohttp.ClientResponse, *gone: str) -> Outcome:
    """Returns the outcome of a request that S3 has not carried out. `gone` are the codes for what is no longer there.

    Raises what reading the answer raises.
    """
    text = (await response.content.read(_ANSWER_BYTES)).decode(errors="replace")
    code, message = _CODE.search(text), _MESSAGE.search(text)
    reason = " ".join(filter(None, (str(response.status), code and code[1], message and message[1])))
    if response.status >= 500 or response.status in (408, 429) or (code and code[1] in _DAMAGED):
        return Outcome(Verdict.LATER, reason)
    if code and code[1] in gone:
        return Outcome(Verdict.GONE, reason)
    return Outcome(Verdict.SIGN_AGAIN, reason)


def broken(error: Exception) -> Outcome:
    """Returns the outcome of a request without an answer."""
    # Only the type of the error: its text may hold the address.
    return Outcome(Verdict.LATER, f"the connection failed ({type(error).__name__})")


def stalled(idle_s: float) -> Outcome:
    """Returns the outcome of a request without progress for `idle_s` seconds."""
    return Outcome(Verdict.LATER, f"no progress for {idle_s:g} s")
