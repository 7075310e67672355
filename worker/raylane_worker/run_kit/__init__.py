"""What is shipped beside a generated script. It runs on the cluster, so it imports nothing of Raylane."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

# Starts `main.py`, which lies beside it.
LAUNCHER: Final = "raylane_run.py"


def kit_files() -> dict[str, str]:
    """Returns the text of each file of the kit by its name."""
    return {LAUNCHER: (files(__name__) / LAUNCHER).read_text("utf-8")}
