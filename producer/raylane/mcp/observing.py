"""Logs and spans of a server process. Logs go to stderr, because stdout may have the protocol."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from raylane_common.logs import get_logger
from raylane_common.telemetry.logs import log_to_stderr
from raylane_common.telemetry.sending import spans_sent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.settings import TelemetrySettings
    from raylane_common.telemetry.logs import LogLevel

# A server that has stopped waits no longer for a collector that is away.
_LAST_SPANS_S: Final = 2.0

_log: Final = get_logger(__name__)


@contextmanager
def observed(settings: TelemetrySettings, level: LogLevel) -> Iterator[None]:
    """Logs what happens in the block, and sends its spans if the usual variables name an exporter."""
    log_to_stderr(level, settings.log_format)
    with spans_sent("raylane-mcp", flush_s=_LAST_SPANS_S, report=_log.warning, content=settings.trace_content):
        yield
