"""Makes a command a span: below `TRACEPARENT` and `TRACESTATE`, as a shell script or a build passes them on."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from raylane.cli.terminal import Terminal
    from raylane_common.telemetry.tracing import Span

# A command that has done its work waits no longer for a collector that is away.
_LAST_SPANS_S: Final = 2.0

command: str = ""
"""The name of the command, for its span."""


@contextmanager
def spans_sent(terminal: Terminal) -> Iterator[None]:
    """Sends the spans of the block, if an exporter is configured. What prevents that is a note on stderr at its end."""
    from raylane_common.telemetry import sending

    problems: list[str] = []
    try:
        with sending.spans_sent("raylane", flush_s=_LAST_SPANS_S, report=problems.append):
            yield
    finally:
        for problem in problems[:1]:
            terminal.note(f"warning: {problem}")


def command_span() -> AbstractContextManager[Span]:
    """Makes the block the span of the command."""
    from raylane_common.telemetry import tracing

    parent, state = os.environ.get("TRACEPARENT", ""), os.environ.get("TRACESTATE")
    return tracing.span(f"raylane {command}".strip(), parent=parent, state=state)
