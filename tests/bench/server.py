"""The one Valkey server that all systems are measured on, from outside."""

from __future__ import annotations

import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from redis import Redis

from raylane_worker.embedded import embedded_valkey
from tests.bench.processes import BenchError

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from raylane_worker.embedded import EmbeddedValkey

_REWRITE_S: Final = 180.0
_CLIENTS_S: Final = 30.0
_CALM_S: Final = 1.0
_LOOK_S: Final = 0.05


def valkey() -> AbstractAsyncContextManager[EmbeddedValkey]:
    """A server with jemalloc, as packages and images of Redis and Valkey have it.

    The wheel's server has the allocator of the C library. That one takes twice as long per job beside 300,000 others,
    so it would be measured instead of the queue. Ray's wheel has a jemalloc for Linux.
    """
    ray = find_spec("ray")
    jemalloc = Path(ray.origin or "").parent / "core" / "libjemalloc.so" if ray else None
    if jemalloc and jemalloc.exists():
        return embedded_valkey(env={"LD_PRELOAD": str(jemalloc)})
    # With a larger cache per thread, glibc's allocator slows down less.
    return embedded_valkey(env={"GLIBC_TUNABLES": "glibc.malloc.tcache_count=65535"})


class Server:
    """Empties it and reads its counters."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._redis = Redis.from_url(url)

    def flush(self) -> None:
        """Drops everything in it."""
        self._redis.flushall()

    def clean(self) -> None:
        """Empty, with an empty file behind it, so that nobody pays for whoever came before. Raises `BenchError`."""
        self.flush()
        self.settle()
        self._redis.bgrewriteaof()  # type: ignore[no-untyped-call]  # redis-py 5 has no types for it
        self.settle()

    def settle(self) -> None:
        """Waits until it does not write its file anew in the background. Raises `BenchError`."""
        deadline = time.monotonic() + _REWRITE_S
        while any(self._info("persistence")[f"aof_rewrite_{state}"] for state in ("in_progress", "scheduled")):
            if time.monotonic() > deadline:
                raise BenchError(f"the server was still writing its file anew after {_REWRITE_S:g} s")
            time.sleep(_LOOK_S)

    def wait_for_clients(self, least: int) -> None:
        """Waits until so many others are connected and nobody has come or gone for a while. Raises `BenchError`."""
        deadline = time.monotonic() + _CLIENTS_S
        seen, since = -1, time.monotonic()
        while seen < least or time.monotonic() - since < _CALM_S:
            others = int(self._info("clients")["connected_clients"]) - 1
            if others != seen:
                seen, since = others, time.monotonic()
            if time.monotonic() > deadline:
                raise BenchError(f"{seen} clients after {_CLIENTS_S:g} s, where {least} were started")
            time.sleep(_LOOK_S)

    def commands(self) -> int:
        """Commands it has processed so far, those within scripts included, this one not."""
        return int(self._info("stats")["total_commands_processed"])

    def clients(self) -> int:
        """Connected clients, this one included."""
        return int(self._info("clients")["connected_clients"])

    def memory_mib(self) -> float:
        """What its data takes."""
        return float(self._info("memory")["used_memory"]) / 2**20

    def cpu_s(self) -> float:
        """Seconds of processor time that it has used so far."""
        info = self._info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def version(self) -> str:
        """Its name and version."""
        info = self._info("server")
        return f"valkey {info['valkey_version']}" if "valkey_version" in info else f"redis {info['redis_version']}"

    def _info(self, section: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self._redis.info(section))
