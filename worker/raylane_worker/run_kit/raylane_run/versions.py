"""Ends a script on a cluster whose packages would give it other values."""

from __future__ import annotations

import sys
from typing import Final

# Older ones hold each time in nanoseconds, so none before 1677 or after 2262.
_OLDEST_PANDAS: Final = (2, 2)


def require_pandas(version: str) -> None:
    """Ends the script with a message if this version of pandas is older than 2.2."""
    if tuple(map(int, version.split(".")[:2])) < _OLDEST_PANDAS:
        sys.exit(f"pandas {version} cannot hold the times of each source; the cluster needs pandas 2.2 or newer")
