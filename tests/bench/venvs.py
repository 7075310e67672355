"""One virtual environment per peer, made once: build/bench/venvs/<peer>, from the versions that are pinned here."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.processes import BenchError

if TYPE_CHECKING:
    from tests.bench.systems import System

_INSTALL_S = 300.0


def make(system: System) -> None:
    """Installs the peer unless that was done before with the same versions. Raises `BenchError` if it fails."""
    if system.venv is None:
        return
    directory = system.python.parents[1]
    stamp = directory / ".stamp"
    wanted = hashlib.sha256(system.requirements.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return
    uv = Path(sys.executable).with_name("uv")
    shutil.rmtree(directory, ignore_errors=True)
    _run(system, [str(uv), "venv", "--quiet", "--python", sys.executable, str(directory)])
    install = [str(uv), "pip", "install", "--quiet", "--python", str(system.python)]
    _run(system, [*install, "--requirement", str(system.requirements)])
    stamp.write_text(wanted)


def versions(system: System) -> dict[str, str]:
    """What a peer's environment holds, by the name of the package."""
    pins = (line.partition("==") for line in system.requirements.read_text().splitlines())
    return {name: version for name, _, version in pins if version}


def _run(system: System, command: list[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=True)
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{system.venv} was not installed within {_INSTALL_S:g} s") from error
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", None) or str(error)
        raise BenchError(f"{system.venv} could not be installed: {said.strip().splitlines()[-1]}") from error
