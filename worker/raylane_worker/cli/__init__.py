"""The `raylane-worker` command. It imports no optional package, so that `main` can say which ones are missing."""

from __future__ import annotations

import sys
import traceback
from importlib.util import find_spec
from typing import Final

_NEEDED: Final = ("typer", "rich", "aiobotocore", "boto3", "pyarrow", "strands")


def main() -> None:
    """Runs the command line. Exits with 1 and a hint if an extra is missing, or with 1 and a traceback for a bug."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        print(f"raylane-worker needs {', '.join(missing)}: pip install 'raylane[worker]'", file=sys.stderr)  # noqa: T201  # no logging yet
        raise SystemExit(1)
    from raylane.cli.process import show_what_can_be_shown
    from raylane_common.safe_text import safe_text
    from raylane_worker.cli.commands import app

    show_what_can_be_shown()
    try:
        app()
    except Exception as error:
        sys.stderr.write(safe_text("".join(traceback.format_exception(error))))
        raise SystemExit(1) from None
