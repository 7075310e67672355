"""Notes every write of a caller in the audit, without keeping anybody waiting for it.

See docs/decisions/0044.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

from raylane.gateway.access.foreign import READING_METHODS
from raylane_common.backoff import Backoff
from raylane_common.errors import RaylaneError
from raylane_common.logs import get_logger
from raylane_common.safe_text import safe_line
from raylane_common.wire.audit import AuditEntry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Message, Scope

    from raylane.gateway.access.caller import Caller
    from raylane.gateway.access.seen import Seen
    from raylane.operator import OperatorActions
    from raylane_common.settings import GatewaySettings

# An answer waits so long at most for its entry, and not at all while Redis fails.
_PATIENCE_S: Final = 0.25
# They are kept in memory while Redis is away.
_MOST_WAITING: Final = 10_000
_AT_ONCE: Final = 200
# As many characters as the longest ids have.
_LONGEST_ID: Final = 128
# So long at most the end of the gateway waits for entries that are not written yet.
_CLOSE_S: Final = 2.0
_FIRST_PAUSE_S: Final = 0.2
_LONGEST_PAUSE_S: Final = 5.0

_log: Final = get_logger(__name__)


class AuditTrail:
    """The entries of one gateway on their way to Redis. A lost entry is counted, and the log has it instead."""

    def __init__(self, settings: GatewaySettings) -> None:
        self.lost: int = 0
        """Entries that could not be written since the start."""
        self._settings = settings
        self._waiting: deque[tuple[AuditEntry, asyncio.Event]] = deque()
        self._arrived = asyncio.Event()
        self._fails = False
        self._is_open = False

    @asynccontextmanager
    async def writing_to(self, operator: OperatorActions) -> AsyncIterator[None]:
        """Writes what is noted within the block. At its end, the last entries have two seconds."""
        writer = asyncio.create_task(self._write(operator))
        self._is_open = True
        try:
            yield
        finally:
            self._is_open = False
            await self._drain()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._lose(len(self._waiting), "the gateway ends")

    async def note(self, entry: AuditEntry) -> None:
        """Hands an entry over, and waits a moment for it to be written. Never raises."""
        if not self._settings.audit_entries:
            return
        written = asyncio.Event()
        self._waiting.append((entry, written))
        if not self._is_open:
            self._lose(1, "the gateway has not started")
        elif len(self._waiting) > _MOST_WAITING:
            self._lose(1, "too many others wait")
        else:
            self._arrived.set()
            if not self._fails:
                await _within(_PATIENCE_S, written)

    async def _write(self, operator: OperatorActions) -> None:
        backoff = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, jitter=0.5)
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                if await self._write_some(operator):
                    backoff.reset()
                else:
                    await asyncio.sleep(backoff.next_s())

    async def _write_some(self, operator: OperatorActions) -> bool:
        """Writes the oldest entries; returns whether to continue at once. What can never be written is lost."""
        count = min(_AT_ONCE, len(self._waiting))
        entries = [self._waiting[index][0] for index in range(count)]
        keep, ttl_s = self._settings.audit_entries, self._settings.audit_ttl_s
        try:
            await operator.add_to_audit(entries, keep=keep, ttl_s=ttl_s)
        except Exception as error:
            if not self._fails:
                _log.warning("the audit cannot be written now: %s", str(error), exc_info=_unexpected(error))
            self._fails = True
            if isinstance(error, RaylaneError) and error.retryable:
                return False
            self._lose(count, str(error), oldest=True)
            return True
        self._fails = False
        for _ in range(count):
            self._waiting.popleft()[1].set()
        return True

    async def _drain(self) -> None:
        if self._waiting:
            await _within(_CLOSE_S, self._waiting[-1][1])

    def _lose(self, count: int, reason: str, *, oldest: bool = False) -> None:
        """Takes the newest entries, or the oldest, out of the line."""
        for _ in range(count):
            entry, written = self._waiting.popleft() if oldest else self._waiting.pop()
            written.set()
            self.lost += 1
            _log.warning("lost an entry of the audit (%s): %s", reason, entry.model_dump_json(exclude={"id"}))


async def _within(seconds: float, event: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _unexpected(error: Exception) -> Exception | None:
    return None if isinstance(error, RaylaneError) else error


def entry_of(scope: Scope, message: Message, caller: Caller, seen: Seen) -> AuditEntry | None:
    """Returns the entry for the answer that begins with `message`; None if the request can have changed nothing."""
    route = scope.get("route")
    if scope["method"] in READING_METHODS or route is None:
        return None
    parameters = scope.get("path_params", {})
    return AuditEntry(
        at_ms=int(time.time() * 1000),
        caller=caller.name,
        method=scope["method"],
        route=getattr(route, "path", ""),
        session_id=_short(seen.session_id or parameters.get("session_id")),
        job_id=_short(_made_job(message) or seen.job_id or parameters.get("job_id")),
        status=message["status"],
    )


def _short(text: str | None) -> str | None:
    """Returns as much of a text as an id may have. A path that was refused may hold anything."""
    return None if text is None else safe_line(text[:_LONGEST_ID])


def _made_job(message: Message) -> str | None:
    """Returns the id of the job that the request made: `Location` names it."""
    for name, value in message.get("headers", ()):
        if name.lower() == b"location" and b"/jobs/" in value:
            return str(value.decode("latin-1").rpartition("/")[2])
    return None
