"""Records what a terminal shows while commands run, and draws it as `docs/screen.svg`.

Run as `python docs/screen.py`; it starts real servers. `tests/acceptance/test_screen.py` compares the picture with what
the commands show.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import struct
import termios
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS: Final = 96
_LINES: Final = 400
COMMANDS: Final = (
    "raylane upload seattle-weather.csv --wait",
    "raylane generate 'average temp_max by weather' --job-id screen --run --wait --code",
    "raylane generate 'now only 2012' --continues screen --job-id screen-2 --run --wait",
)
# The picture names no font of another server.
_FORMAT: Final = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>Raylane in a terminal</title>
<style>
.{unique_id}-matrix {{ font-family: Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: {char_height}px;
  line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ display: none; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


async def record(command: str, directory: Path, env: Mapping[str, str]) -> list[Text]:
    """Runs the command in a terminal of `COLUMNS` columns, and returns the lines that it leaves on the screen."""
    screen = pyte.Screen(COLUMNS, _LINES)
    # A terminal starts a line at its beginning.
    screen.set_mode(pyte.modes.LNM)
    stream = pyte.ByteStream(screen)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, COLUMNS, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *("/bin/sh", "-c", command),
        cwd=directory,
        env={**_without_size(env), "RAYLANE_SESSION": "screen", "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    await asyncio.to_thread(_drain, ours, stream)
    if await process.wait():
        raise RuntimeError("\n".join(screen.display).rstrip())
    return [_text(screen, row) for row in range(screen.cursor.y)]


def _without_size(env: Mapping[str, str]) -> dict[str, str]:
    """Returns the environment without a size of the terminal that is not ours."""
    return {name: value for name, value in env.items() if name not in ("COLUMNS", "LINES")}


def _drain(descriptor: int, stream: pyte.ByteStream) -> None:
    with os.fdopen(descriptor, "rb", buffering=0) as output:
        while True:
            try:
                piece = output.read(65536)
            except OSError:  # Linux: EIO once the other side is closed
                return
            if not piece:
                return
            stream.feed(piece)


def _text(screen: pyte.Screen, row: int) -> Text:
    """Returns one line, with one piece of text for neighbours of the same style."""
    text = Text(end="")
    cells = [screen.buffer[row][column] for column in range(screen.columns)]
    for style, neighbours in groupby(cells, _style):
        text.append("".join(cell.data for cell in neighbours), style)
    text.rstrip()
    return text


def _style(cell: pyte.screens.Char) -> Style:
    colour = None if cell.fg == "default" else _colour(cell.fg)
    return Style(color=colour, bold=cell.bold, italic=cell.italics, underline=cell.underscore)


def _colour(name: str) -> str:
    """Returns the colour as rich names it: pyte says `brown` for yellow, and six digits for others."""
    return f"#{name}" if len(name) == 6 and set(name) <= set("0123456789abcdef") else name.replace("brown", "yellow")


def draw(lines: list[Text]) -> str:
    """Returns the lines as an SVG."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
        for line in lines:
            console.print(line, no_wrap=True, overflow="ignore", crop=False)
        return console.export_svg(
            title="Raylane", code_format=_FORMAT.replace("{title_text}", "Raylane"), unique_id="raylane"
        )


async def show(directory: Path, env: Mapping[str, str]) -> list[Text]:
    """Runs all commands, and returns what the terminal shows with their prompts."""
    lines: list[Text] = []
    for command in COMMANDS:
        lines += [Text(f"$ {command}", Style(bold=True)), *await record(command, directory, env), Text("")]
    return lines[:-1]


async def _main() -> None:
    import shutil

    from raylane_common.settings import Settings
    from raylane_common.wire.base import Lane
    from raylane_worker.app import run
    from raylane_worker.embedded import EmbeddedStack
    from raylane_worker.embedded.samples import sample_file

    async with EmbeddedStack() as stack:
        env = {"PATH": os.environ["PATH"], **stack.settings_env()}
        os.environ.update(env)
        ready, stop = asyncio.Event(), asyncio.Event()
        working = asyncio.create_task(run(Settings(_env_file=None), list(Lane), ready=ready, stop=stop))
        await ready.wait()
        with TemporaryDirectory() as directory:
            shutil.copy(sample_file(), directory)
            lines = await show(Path(directory), env)
        stop.set()
        await working
    (Path(__file__).parent / "screen.svg").write_text(draw(lines), encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(_main())
