"""Shows a chart as a picture in terminals that are known to take one. No terminal is asked, because not all answer."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING, Final, Literal

from raylane_common.errors import MissingPackage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from raylane.cli.terminal import Terminal
    from raylane_common.wire.answer import AnswerChart

_KITTY_TERMS: Final = ("xterm-kitty", "xterm-ghostty")
_KITTY_PROGRAMS: Final = ("kitty", "ghostty", "WezTerm")
_SIXEL_TERMS: Final = ("contour", "foot", "mlterm", "yaft")
_SIXEL_PROGRAMS: Final = ("contour", "iTerm.app", "mintty")
_KITTY_CHUNK: Final = 4096
_MAX_COLUMNS: Final = 80


def picture(chart: AnswerChart, terminal: Terminal) -> str | None:
    """Returns the controls that show the chart; None if the terminal takes no pictures, or nothing here can draw."""
    protocol = picture_protocol(os.environ)
    if terminal.width is None or protocol is None:
        return None
    from raylane.answers.drawing import png
    from raylane.answers.sixel import sixels

    try:
        if protocol == "sixel":
            return sixels(png(chart, scale=1.0))
        return "".join(_kitty(png(chart), min(terminal.width, _MAX_COLUMNS)))
    except MissingPackage:
        return None  # bars need no package


def picture_protocol(environment: Mapping[str, str]) -> Literal["kitty", "sixel"] | None:
    """Returns the protocol for pictures that the terminal has, as far as its names say; a multiplexer has none."""
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if "TMUX" in environment or "STY" in environment or term.startswith(("screen", "tmux")):
        return None
    if "KITTY_WINDOW_ID" in environment or term in _KITTY_TERMS or program in _KITTY_PROGRAMS:
        return "kitty"
    if term.startswith(_SIXEL_TERMS) or "sixel" in term or program in _SIXEL_PROGRAMS:
        return "sixel"
    return None


def _kitty(image: bytes, columns: int) -> Iterator[str]:
    """Yields the image in the parts that the protocol takes. q=2: nothing is answered, which the shell would read."""
    data = base64.b64encode(image).decode()
    parts = [data[at : at + _KITTY_CHUNK] for at in range(0, len(data), _KITTY_CHUNK)]
    for number, part in enumerate(parts):
        controls = f"a=T,f=100,q=2,c={columns}," if number == 0 else ""
        yield f"\x1b_G{controls}m={int(number < len(parts) - 1)};{part}\x1b\\"
