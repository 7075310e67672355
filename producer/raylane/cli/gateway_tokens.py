"""`raylane gateway token`: makes a token for a caller of the gateway."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

import raylane
from raylane.cli import parameters, runner
from raylane.cli.terminal import Terminal
from raylane.gateway.access.rights import Right

if TYPE_CHECKING:
    from raylane.gateway.access.token_file import NewToken

_LASTS: Final = re.compile(r"([1-9][0-9]{0,5})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
# A prefix that ends so ends where a person would end it: `ada-`, and not `ada`, which `adam` has as well.
_ENDS: Final = ("-", "_", ".", "*")


Name = Annotated[str, typer.Argument(metavar="NAME", help="The caller, as logs name it.", show_default=False)]
Rights = Annotated[
    list[Right] | None,
    typer.Option("--right", help="What the caller may do. May be repeated.", show_default=False),
]
Sessions = Annotated[
    list[str] | None,
    typer.Option("--session", "-s", metavar="PREFIX", help="How its sessions begin; * for all. May be repeated."),
]
Expires = Annotated[
    str | None,
    typer.Option("--expires", metavar="TIME", help="When the token ends: 90d, 12h, or 2030-01-31.", show_default=False),
]
File = Annotated[
    Path | None,
    typer.Option(
        "--file",
        metavar="FILE",
        help="Add it to this file of callers. Default: the file in RAYLANE_GATEWAY__TOKENS_FILE.",
        show_default=False,
    ),
]


def token(
    name: Name,
    right: Rights = None,
    session: Sessions = None,
    expires: Expires = None,
    file: File = None,
    as_json: parameters.Json = False,
) -> None:
    """Make a token for a caller of the gateway. It is printed once; the file of callers has only its hash."""
    terminal = Terminal(as_json=as_json)
    with runner.exits(terminal):
        _make(terminal, name, right or [], session or [], expires, file)


def _make(
    terminal: Terminal, name: str, rights: list[Right], sessions: list[str], expires: str | None, file: Path | None
) -> None:
    from raylane.gateway.access.token_file import add_entry, new_token
    from raylane_common.settings import load_settings

    made = new_token(name, rights, sessions, None if expires is None else _time(expires))
    path = file or load_settings().gateway.tokens_file
    if path is not None:
        add_entry(path, made.entry)
    _show(terminal, made, path)
    for prefix in sessions:
        if not prefix.endswith(_ENDS):
            terminal.note(f"note: {prefix} also covers the sessions of others whose ids begin so, such as {prefix}2")


def _show(terminal: Terminal, made: NewToken, path: Path | None) -> None:
    from raylane.gateway.access.token_file import as_json

    if terminal.as_json:
        entry = made.entry.model_dump(mode="json", exclude_none=True)
        terminal.json({"token": made.token, "entry": entry, "file": None if path is None else str(path)})
        return
    terminal.line(made.token)
    if path is None:
        terminal.note('add this entry to the list "callers" of the file in RAYLANE_GATEWAY__TOKENS_FILE:')
        terminal.line(as_json(made.entry))
    else:
        terminal.note(f"added to {path}; a running gateway takes it within a second")
    terminal.note("the token is not stored anywhere: give it to the caller now")


def _time(text: str) -> datetime:
    """Returns the time that the text names. A time without a zone is local. Raises `InvalidRequest`."""
    lasts = _LASTS.fullmatch(text)
    try:
        if lasts is not None:
            return datetime.now(UTC).replace(microsecond=0) + timedelta(**{_UNITS[lasts[2]]: int(lasts[1])})
        time = datetime.fromisoformat(text)
        return time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        problem = f"{text} is not a time such as 90d, 12h or 2030-01-31T08:00"
        raise raylane.InvalidRequest.field("expires", problem) from error
