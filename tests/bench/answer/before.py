"""An earlier version of Raylane, unpacked from this repository, to be measured beside the present one."""

from __future__ import annotations

import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Final

from tests.bench.processes import ROOT, BenchError

if TYPE_CHECKING:
    from pathlib import Path

COMMIT: Final = "28ee3c5"
_PACKAGES: Final = ("common", "producer", "worker")


def import_path(tree: Path) -> str:
    """Returns what Python's path of imports needs to find the packages of a source tree."""
    return os.pathsep.join(str(tree / name) for name in _PACKAGES)


def unpack(directory: Path) -> Path:
    """Unpacks the packages of the earlier version below the directory, and returns their source tree.

    It runs with the libraries of this environment. Raises `BenchError` outside a clone that has the commit.
    """
    archive = directory / "before.tar"
    try:
        subprocess.run(
            ["git", "archive", "--output", str(archive), COMMIT, *_PACKAGES],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        raise BenchError(f"git has no commit {COMMIT}: {error.stderr.strip()}") from error
    except OSError as error:
        raise BenchError(f"git cannot be run: {error}") from error
    tree = directory / COMMIT
    with tarfile.open(archive) as packed:
        packed.extractall(tree, filter="data")
    return tree
