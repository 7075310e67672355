"""One request and its answer. Until the answer has begun, it can be replaced by a problem document."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect

from raylane.gateway.problems import problem_response
from raylane_common.errors import RaylaneError, RequestTimeout

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from raylane.gateway.access.bodies import BodyLimit

_PIECE_S: Final = 60.0
# Bytes in a second, as through the slowest of mobile networks.
_SLOWEST: Final = 8 * 1024
_BOTH_ENDS: Final = frozenset({b"content-length", b"transfer-encoding"})


class Exchange:
    """What an app receives and sends for one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.status: int | None = None
        """The status of the answer; None before it has begun."""
        self.before_answer: list[Callable[[Message], Awaitable[None]]] = []
        """Called with the beginning of the answer. A `RaylaneError` that one raises replaces the answer."""
        self.body: BodyLimit | None = None
        """Asked before each piece of the request's body, and told of it. A `RaylaneError` replaces the answer."""
        self._receive = receive
        self._send = send
        self._refusal: RaylaneError | None = None
        self._has_more = True
        self._received = 0
        self._waited_s = 0.0

    async def run(self, app: ASGIApp) -> None:
        """Lets the app answer. Raises what the app raises, but nothing after its answer was replaced."""
        try:
            await app(self.scope, self.receive, self.send)
        except ClientDisconnect:
            # Nobody is there to be answered.
            return
        except Exception:
            if self._refusal is None:
                raise
        if self._refusal is not None:
            await self.refuse(self._refusal)

    async def receive(self) -> Message:
        """Returns the next message of the client. Raises what `body` raises, and `RequestTimeout`."""
        if self._refusal is not None:
            return {"type": "http.disconnect"}
        try:
            message = await self._next_piece() if self._has_more else await self._receive()
            if message["type"] == "http.request":
                self._has_more = message.get("more_body", False)
                if self.body is not None:
                    self.body.after(message)
        except RaylaneError as error:
            # The app may take it for a broken body and answer with an error of its own.
            self._refusal = error
            raise
        return message

    async def _next_piece(self) -> Message:
        """Returns the next piece of the body. A connection that broke without a word must not hold its place.

        Neither must one that sends a byte now and then: the time that all pieces may take grows with what has come.
        """
        if self.body is not None:
            await self.body.before()
        began_s = time.monotonic()
        left_s = _PIECE_S + self._received / _SLOWEST - self._waited_s
        try:
            async with asyncio.timeout(min(_PIECE_S, left_s)):
                message = await self._receive()
        except TimeoutError:
            problem = f"nothing of the body came for {_PIECE_S:g} seconds"
            if left_s < _PIECE_S:
                problem = f"the body came too slowly: less than {_SLOWEST} bytes in a second"
            raise RequestTimeout(f"{problem}; send the request again") from None
        self._waited_s += time.monotonic() - began_s
        self._received += len(message.get("body", b""))
        return message

    async def send(self, message: Message) -> None:
        """Sends a message of the app, unless its answer is replaced."""
        if self._refusal is not None:
            await self.refuse(self._refusal)
            return
        if message["type"] == "http.response.start" and self.status is None:
            try:
                for look in self.before_answer:
                    await look(message)
            except RaylaneError as error:
                self._refusal = error
                # It ends the app, which may have begun a long stream.
                raise
            self.status = message["status"]
        await self._send(message)

    async def refuse(self, error: RaylaneError) -> None:
        """Answers with the error, unless an answer has begun."""
        if self.status is not None:
            return
        response = problem_response(error)
        self.status = response.status_code
        # The server reads and drops the rest of the body. If it closed the connection instead, the client would get a
        # reset while it sends, and never see the answer.
        if _BOTH_ENDS.issubset(name for name, _ in self.scope["headers"]):
            # Nobody knows where the next request begins.
            response.headers["Connection"] = "close"
        await response(self.scope, self._receive, self._send)
