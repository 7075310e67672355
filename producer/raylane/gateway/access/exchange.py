"""One request and its answer. Until the answer has begun, it can be replaced by a problem document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane.gateway.problems import problem_response
from raylane_common.errors import RaylaneError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ANNOUNCE_BODY: Final = (b"content-length", b"transfer-encoding")


class Exchange:
    """What an app receives and sends for one request."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = scope
        self.status: int | None = None
        """The status of the answer; None before it has begun."""
        self.before_answer: list[Callable[[Message], Awaitable[None]]] = []
        """Called with the beginning of the answer. A `RaylaneError` that one raises replaces the answer."""
        self.before_piece: Callable[[Message], None] | None = None
        """Called with each piece of the request's body. A `RaylaneError` that it raises replaces the answer."""
        self._receive = receive
        self._send = send
        self._refusal: RaylaneError | None = None

    async def run(self, app: ASGIApp) -> None:
        """Lets the app answer. Raises what the app raises, but nothing after its answer was replaced."""
        try:
            await app(self.scope, self.receive, self.send)
        except Exception:
            if self._refusal is None:
                raise
        if self._refusal is not None:
            await self.refuse(self._refusal)

    async def receive(self) -> Message:
        """Returns the next message of the client. Raises what `before_piece` raises."""
        if self._refusal is not None:
            return {"type": "http.disconnect"}
        message = await self._receive()
        if self.before_piece is not None and message["type"] == "http.request":
            try:
                self.before_piece(message)
            except RaylaneError as error:
                # The app may take it for a broken body and answer with an error of its own.
                self._refusal = error
                raise
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
        if any(name in _ANNOUNCE_BODY for name, _ in self.scope["headers"]):
            # The body was not read to its end, so the connection cannot be used again.
            response.headers["Connection"] = "close"
        await response(self.scope, self._receive, self._send)
