"""Notes each call in the log, and those that may change something in the audit. See docs/decisions/0046."""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from raylane.gateway.access.seen import SEEN, Seen
from raylane.gateway.problems import status_of
from raylane_common.logs import get_logger
from raylane_common.telemetry.logs import FIELDS
from raylane_common.wire.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from raylane.mcp.call import Call
    from raylane.mcp.tool import Tool
    from raylane_common.errors import RaylaneError

_log: Final = get_logger(__name__)

_GIVEN_UP: Final = 499
"""The status, as many servers log it, of a request whose client did not wait for the answer."""


class Ending:
    """How a call ends. Until that is known, its client has given it up."""

    status: int = _GIVEN_UP

    def well(self) -> None:
        """The call has a result."""
        self.status = HTTPStatus.OK.value

    def with_error(self, error: RaylaneError) -> None:
        """The call fails with this error."""
        self.status = status_of(error).value


@asynccontextmanager
async def noted(call: Call, tool: Tool[Any, Any]) -> AsyncIterator[Ending]:  # Any: each tool has its own types
    """Notes the call at the end of the block, also if its client gives it up. Yields what takes how the call ends."""
    ending, seen, started_s = Ending(), Seen(), time.monotonic()
    # The checks of rights write there in which session the call needs a right.
    SEEN.set(seen)
    try:
        yield ending
    finally:
        elapsed_s = time.monotonic() - started_s
        fields = {
            "caller": call.caller.name,
            "tool": tool.name,
            "session_id": seen.session_id,
            "job_id": call.about.job_id,
            "status": ending.status,
            "seconds": round(elapsed_s, 6),
        }
        _log.info("%s: %d in %.3f s", tool.name, ending.status, elapsed_s, extra={FIELDS: fields})
        if call.scope.audit is not None and not tool.reads:
            # It is handed over before anything is awaited, so a call that was given up is noted as well.
            await call.scope.audit.note(_entry(call, tool, seen, ending))


def _entry(call: Call, tool: Tool[Any, Any], seen: Seen, ending: Ending) -> AuditEntry:  # Any: as above
    return AuditEntry(
        at_ms=int(time.time() * 1000),
        caller=call.caller.name,
        method="POST",
        route=f"/mcp {tool.name}",
        session_id=seen.session_id,
        job_id=call.about.job_id,
        status=ending.status,
    )
