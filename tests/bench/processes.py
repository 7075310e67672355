"""Starts and ends the processes of a system: one-shot producers, and workers in a session of their own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from tests.bench import driver, work
from tests.bench.systems import OWN_PACE

if TYPE_CHECKING:
    from tests.bench.systems import Pace, System

ROOT: Final = Path(__file__).parents[2]
OUT: Final = ROOT / "build" / "bench"
LOGS: Final = OUT / "logs"
# Read by ours; passed on if it is set.
DURABILITY: Final = "RAYLANE_REDIS__DURABILITY"
_STOP_S: Final = 3.0
_REAP_S: Final = 10.0


class BenchError(Exception):
    """A system could not be measured; the message says why."""


@dataclass
class Worker:
    """A worker process and its children, as a context manager: SIGTERM at the end, SIGKILL if that does not do."""

    system: System
    url: str
    clock_dir: Path
    pace: Pace = OWN_PACE
    process: subprocess.Popen[bytes] = field(init=False)

    def __enter__(self) -> Self:
        LOGS.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as output:
            try:
                self.process = subprocess.Popen(
                    [str(self.system.python), "-m", self.system.module, "worker"],
                    cwd=ROOT,
                    env=_environment(self.url, self.clock_dir, self.pace),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            except OSError as error:
                raise BenchError(f"its worker could not be started: {error}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_STOP_S)
        self.kill()

    def kill(self) -> None:
        """SIGKILL to the worker and its children at once, as when a machine dies."""
        self.signal(signal.SIGKILL)
        self.process.wait(_REAP_S)

    def signal(self, signum: signal.Signals) -> None:
        """Sends a signal to the worker and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signum)

    def check(self) -> None:
        """Raises `BenchError` if the worker has ended by itself."""
        if (status := self.process.poll()) is not None:
            raise BenchError(f"its worker ended with {status}, see {self._log.relative_to(ROOT)}")

    @property
    def _log(self) -> Path:
        return LOGS / f"{self.system.name}.log"

    def rss_mib(self) -> float | None:
        """Resident memory of the worker and its children; None where there is no /proc."""
        pages = [
            int((path / "statm").read_text().split()[1])
            for path in Path("/proc").glob("[0-9]*")
            if _session(path) == self.process.pid
        ]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20 if pages else None


def produce(system: System, url: str, *arguments: str | int, timeout_s: float) -> Any:
    """Runs one verb of the system's driver in a process of its own; returns its answer. Raises `BenchError`."""
    verb = " ".join(map(str, arguments))
    command = [str(system.python), "-m", system.module, *map(str, arguments)]
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=_environment(url), capture_output=True, text=True, timeout=timeout_s, check=True
        )
        return json.loads(done.stdout.splitlines()[-1])
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{verb}: not done within {timeout_s:g} s") from error
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise BenchError(f"{verb}: {last}") from error
    except (OSError, ValueError, IndexError) as error:
        raise BenchError(f"{verb}: no answer: {error}") from error


def _environment(url: str, clock_dir: Path | None = None, pace: Pace = OWN_PACE) -> dict[str, str]:
    variables = {"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/")}
    if DURABILITY in os.environ:
        variables[DURABILITY] = os.environ[DURABILITY]
    variables |= {"PYTHONPATH": str(ROOT), driver.URL: url, work.CLOCK_DIR: str(clock_dir or "")}
    return variables | {driver.CONCURRENCY: str(pace.at_once or ""), driver.POLL_MS: str(pace.poll_ms or "")}


def _session(path: Path) -> int | None:
    try:
        # Behind the name of the program, which may hold anything: state, parent, group, session.
        return int((path / "stat").read_text().rpartition(")")[2].split()[3])
    except (OSError, IndexError):
        return None
