"""The `raylane-worker` command. It imports no optional package, so that `main` can say which ones are missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Final

_NEEDED: Final = ("typer", "rich", "aiobotocore", "boto3", "pyarrow", "strands")


def main() -> None:
    """Runs the command line. Exits with 1 and a hint if the extra `worker` is not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(f"raylane-worker needs {', '.join(missing)}: pip install 'raylane[worker]'", file=sys.stderr)  # noqa: T201  # no logging yet
        raise SystemExit(1)
    from raylane.cli.process import show_what_can_be_shown
    from raylane_worker.cli.commands import app

    show_what_can_be_shown()
    app()
