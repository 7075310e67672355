"""Who reads an answer that takes long, asked again while it is sent: tokens expire, and are taken back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from raylane.gateway.access.caller import Right

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from raylane.gateway.access.authentication import Authentication
    from raylane.gateway.access.caller import Caller

# As often as the file of callers is looked at.
_ASK_S: Final = 1.0


class Reader:
    """The caller of one request that reads what belongs to a session, or to none."""

    def __init__(
        self,
        authentication: Authentication,
        connection: HTTPConnection,
        caller: Caller,
        session_id: str | None,
        *,
        ask_s: float = _ASK_S,
    ) -> None:
        """`caller` was found just now, and has the right."""
        self.caller: Caller = caller
        self._authentication = authentication
        self._connection = connection
        self._session_id = session_id
        self._ask_s = ask_s
        self._asked_s = time.monotonic()

    async def check(self) -> None:
        """Finds the caller again, at most once in `ask_s` seconds.

        Raises `Unauthenticated` if its token is no longer valid, `KeysUnavailable` if that cannot be found out, and
        `Forbidden` if the caller has lost the right.
        """
        if time.monotonic() - self._asked_s < self._ask_s:
            return
        self._asked_s = time.monotonic()
        self.caller = await self._authentication.caller_now(self._connection)
        self.caller.require(Right.READ, self._session_id)
