"""The files that are shipped beside a generated script. They run on the cluster and import nothing of Raylane."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

# Starts the `main.py` in the same directory.
LAUNCHER: Final = "raylane_run.py"


def kit_files() -> dict[str, str]:
    """Returns the text of each file of the kit by its name."""
    return {LAUNCHER: (files(__name__) / LAUNCHER).read_text("utf-8")}
