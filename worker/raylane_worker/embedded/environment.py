"""Provides what a server needs to start: its package, environment variables, a directory and a free port."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raylane_common.errors import EmbeddedError
from raylane_common.secrets import find_credential
from raylane_worker.embedded.child import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

# What programs need to start, to print text, and to reach package indexes.
_KEPT: Final = frozenset(
    {
        *("HOME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"),
        *("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV"),
        *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"),
    }
)
_KEPT_PREFIXES: Final = ("LC_", "PIP_", "UV_")


def package(name: str, part: str) -> Path:
    """Returns the directory of the installed package `name`, without importing it.

    `part` names the server in errors. Raises `EmbeddedError` if the package is missing, and on Windows.
    """
    if sys.platform == "win32":
        raise EmbeddedError("the embedded stack runs on Linux and macOS, not on Windows", details={"part": part})
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"{part}: the package {name} is missing; pip install 'raylane[embedded]'", details={"part": part}
        )
    return Path(spec.origin).parent


def environment() -> dict[str, str]:
    """Returns what a server needs of this process's environment. Every run inherits it, so secrets are left out."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if (name.upper() in _KEPT or name.startswith(_KEPT_PREFIXES)) and find_credential(value) is None
    }
    no_proxy = ",".join(filter(None, [kept.get("no_proxy") or kept.get("NO_PROXY"), HOST, "localhost"]))
    return kept | {
        # A Ray job runs the first `python` on this path.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONUNBUFFERED": "1",
    }


@contextmanager
def directory(part: str, given: Path | None, parent: str | None = None) -> Iterator[tuple[Path, Path | None]]:
    """Yields the directory that `part` uses, and the directory that its guardian must remove at the end, if any.

    Uses `given`, which is kept; if it is None, a new temporary directory below `parent`, which is removed. Raises
    `EmbeddedError` if `given` is not a directory and cannot be made.
    """
    if given is not None:
        try:
            given.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"{part}: the directory {given} cannot be used: {error.strerror}"
            raise EmbeddedError(problem, details={"part": part}) from error
        yield given.absolute(), None
        return
    made = Path(tempfile.mkdtemp(prefix=f"raylane-{part}-", dir=parent))
    try:
        yield made, made
    finally:
        # The guardian removes it too, in case this process is killed before this line.
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def free_port(part: str, given: int | None) -> Iterator[int]:
    """Reserves a TCP port on loopback until the block ends: `given`, or any free one.

    Raises `EmbeddedError`, which names `part` and the port, if the port is in use.
    """
    with socket.socket() as holder:
        # Bound but not listening, so nobody else gets the port, but a server with SO_REUSEADDR can use it.
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind((HOST, given or 0))
        except OSError as error:
            raise EmbeddedError(f"{part}: port {given}: {error.strerror}", details={"part": part}) from error
        port = int(holder.getsockname()[1])
        if sys.platform != "linux":
            holder.close()
        yield port
