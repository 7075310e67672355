"""Which module has which command, so that a command loads no other one.

A module whose name ends in `_commands` has the commands of one kind of job, or one group, in its `app`.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Final

from raylane import cli

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import typer

# A module that is missing here works, but then each of its commands loads all modules.
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "audit_commands": ("audit",),
    "context_commands": ("context",),
    "doctor_commands": ("doctor",),
    "gateway_commands": ("gateway",),
    "generate_commands": ("generate", "rerun", "run"),
    "job_commands": ("cancel", "follow", "result", "retry", "status"),
    "mcp_commands": ("mcp",),
    "operator_commands": ("dead", "jobs", "lanes"),
    "ray_commands": ("ray",),
    "session_commands": ("history", "remove", "reset", "restore", "sources"),
    "settings_commands": ("settings",),
    "table_commands": ("tables",),
    "top_commands": ("top",),
    "upload_commands": ("upload",),
}
_MODULE_OF: Final = {command: module for module, commands in COMMANDS.items() for command in commands}
_WITH_VALUE: Final = "--context"


def every() -> list[str]:
    """Returns the names of all modules with commands."""
    return [found.name for found in iter_modules(cli.__path__) if found.name.endswith("_commands")]


def needed_for(arguments: Sequence[str]) -> list[str]:
    """Returns the names of the modules that a command line needs: one, or all if it names no known command."""
    words = iter(arguments)
    for word in words:
        if word == _WITH_VALUE:
            next(words, None)
        elif not word.startswith("-"):
            return [_MODULE_OF[word]] if word in _MODULE_OF else every()
    return every()


def apps_of(modules: Iterable[str]) -> list[typer.Typer]:
    """Imports the modules, and returns their commands."""
    return [import_module(f"{cli.__name__}.{module}").app for module in modules]
