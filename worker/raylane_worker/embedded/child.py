"""Runs a server as a child process under a guardian, until a block ends."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.errors import EmbeddedError
from raylane_worker.embedded import guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

HOST: Final = "127.0.0.1"
_LOG_TAIL_BYTES: Final = 4096
# After SIGTERM, Valkey writes the rest of its append-only file. After this time the guardian kills it.
_GRACE_S: Final = 5.0
# The guardian is a bare Python process, which starts within seconds even on a busy machine.
_GUARD_START_S: Final = 15.0
_PROBE_PAUSE_S: Final = 0.05
# A server that is starting may accept a connection and never answer it, so the next probe opens another one.
_PROBE_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Child:
    """A running server and its guardian."""

    part: str
    pid: int
    guardian: asyncio.subprocess.Process
    log_fd: int
    log_path: Path

    @property
    def guard_pid(self) -> int:
        """The guardian's process id; it leads the session."""
        return self.guardian.pid

    async def ready(self, probe: Callable[[], Awaitable[bool]], deadline_s: float) -> None:
        """Calls `probe` until it returns True.

        Raises `EmbeddedError` if the child ends first or `deadline_s` seconds pass.
        """
        try:
            async with asyncio.timeout(deadline_s):
                while not await probe():
                    if self.guardian.returncode is not None:
                        raise self._error(f"ended with exit code {self.guardian.returncode} before it was ready")
                    await asyncio.sleep(_PROBE_PAUSE_S)
        except TimeoutError:
            raise self._error(f"was not ready within {deadline_s:g} s") from None

    def _error(self, problem: str) -> EmbeddedError:
        start = max(0, os.fstat(self.log_fd).st_size - _LOG_TAIL_BYTES)
        tail = os.pread(self.log_fd, _LOG_TAIL_BYTES, start).decode(errors="replace").strip()
        message = f"{self.part} {problem}; the end of its log ({self.log_path}):\n{tail}"
        return EmbeddedError(message, details={"part": self.part, "log_tail": tail})


@asynccontextmanager
async def guarded(
    part: str,
    command: Sequence[str],
    log_path: Path,
    env: Mapping[str, str],
    *,
    remove: Path | None,
    grace_s: float = _GRACE_S,
) -> AsyncIterator[Child]:
    """Runs `command` under a guardian until the block ends.

    `part` names the server in errors, `log_path` is the file for its output, and `env` its whole environment. After
    SIGTERM it has `grace_s` seconds to end before it is killed. The guardian then removes the directory `remove`.
    Raises `EmbeddedError` if the guardian does not start.
    """
    log_fd = os.open(log_path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    guard_end, our_end = os.pipe()
    try:
        guardian = await asyncio.create_subprocess_exec(
            *[sys.executable, "-I", "-S", guard.__file__, str(grace_s), str(remove or ""), *command],
            stdin=guard_end,
            stdout=asyncio.subprocess.PIPE,
            stderr=log_fd,
            env=env,
            start_new_session=True,
        )
    except BaseException:
        os.close(our_end)
        os.close(log_fd)
        raise
    finally:
        os.close(guard_end)
    try:
        yield Child(part, await _reported_pid(part, guardian), guardian, log_fd, log_path)
    finally:
        # Closing the pipe makes the guardian stop the child; `_gone` only waits for that.
        os.close(our_end)
        os.close(log_fd)
        await _gone(guardian, grace_s)


async def _reported_pid(part: str, guardian: asyncio.subprocess.Process) -> int:
    assert guardian.stdout is not None
    try:
        async with asyncio.timeout(_GUARD_START_S):
            return int(await guardian.stdout.readline())
    except (TimeoutError, ValueError) as error:
        raise EmbeddedError(f"{part}: its guardian process did not start", details={"part": part}) from error


async def _gone(guardian: asyncio.subprocess.Process, grace_s: float) -> None:
    try:
        async with asyncio.timeout(grace_s + guard.KILL_DEADLINE_S + 1):
            await guardian.wait()
    except TimeoutError:
        guardian.kill()
        await guardian.wait()
    if guardian.returncode is not None and guardian.returncode < 0:
        # Only a guardian that was killed leaves processes behind. Its session id identifies them safely.
        guard.kill(await asyncio.to_thread(guard.members, [guardian.pid]))


async def pong(port: int) -> bool:
    """Returns whether the Redis server at `port` answers a PING."""
    return await _exchange(port, b"PING\r\n", b"+PONG")


async def takes_jobs(port: int, token: str) -> bool:
    """Returns whether the Ray head with its dashboard at `port` can start jobs."""
    # The Jobs API answers seconds before the agent that starts jobs is ready. Listing logs asks that agent.
    agent = f"/api/v0/logs?node_ip={HOST}&glob=none"
    return await http_ok(port, "/api/version", token) and await http_ok(port, agent, token)


async def http_ok(port: int, path: str, token: str | None = None) -> bool:
    """Returns whether GET `path` at `port` answers 200. `token` is sent as a bearer token."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.0\r\nHost: {HOST}:{port}\r\n{authorization}\r\n"
    return await _exchange(port, request.encode(), b" 200 ")


async def _exchange(port: int, request: bytes, wanted: bytes) -> bool:
    """Returns whether the first line of the answer contains `wanted`; False if no server listens yet."""
    try:
        async with asyncio.timeout(_PROBE_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(HOST, port)
            try:
                writer.write(request)
                return wanted in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
