"""A program on a real pseudo-terminal, and what a person would see there."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pyte

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


class Screen:
    """The screen of one program. `typed` goes to its stdin."""

    def __init__(self, process: asyncio.subprocess.Process, master: int, width: int, height: int) -> None:
        self.process = process
        self._master = master
        self._closed = asyncio.Event()
        self._screen = pyte.Screen(width, height)
        self._stream = pyte.ByteStream(self._screen)

    @property
    def lines(self) -> list[str]:
        """The lines that are on the screen now, without those that are empty."""
        return [line.rstrip() for line in self._screen.display if line.strip()]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def echoes(self) -> bool:
        """Whether the terminal shows what is typed and waits for whole lines, as a shell expects it."""
        local_flags = termios.tcgetattr(self._master)[3]
        return bool(local_flags & termios.ECHO) and bool(local_flags & termios.ICANON)

    @property
    def shows_cursor(self) -> bool:
        return not self._screen.cursor.hidden

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def read(self) -> None:
        """Takes what the program has written."""
        try:
            self._stream.feed(os.read(self._master, 65536))
        except OSError:  # Linux: EIO once the program has ended
            asyncio.get_running_loop().remove_reader(self._master)
            self._closed.set()

    async def ended(self) -> None:
        """Returns once all that the program wrote has been read."""
        await self._closed.wait()


@asynccontextmanager
async def on_a_terminal(
    *command: str, env: Mapping[str, str], width: int = 80, height: int = 24, stderr: int | None = None
) -> AsyncIterator[Screen]:
    """Runs the command on a terminal of this size, all three streams but `stderr` if that is given.

    Kills it at the end if it still runs.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=slave,
        stdout=slave,
        stderr=slave if stderr is None else stderr,
        env={**variables, "TERM": "xterm", **env},
        start_new_session=True,
    )
    os.close(slave)
    screen = Screen(process, master, width, height)
    asyncio.get_running_loop().add_reader(master, screen.read)
    try:
        yield screen
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        asyncio.get_running_loop().remove_reader(master)
        os.close(master)
