"""The `raylane` command. Without the extra `[cli]`, `main` says what to install."""

from __future__ import annotations

import sys


def main() -> None:
    """Runs the command line and exits with its exit code."""
    try:
        from raylane.cli.app import run_app

        sys.exit(run_app(sys.argv[1:]))
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.stderr.write("The raylane command needs more packages: pip install 'raylane[cli]'\n")
        sys.exit(1)
    except KeyboardInterrupt:  # before the command has begun; it handles a later one itself
        sys.stderr.write("interrupted\n")
        sys.exit(130)
