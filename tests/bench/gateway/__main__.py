"""How the gateway holds up under 500 clients at once for a minute: `make bench-gateway`.

Clients enqueue jobs and wait for them by polling, by waiting and by following, each with a token of its own. The
gateway, the worker, Valkey and the clients are processes on this machine. No request may fail, no job may be lost, and
the memory of the gateway may not grow. Written to build/bench/gateway.json, with the load of the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from tests.bench.gateway.clients import Figures, callers, run_clients
from tests.bench.processes import LOGS, OUT, ROOT
from tests.bench.server import valkey
from tests.helpers.gateways import write_callers
from tests.helpers.servers import Background

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

_CLI: Final = "from raylane.cli import main; main()"
_STOP_S: Final = 20.0
# What the gateway loads and what each connection needs is there after this part of the time.
_WARM: Final = 0.25
# As many MiB as the middle of the last quarter may be above that of the second one.
_MOST_GROWTH_MIB: Final = 8.0


def main() -> None:
    """Measures, prints what was found, and writes it. Exits with 1 if something failed."""
    options = _options()
    with TemporaryDirectory(prefix="bench-") as directory, ExitStack() as stack:
        background = stack.enter_context(Background())
        url = background.enter(valkey()).url
        tokens = write_callers(Path(directory, "callers.json"), **callers(options.clients))
        stack.enter_context(process([sys.executable, "-m", "tests.bench.gateway.worker", url]))
        environment = {
            "RAYLANE_REDIS__URL": url,
            "RAYLANE_GATEWAY__TOKENS_FILE": str(tokens),
            "RAYLANE_GATEWAY__PORT": "0",
        }
        log = stack.enter_context(_log())
        command = [sys.executable, "-c", _CLI, "gateway"]
        gateway = stack.enter_context(process(command, environment, listens=True, log=log))
        found = asyncio.run(_measure(gateway, options.clients, options.seconds))
    print(json.dumps({name: value for name, value in found.items() if name != "memory_mib"}, indent=2))
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "gateway.json").write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(0 if found["passed"] else 1)


def _log() -> IO[str]:
    LOGS.mkdir(parents=True, exist_ok=True)
    return (LOGS / "gateway.log").open("w")


@contextmanager
def process(
    command: list[str], environment: dict[str, str] | None = None, *, listens: bool = False, log: IO[str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Runs a program until the end of the block. One that `listens` prints its address first. `log` gets its stderr."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path, **(environment or {})},
        stdout=subprocess.PIPE if listens else None,
        stderr=log,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.terminate()
            try:
                running.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                running.kill()


def address_of(gateway: subprocess.Popen[str]) -> str:
    """Returns the address that a gateway prints when it listens."""
    assert gateway.stdout is not None
    line = gateway.stdout.readline()
    if "http://" not in line:
        raise RuntimeError(f"the gateway has not started: {line!r}")
    return line[line.index("http://") :].strip()


async def _measure(gateway: subprocess.Popen[str], clients: int, seconds: float) -> dict[str, Any]:
    url, before = address_of(gateway), os.getloadavg()[0]
    memory: list[tuple[float, float]] = []
    began_s = time.monotonic()
    watching = asyncio.create_task(_watch(gateway.pid, began_s, memory))
    figures = await run_clients(url, clients, lambda _: time.monotonic() - began_s < seconds)
    took_s = time.monotonic() - began_s
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return _found(figures, clients, took_s, memory, [before, os.getloadavg()[0]])


async def _watch(pid: int, began_s: float, memory: list[tuple[float, float]]) -> None:
    while True:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        rss_mib = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        memory.append((round(time.monotonic() - began_s, 1), round(rss_mib, 1)))
        await asyncio.sleep(1)


def _found(
    figures: Figures, clients: int, took_s: float, memory: list[tuple[float, float]], load: list[float]
) -> dict[str, Any]:
    growth_mib = _growth_mib([rss_mib for _, rss_mib in memory])
    lost = figures.jobs - figures.done
    flat = growth_mib is None or growth_mib <= _MOST_GROWTH_MIB
    return {
        "passed": not figures.errors and not lost and flat,
        "clients": clients,
        "seconds": round(took_s, 1),
        "load_before_and_after": [round(each, 1) for each in load],
        "cores": os.cpu_count(),
        "jobs": figures.jobs,
        "lost": lost,
        "errors": dict(figures.errors),
        "requests": dict(figures.requests),
        "requests_per_s": round(sum(figures.requests.values()) / took_s, 1),
        "jobs_per_s": round(figures.done / took_s, 1),
        "latency_ms": figures.latencies(),
        "memory_growth_mib": growth_mib,
        "memory_first_and_last_mib": [memory[0], memory[-1]] if memory else [],
        "memory_mib": memory,
    }


def _growth_mib(rss_mib: list[float]) -> float | None:
    """Returns how much the last quarter is above the second one; None for a run that is too short to tell."""
    quarter = int(len(rss_mib) * _WARM)
    if quarter < 5:
        return None
    return round(statistics.median(rss_mib[-quarter:]) - statistics.median(rss_mib[quarter : 2 * quarter]), 1)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.gateway", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clients", type=int, default=500, help="clients at once (500)")
    parser.add_argument("--seconds", type=float, default=60, help="how long they begin jobs (60)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
