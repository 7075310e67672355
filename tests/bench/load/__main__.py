"""How a producer and a worker hold up under load: `make soak`, and `--crowd` for a full server with many followers.

The soak enqueues jobs at a fixed rate and waits for the result of each. Memory, descriptors and loop lag of the worker
and of the producer are read at intervals, so that growth shows. The crowd measures latency beside a million queued
jobs, 200,000 finished ones and 500 followers. Both are written to build/bench/load.json.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from tests.bench.load.crowd import Crowd, crowd
from tests.bench.load.soak import soak
from tests.bench.processes import OUT, ROOT
from tests.bench.server import Server, valkey
from tests.helpers.servers import Background

if TYPE_CHECKING:
    from collections.abc import Iterator

_STOP_S: Final = 20.0


@contextmanager
def _worker(url: str, every_s: float) -> Iterator[Path]:
    """Runs the worker in a process; yields the file of its readings."""
    with TemporaryDirectory(prefix="bench-") as directory:
        readings = Path(directory, "worker.jsonl")
        readings.touch()
        command = [sys.executable, "-m", "tests.bench.load.worker", url, str(readings), str(every_s)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        with subprocess.Popen(command, cwd=ROOT, env=environment) as process:
            try:
                yield readings
            finally:
                process.terminate()
                try:
                    process.wait(_STOP_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def main() -> None:
    """Runs what was asked for, prints it, and writes the JSON."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    found: dict[str, Any] = {}
    with Background() as background:
        server = Server(background.enter(valkey()).url)
        with _worker(server.url, options.every_s) as readings:
            if options.crowd:
                found["crowd"] = asyncio.run(crowd(server, Crowd(options.queued, options.finished, options.followers)))
            else:
                seconds = options.minutes * 60
                found["soak"] = asyncio.run(soak(server, options.rate, seconds, options.every_s, readings))
    print(json.dumps(found, indent=2))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "load.json").write_text(json.dumps(found, indent=2) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30, help="how long the soak takes (30)")
    parser.add_argument("--rate", type=float, default=100, help="jobs per second of the soak (100)")
    parser.add_argument("--every-s", type=float, default=30, help="seconds between two readings (30)")
    parser.add_argument("--crowd", action="store_true", help="measure the crowd instead")
    parser.add_argument("--queued", type=int, default=1_000_000, help="queued jobs of the crowd (1000000)")
    parser.add_argument("--finished", type=int, default=200_000, help="finished jobs of the crowd (200000)")
    parser.add_argument("--followers", type=int, default=500, help="followers of the crowd (500)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
