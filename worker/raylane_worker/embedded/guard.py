"""The guardian of one child process: stops the child and everything it started when the parent is gone.

`embedded/child.py` runs this file as a script, `guard.py GRACE_S REMOVE_DIR COMMAND...`, in a new session, with a pipe
from the parent as stdin and the log as stderr. The script prints the child's pid. It exits when the child has ended; it
stops the child when the parent closes the pipe. It imports only the standard library, so that it starts fast.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

_PROC: Final = Path("/proc")
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36
# The exit code by which shells report a command that cannot be run.
_NOT_STARTED: Final = 127
# SIGKILL ends a process at once unless the kernel waits for a device; then nothing more can be done.
KILL_DEADLINE_S: Final = 10.0
# SIGKILL is sent again after this pause, because a process may have forked just before it was killed.
_KILL_PAUSE_S: Final = 0.05


class _Row(NamedTuple):
    """The parent and the session of one living process."""

    parent: int
    session: int


def _table() -> dict[int, _Row]:
    """Returns every living process by pid, without zombies. Empty where the system has no `/proc` (macOS)."""
    table = {}
    for entry in _PROC.glob("[0-9]*/stat"):
        try:
            # The second field, the name, may contain spaces and brackets, so parse what follows the last one.
            state, parent, _, session = entry.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if state not in "ZX":
            table[int(entry.parent.name)] = _Row(int(parent), int(session))
    return table


def members(leaders: Iterable[int]) -> frozenset[int]:
    """Returns `leaders`, their descendants and all processes in their sessions, as far as they are alive."""
    table = _table()
    found = set(leaders)
    sessions = frozenset(found)
    grown = True
    while grown:
        more = {
            pid for pid, row in table.items() if pid not in found and (row.parent in found or row.session in sessions)
        }
        found |= more
        grown = bool(more)
    return frozenset(found & table.keys())


def living(pids: Iterable[int]) -> frozenset[int]:
    """Returns those of `pids` that exist and are not zombies."""
    return frozenset(pids) & _table().keys()


def kill(pids: Iterable[int]) -> None:
    """Sends SIGKILL to each process. Ignores processes that have already ended."""
    for pid in pids:
        _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


class _Guardian:
    """Starts the child, waits for it, and stops every process that is left."""

    def __init__(self, command: list[str]) -> None:
        self._wake, write_end = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(write_end, False)
        signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)
        self._stopping = False
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self.exit_code: int | None = None
        self.child = _start(command)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def wait(self, grace_s: float) -> None:
        """Returns once the child and all its descendants are gone.

        Stops them when the child has ended, the parent is gone, or a signal arrives: first with SIGTERM to the child,
        then after `grace_s` seconds with SIGKILL to all.
        """
        while self._reap() and self.exit_code is None and not self._stopping:
            if sys.stdin.fileno() in self._select([sys.stdin.fileno()], None):
                self._stopping = True
        if self.exit_code is None:
            _signal(self.child, signal.SIGTERM)
            _signal(self.child, signal.SIGCONT)
            deadline = time.monotonic() + grace_s
            while self._reap() and self.exit_code is None and time.monotonic() < deadline:
                self._select([], deadline - time.monotonic())
        deadline = time.monotonic() + KILL_DEADLINE_S
        while self._reap() and time.monotonic() < deadline:
            kill(self._descendants())
            self._select([], _KILL_PAUSE_S)

    def _descendants(self) -> frozenset[int]:
        if _PROC.exists():
            return members([os.getpid()]) - {os.getpid()}
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: EPERM for a group of zombies
            os.killpg(self.child, signal.SIGKILL)
        return frozenset()

    def _reap(self) -> bool:
        """Collects the exit codes of ended children. Returns False once no child is left, including adopted orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.child:
                self.exit_code = os.waitstatus_to_exitcode(status)

    def _select(self, readable: list[int], timeout_s: float | None) -> list[int]:
        timeout_s = None if timeout_s is None else max(0.0, timeout_s)
        ready, _, _ = select.select([*readable, self._wake], [], [], timeout_s)
        if self._wake in ready:
            os.read(self._wake, 512)
        return ready


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def _start(command: list[str]) -> int:
    guardian = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(command, guardian)
    return pid


def _become(command: list[str], guardian: int) -> NoReturn:
    """Turns the forked child into the command: it dies with the guardian, and its output goes to the log."""
    try:
        os.setpgid(0, 0)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, which the command would inherit
            signal.signal(number, signal.SIG_DFL)
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == guardian:
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(2, 1)
            os.execvp(command[0], command)  # noqa: S606  # running the given command is the purpose
    except OSError as error:
        os.write(2, f"{command[0]}: {error.strerror}\n".encode())
    os._exit(_NOT_STARTED)


def main() -> int:
    """Runs the command; returns its exit code, or 128 + signal."""
    grace_s, remove_dir, *command = sys.argv[1:]
    guardian = _Guardian(command)
    with contextlib.suppress(BrokenPipeError):  # the parent is already gone, which `wait` detects on stdin
        os.write(1, f"{guardian.child}\n".encode())
    os.close(1)
    guardian.wait(float(grace_s))
    if remove_dir:
        shutil.rmtree(remove_dir, ignore_errors=True)
    code = -signal.SIGKILL if guardian.exit_code is None else guardian.exit_code
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    sys.exit(main())
