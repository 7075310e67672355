"""The `raylane` command. Without the extra `[cli]`, `main` says what to install."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import contextmanager
from importlib.machinery import PathFinder
from importlib.util import LazyLoader
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

_LONG_LIVED: Final = frozenset({"follow", "gateway", "mcp", "top"})


def main() -> None:
    """Runs the command line and exits with its exit code."""
    try:
        _load_less()
        from raylane.cli.app import run_app

        with _written_output():
            sys.exit(run_app(sys.argv[1:]))
    except ModuleNotFoundError as error:
        if error.name != "typer":
            raise
        sys.stderr.write("The raylane command needs more packages: pip install 'raylane[cli]'\n")
        sys.exit(1)
    except KeyboardInterrupt:  # before the command has begun; it handles a later one itself
        sys.stderr.write("interrupted\n")
        sys.exit(130)
    finally:
        gc.freeze()  # else Python looks at everything once more before it ends


@contextmanager
def _written_output() -> Iterator[None]:
    """Says once if stdout cannot be written. Python would try it again at its end, with a message and code of its own.

    Commands say it themselves, but help texts and the version are printed before there is a command.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        _discard_output()
        sys.stderr.write(f"error: cannot write the output: {error.strerror}\n")
        sys.exit(1)
    except SystemExit as end:
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError as error:
            _discard_output()
            if not end.code and not isinstance(error, BrokenPipeError):
                sys.stderr.write(f"error: cannot write the output: {error.strerror}\n")
            sys.exit(end.code or 1)
        raise


def _discard_output() -> None:
    """Sends what is not written yet to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def _load_less() -> None:
    """Makes the start of a command shorter, which is most of what it takes."""
    # What may run for days collects its garbage as usual, and whoever observes a server by a plugin gets that.
    if not _LONG_LIVED.intersection(sys.argv):
        # Nearly all that is made at the start stays until the end. Looking at it again and again takes time.
        gc.set_threshold(100_000, 20, 20)
        # Plugins are looked for in every package that is installed.
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # redis-py imports it, and with it cryptography, for logins by tokens, which we do not use.
    sys.meta_path.insert(0, _LoadedWhenUsed("jwt"))


class _LoadedWhenUsed:
    """Finds a module as Python does, but lets it run when something of it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Returns where the module is; None for all other modules."""
        spec = PathFinder.find_spec(name, path, target) if name == self._name else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec
