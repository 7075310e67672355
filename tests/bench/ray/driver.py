"""One client in its own process: reads what to measure as one JSON line, and prints the figures as another.

Clocks start after one call of another client of the same kind: the code is warm then, the client that is measured has
no connection and knows nothing.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from tests.bench.ray.cases import AIOHTTP, OURS, PAID_S
from tests.bench.ray.clients import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from tests.bench.ray.clients import Client

PACE_S: Final = 0.02
_AFTERWARDS_S: Final = 2.0
_WARM_CALLS: Final = 50


async def calls(client: str, private: str, public: str, count: int) -> dict[str, Any]:
    """Makes calls one after the other: seconds for all, milliseconds for the first and the median."""
    await _warm_up(client, public)
    each_s = []
    async with BY_NAME[client](private, public) as measured:
        started = time.perf_counter()
        for _ in range(count):
            before = time.perf_counter()
            await measured.version()
            each_s.append(time.perf_counter() - before)
        total_s = time.perf_counter() - started
    return {"total_s": total_s, "first_ms": each_s[0] * 1000, "p50_ms": statistics.median(each_s) * 1000}


async def burst(client: str, private: str, public: str, count: int, *, own_network: bool) -> dict[str, Any]:
    """Makes calls at once with a new client, and counts the connections to the dead address.

    Counted are calls of connect(2), by Python's audit event for it. The kernel's count of connections that were begun
    must agree, where the network namespace is this process' own.
    """
    await _warm_up(client, public)
    connects = {private: 0, public: 0}
    urls = {(parts.hostname, parts.port): url for url in connects if (parts := urlsplit(url))}

    def count_connects(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and (url := urls.get(arguments[1])) is not None:
            connects[url] += 1

    sys.addaudithook(count_connects)
    opened = _active_opens() if own_network else 0
    async with BY_NAME[client](private, public) as measured:
        started = time.perf_counter()
        await asyncio.gather(*(measured.version() for _ in range(count)))
        total_s = time.perf_counter() - started
        begun = connects.copy()
        opened = _active_opens() - opened if own_network else sum(begun.values())
    if opened != sum(begun.values()):
        raise RuntimeError(f"{begun} connects were counted, but {opened} by the kernel")
    return {"calls": count, "dead_connects": begun[private], "public_connects": begun[public], "total_s": total_s}


async def recovery(private: str, public: str, outage_s: float, limit_s: float) -> dict[str, Any]:
    """Makes steady calls while the private address is known to be down, and after it has come back.

    Prints a line when it is time for that. A call begins every 20 ms, however long the others take. Ends some time
    after the private address answered a call, or after `limit_s` without.
    """
    await _warm_up(OURS, public)
    slow_s: list[float] = []
    failed: list[str] = []
    by: dict[str, float] = {}
    slowest_s = 0.0
    count = 0

    async def call(measured: Client) -> None:
        nonlocal slowest_s, count
        before = time.monotonic()
        try:
            name = await measured.version()
        except Exception as error:
            failed.append(repr(error))
        else:
            by.setdefault(name, time.monotonic())
        took_s = time.monotonic() - before
        count += 1
        slowest_s = max(slowest_s, took_s)
        if took_s > PAID_S:
            slow_s.append(took_s)

    async with BY_NAME[OURS](private, public) as measured, asyncio.TaskGroup() as group:
        assert await measured.version() == "public"
        begun = next_at = time.monotonic()
        announced = False
        while next_at < min(begun + outage_s + limit_s, by.get("private", begun + 1e9) + _AFTERWARDS_S):
            if not announced and next_at > begun + outage_s:
                announced = True
                _print("dead for long enough")
            group.create_task(call(measured))
            next_at += PACE_S
            await asyncio.sleep(next_at - time.monotonic())
    return {
        "calls": count,
        "slow_s": slow_s,
        "slowest_s": slowest_s,
        "failed": failed,
        "private_at_s": by.get("private"),
    }


async def overhead(private: str, rounds: int, count: int) -> dict[str, Any]:
    """Measures our client and bare aiohttp in turn on a healthy private address: microseconds per call, by round."""
    per_call_us: dict[str, list[float]] = {OURS: [], AIOHTTP: []}
    async with BY_NAME[OURS](private, None) as ours, BY_NAME[AIOHTTP](private, None) as bare:
        order = [(OURS, ours), (AIOHTTP, bare)]
        for _, client in order:
            for _ in range(_WARM_CALLS):
                await client.version()
        for _ in range(rounds):
            for name, client in order:
                gc.collect()
                started = time.perf_counter()
                for _ in range(count):
                    await client.version()
                per_call_us[name].append((time.perf_counter() - started) / count * 1e6)
            order.reverse()
    return per_call_us


async def _warm_up(client: str, public: str) -> None:
    async with BY_NAME[client](public, None) as another:
        await another.version()


def _active_opens() -> int:
    names, values = (
        line.split() for line in Path("/proc/self/net/snmp").read_text().splitlines() if line.startswith("Tcp:")
    )
    return int(values[names.index("ActiveOpens")])


def _print(data: object) -> None:
    print(json.dumps(data), flush=True)


def main() -> None:
    """Runs the measurement that standard input names, with the arguments from there."""
    what, arguments = json.loads(sys.stdin.readline())
    measures: dict[str, Callable[..., Coroutine[None, None, dict[str, Any]]]] = {
        "calls": calls,
        "burst": burst,
        "recovery": recovery,
        "overhead": overhead,
    }
    _print(asyncio.run(measures[what](**arguments)))


if __name__ == "__main__":
    main()
