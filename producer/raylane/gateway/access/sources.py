"""Who learns which sources a session has when one is removed: by HTTP and by MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane.gateway.access.caller import Right
from raylane_common.errors import NotFound

if TYPE_CHECKING:
    from raylane.gateway.access.caller import Caller
    from raylane.producer import Producer


async def remove(producer: Producer, caller: Caller, session_id: str, name: str) -> None:
    """Removes a source of the session.

    Raises `Forbidden`, and `NotFound` if there is no such source, which names the others to whoever may read them.
    """
    caller.require(Right.ASK, session_id)
    try:
        await producer.remove(session_id, name)
    except NotFound as error:
        if caller.may(Right.READ, session_id):
            raise
        raise NotFound(f"session {session_id} has no source {name!r}", details=error.details) from None
