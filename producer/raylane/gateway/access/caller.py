"""A caller and its rights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from raylane.gateway.access.rights import Right as Right
from raylane.gateway.access.seen import note_session
from raylane_common.errors import Forbidden

ALL_SESSIONS: Final = "*"
"""How files and claims write the prefix of all sessions, so that an empty text never means all of them."""


@dataclass(frozen=True)
class Caller:
    """Whoever sends a request. `sessions` are prefixes of the session ids that it may use; "" is a prefix of all."""

    name: str
    rights: frozenset[Right]
    sessions: tuple[str, ...]

    def may(self, right: Right, session_id: str | None) -> bool:
        """Returns whether the caller has the right in this session. None: for what belongs to no session."""
        if session_id is None:
            return Right.OPERATE in self.rights
        return right in self.rights and session_id.startswith(self.sessions)

    def require(self, right: Right, session_id: str | None) -> None:
        """Raises `Forbidden` if the caller does not have the right in this session. The audit notes the session."""
        if session_id is not None:
            note_session(session_id)
        if self.may(right, session_id):
            return
        if session_id is None:
            raise Forbidden(f"{self.name} may not do this: it needs the right {Right.OPERATE}")
        raise Forbidden(f"{self.name} does not have the right {right} in session {session_id}")


ANYONE: Final = Caller("anyone", frozenset(Right), ("",))
"""The caller of a gateway without tokens, which only serves a loopback address."""
