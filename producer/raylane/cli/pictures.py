"""Shows a chart as a picture in terminals that are known to take one. No terminal is asked, because not all answer."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Final

from raylane_common.errors import MissingPackage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from raylane.cli.terminal import Terminal
    from raylane_common.wire.answer import AnswerChart

_KITTY_TERMS: Final = ("xterm-kitty", "xterm-ghostty")
_KITTY_PROGRAMS: Final = ("kitty", "ghostty", "WezTerm")
_KITTY_CHUNK: Final = 4096
_MAX_COLUMNS: Final = 80


def picture(chart: AnswerChart, terminal: Terminal) -> str | None:
    """Returns the controls that show the chart; None if the terminal takes no pictures, or nothing here can draw."""
    if terminal.width is None or not takes_kitty_pictures(os.environ):
        return None
    from raylane.answers.drawing import png

    try:
        image = png(chart)
    except MissingPackage:
        return None  # bars need no package
    return "".join(_kitty(image, min(terminal.width, _MAX_COLUMNS)))


def takes_kitty_pictures(environment: Mapping[str, str]) -> bool:
    """Returns whether the terminal says that it takes pictures as kitty does; a multiplexer would not pass them on."""
    term = environment.get("TERM", "")
    if "TMUX" in environment or "STY" in environment or term.startswith(("screen", "tmux")):
        return False
    return (
        "KITTY_WINDOW_ID" in environment
        or term in _KITTY_TERMS
        or environment.get("TERM_PROGRAM", "") in _KITTY_PROGRAMS
    )


def _kitty(image: bytes, columns: int) -> Iterator[str]:
    """Yields the image in the parts that the protocol takes. q=2: nothing is answered, which the shell would read."""
    data = base64.b64encode(image).decode()
    parts = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    for number, part in enumerate(parts):
        controls = f"a=T,f=100,q=2,c={columns}," if number == 0 else ""
        yield f"\x1b_G{controls}m={int(number < len(parts) - 1)};{part}\x1b\\"
