"""What each durability costs: ours, on servers of its own. A `wait` has one replica, on the same machine."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from redis import Redis

from tests.bench import work
from tests.bench.figures import PRODUCE_S, drained_per_s
from tests.bench.processes import DURABILITY, BenchError, Worker, produce
from tests.bench.server import valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.systems import System
    from tests.helpers.servers import Background

    Costs = dict[str, dict[str, float]]

FIGURES: Final = ("enqueue_single_per_s", "enqueue_batch_per_s", "drain_noop_per_s")
# The durability, and how the server writes to its disk.
_CASES: Final = (("none", "everysec"), ("wait", "everysec"), ("waitaof", "everysec"), ("waitaof", "always"))
# A single enqueue may wait a tenth of a second for the disk.
_SINGLE: Final = 200
_BATCH: Final = 10_000
_DRAIN_S: Final = 30.0
_SYNC_S: Final = 30.0


def costs(system: System, background: Background) -> Costs:
    """By durability and policy of the disk: jobs per second enqueued one by one, in one batch, and run as no-ops.

    Raises `BenchError`.
    """
    return {f"{mode}, {policy}": _case(system, background, mode, policy) for mode, policy in _CASES}


def _case(system: System, background: Background, mode: str, policy: str) -> dict[str, float]:
    primary = background.enter(valkey())
    with Redis.from_url(primary.url) as admin, _durability(mode), TemporaryDirectory(prefix="bench-") as directory:
        admin.config_set("appendfsync", policy)
        if mode == "wait":
            _add_replica(background.enter(valkey()).url, primary.port)
        single = produce(system, primary.url, "single", work.NOOP, _SINGLE, timeout_s=PRODUCE_S)
        admin.flushall()
        batch = produce(system, primary.url, "batch", work.NOOP, _BATCH, timeout_s=PRODUCE_S)
        clock_dir = Path(directory)
        with Worker(system, primary.url, clock_dir, system.drain) as worker:
            drain = drained_per_s(clock_dir, work.NOOP, _BATCH, [worker], _DRAIN_S)
    return dict(zip(FIGURES, (float(single), float(batch), drain), strict=True))


@contextmanager
def _durability(mode: str) -> Iterator[None]:
    os.environ[DURABILITY] = mode
    try:
        yield
    finally:
        del os.environ[DURABILITY]


def _add_replica(url: str, port: int) -> None:
    with Redis.from_url(url) as replica:
        replica.replicaof("127.0.0.1", port)
        deadline = time.monotonic() + _SYNC_S
        while replica.info("replication")["master_link_status"] != "up":
            if time.monotonic() > deadline:
                raise BenchError(f"the replica was not in sync within {_SYNC_S:g} s")
            time.sleep(0.05)
