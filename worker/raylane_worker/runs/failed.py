"""Says where to look for the reason of a failed run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.names import Engine

if TYPE_CHECKING:
    from raylane_common.ray.models import Run

# SIGKILL, as Python and as a shell report it. Whoever gets it prints nothing.
_KILLED: Final = (-9, 137)


def reason(run: Run, engine: Engine | None = None) -> str:
    """Returns the end of a sentence about a run that failed. `engine` is that of generated code."""
    if run.exit_code not in _KILLED:
        return "its output says why"
    another = "compute with `--engine distributed`, or " if engine is Engine.LOCAL else ""
    return f"it was killed, usually because its node ran out of memory; {another}reserve more memory for the script"
