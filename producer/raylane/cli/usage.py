"""The group of commands that `raylane` and `raylane-worker` share: messages about wrong usage are safe to print."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from raylane.cli.mistakes import explain
from raylane.cli.process import ExitCode
from raylane_common.safe_text import safe_line

if TYPE_CHECKING:
    from collections.abc import Iterator


class SafeGroup(TyperGroup):
    """Commands whose arguments may come from a script, and so from a file name."""

    def make_context(self, *args: Any, **options: Any) -> Any:  # Any: the types are internal to typer
        """Reads the arguments before the command."""
        with _safe_messages():
            return super().make_context(*args, **options)

    def invoke(self, *args: Any, **options: Any) -> Any:  # Any: the types are internal to typer
        """Reads the other arguments and runs the command."""
        with _safe_messages():
            return super().invoke(*args, **options)


@contextmanager
def _safe_messages() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:  # before the command has begun, or while it prints a help text; typer says nothing
        sys.stderr.write("interrupted\n")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except TyperException as error:
        explain(error)
        error.message = safe_line(error.message)
        raise
