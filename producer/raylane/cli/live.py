"""Shows the queue on the whole terminal, again every second, until a key ends it."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

import raylane
from raylane.answers.width import clip
from raylane.cli.fitting import fitted
from raylane.cli.snapshots import Snapshot
from raylane_common.counting import counted
from raylane_common.safe_text import safe_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from raylane.producer import Producer

EVERY_S: Final = 1.0


class View:
    """What is on the screen: the last snapshot, and why there is no newer one."""

    def __init__(self, where: str, snapshot: Snapshot) -> None:
        """`where` names the deployment in the first line."""
        self._where = where
        self._snapshot = snapshot
        self._problem = ""

    async def look(self, producer: Producer) -> None:
        """Takes a new snapshot. An outage of Redis is shown, and the last snapshot stays."""
        try:
            self._snapshot, self._problem = await Snapshot.take(producer), ""
        except raylane.QueueUnavailable as error:
            self._problem = error.message

    def lines(self, width: int, height: int, now: datetime) -> list[str]:
        """Returns the lines for a terminal of this size. What has no room is left out, and the last line says so."""
        at = datetime.fromtimestamp(self._snapshot.at_ms / 1000)
        head = f"raylane top  {now:%H:%M:%S}  {self._where}  q quits"
        lines = [clip(head, width, "…")]
        if self._problem:
            lines += [clip(f"as of {at:%H:%M:%S}, because {safe_line(self._problem)}", width, "…")]
        for table in self._snapshot.tables():
            rows = [[safe_line(cell) for cell in row] for row in table.rows]
            shown = fitted(table.columns, rows, width, "…")
            lines += ["", *shown.head, *shown.lines]
        if len(lines) <= height:
            return lines
        return [
            *lines[: height - 1],
            clip(f"… {counted(len(lines) - height + 1, 'more line')}; make the window higher", width, "…"),
        ]


async def show(producer: Producer, where: str) -> None:
    """Shows the queue until q, Escape or Ctrl-C. Raises `QueueUnavailable` if the first look fails."""
    view = View(where, await Snapshot.take(producer))
    console, ended = Console(), asyncio.Event()

    def screen() -> Text:
        return Text("\n".join(view.lines(console.width, console.height, datetime.now())), no_wrap=True)

    async def look() -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            await view.look(producer)

    looking = asyncio.create_task(look())
    try:
        with _keys(ended.set), Live(screen(), console=console, screen=True, auto_refresh=False) as live:
            while not ended.is_set():
                live.update(screen(), refresh=True)
                with suppress(TimeoutError):
                    async with asyncio.timeout(EVERY_S):
                        await ended.wait()
                if looking.done():
                    looking.result()  # a bug, which must not leave a frozen screen
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


@contextmanager
def _keys(end: Callable[[], None]) -> Iterator[None]:
    """Calls `end` when q or Escape is typed, without Enter. Ctrl-C works as everywhere."""
    try:
        import termios
        import tty
    except ImportError:  # Windows, where Ctrl-C ends it
        yield
        return
    if sys.stdin is None or not sys.stdin.isatty():
        yield
        return
    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    loop = asyncio.get_running_loop()

    def read() -> None:
        typed = os.read(descriptor, 64)
        # An arrow key begins with Escape, too.
        if typed in (b"", b"\x1b") or b"q" in typed.lower():
            end()

    tty.setcbreak(descriptor)
    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
