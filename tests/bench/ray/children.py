"""The processes of this benchmark. It exchanges JSON lines with each, and ends each by its handle."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Final, Self

from tests.bench.processes import LOGS, ROOT, BenchError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from pydantic import JsonValue

START_S: Final = 20.0
_STOP_S: Final = 3.0


class Child:
    """A process, as a context manager: SIGTERM at the end, SIGKILL if that does not suffice.

    `says` is what it reads first, and `env` is added to its environment. Its standard input ends when this process
    does, however that happens: by this, servers know that they are over.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, says: JsonValue = None, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self._command = command
        self._env = env or {}
        self._says = says
        self._process: subprocess.Popen[bytes]

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        LOGS.mkdir(parents=True, exist_ok=True)
        with self._log.open("wb") as errors:
            try:
                self._process = subprocess.Popen(
                    self._command,
                    cwd=ROOT,
                    env=_environment() | dict(self._env),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    # With a buffer, select() would not see a line that has been read already.
                    bufsize=0,
                    # Ctrl-C reaches only the benchmark, which then ends the processes that it started.
                    start_new_session=True,
                )
            except OSError as error:
                raise BenchError(f"{self.name} could not be started: {error}") from error
        if self._says is not None:
            self.send(self._says)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def send(self, data: JsonValue) -> None:
        """Writes one line to it. Raises `BenchError` if it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(data).encode() + b"\n")
        except OSError as error:
            raise self._gone() from error

    def receive(self, timeout_s: float = START_S, *, while_runs: Child | None = None) -> Any:
        """Reads one line from it.

        Raises `BenchError` if none comes within `timeout_s`, or if it is gone or the other process, which it needs.
        """
        stdout = self._process.stdout
        assert stdout is not None
        give_up_s = time.monotonic() + timeout_s
        while not select.select([stdout], [], [], 1)[0]:
            if while_runs is not None:
                while_runs.check()
            if time.monotonic() > give_up_s:
                raise BenchError(f"{self.name}: no answer within {timeout_s:g} s")
        line = stdout.readline()
        if not line:
            raise self._gone()
        return json.loads(line)

    def check(self) -> None:
        """Raises `BenchError` if it has ended."""
        if self._process.poll() is not None:
            raise self._gone()

    @property
    def _log(self) -> Path:
        return LOGS / f"ray-{self.name}.log"

    def _gone(self) -> BenchError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_S)
        said = self._log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
        return BenchError(f"{self.name} ended with {self._process.poll()}: {said[-1]}")


def python(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of this benchmark."""
    return [sys.executable, "-m", f"tests.bench.ray.{module}", *arguments]


def _environment() -> dict[str, str]:
    """Returns a minimal environment, so that no proxy and no setting of this machine affects the clients."""
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.environ.get("HOME", "/"),
        "PYTHONPATH": paths,
    }
