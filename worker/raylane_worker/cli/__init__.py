"""The `raylane-worker` command. This module imports nothing of the extras, so that it can say which one is missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Final

_NEEDED: Final = ("typer", "rich", "aiobotocore", "boto3", "pyarrow", "strands")


def main() -> None:
    """Entry point. Exits with 1 and a hint when the `worker` extra is not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(f"raylane-worker needs {', '.join(missing)}: pip install 'raylane[worker]'", file=sys.stderr)  # noqa: T201  # no logging yet
        raise SystemExit(1)
    from raylane_worker.cli.commands import app

    app()
