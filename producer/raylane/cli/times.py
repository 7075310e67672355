"""Times and time spans for people."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raylane.cli.terminal import Terminal


def time_text(epoch_ms: int | None) -> str:
    """Returns a time in the local time zone; '' for None, and the number itself if it is not a time."""
    if epoch_ms is None:
        return ""
    try:
        return datetime.fromtimestamp(epoch_ms / 1000).astimezone().isoformat(" ", "seconds")
    except (ValueError, OverflowError, OSError):  # another program has written it
        return str(epoch_ms)


def time_cell(epoch_ms: int | None, terminal: Terminal) -> str:
    """Returns a time for a table. On a terminal it is short: only the time of day if that was today."""
    if epoch_ms is None or terminal.width is None:
        return time_text(epoch_ms)
    try:
        time = datetime.fromtimestamp(epoch_ms / 1000)  # in the zone of whoever reads it
    except (ValueError, OverflowError, OSError):
        return str(epoch_ms)
    return f"{time:%H:%M:%S}" if time.date() == datetime.now().date() else f"{time:%Y-%m-%d %H:%M}"


def duration_text(seconds: float) -> str:
    """Returns a time span in a suitable unit: 0.2 s, 34 s, 12 min, 5.5 h, 3.2 d."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    if seconds < 172_800:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86_400:.1f} d"
