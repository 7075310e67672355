"""Shows the progress of a large upload."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from raylane.cli.terminal import Terminal
    from raylane.transfer.progress import UploadProgress

# Nobody can read more, and each update takes time.
_EVERY_S: Final = 0.2


@contextmanager
def shown(terminal: Terminal) -> Iterator[Callable[[UploadProgress], None]]:
    """Yields the function to call with each progress. At the end of a large upload, prints how long it took."""
    sent: UploadProgress | None = None
    began_s = shown_s = 0.0
    with terminal.status() as show:

        def note(progress: UploadProgress) -> None:
            nonlocal sent, began_s, shown_s
            now_s = time.monotonic()
            began_s = began_s or now_s
            sent = progress
            terminal.interrupted = "interrupted; the same command continues where it stopped"
            if now_s - shown_s >= _EVERY_S:
                shown_s = now_s
                show(f"sending {progress_text(progress, now_s - began_s)}")

        yield note
    terminal.interrupted = "interrupted"
    if sent is not None:
        took_s = time.monotonic() - began_s
        terminal.note(f"sent {progress_text(sent, took_s)}, in {took_s:.1f} s")


def progress_text(progress: UploadProgress, took_s: float) -> str:
    """Returns what was sent and how fast, such as "1.2 of 5.0 GiB, 85 MiB/s"."""
    unit, name = (2**30, "GiB") if (progress.total_bytes or progress.sent_bytes) >= 2**30 else (2**20, "MiB")
    total = "" if progress.total_bytes is None else f" of {progress.total_bytes / unit:.1f}"
    here_bytes = progress.sent_bytes - progress.resumed_bytes
    rate = f", {here_bytes / took_s / 2**20:.0f} MiB/s" if took_s > 0 else ""
    resumed = f" ({progress.resumed_bytes / unit:.1f} {name} sent before)" if progress.resumed_bytes else ""
    return f"{progress.sent_bytes / unit:.1f}{total} {name}{rate}{resumed}"
