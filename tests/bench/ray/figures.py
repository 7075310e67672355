"""What is measured, and how often. Every client is its own process, and every wait is bounded."""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from raylane_worker.embedded import embedded_ray, embedded_valkey
from tests.bench.processes import BenchError
from tests.bench.ray.cases import AIOHTTP, BLACK_HOLE, CASES, CLIENTS, HEALTHY, NAIVE, OURS, SDK, SLOW_CASES
from tests.bench.ray.children import START_S, Child, python
from tests.bench.ray.network import NAMESPACES, network
from tests.helpers.servers import Background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic import JsonValue

    from tests.bench.ray.network import Network

    Figures = dict[str, Any]

_CALLS: Final = 20
_BURST: Final = 100
# aiohttp turns a timeout of 5 s into up to 6 s.
_SLOW_CALL_S: Final = 7.0
_OUTAGE_S: Final = 10.0
_LIMIT_S: Final = 60.0
_OVERHEAD_S: Final = 120.0
_SDK_S: Final = 300.0
_RUNS_S: Final = 600.0
_WORKER: Final = ("-c", "from raylane_worker.cli import main; main()", "run", "--lanes", "ray")


@dataclass(frozen=True)
class Sizes:
    """How often each figure is measured. `slow_calls`: for clients that wait for their timeout at every call."""

    rounds: int = 3
    slow_calls: int = _CALLS
    overhead_rounds: int = 20
    overhead_calls: int = 100
    sdk_rounds: int = 10
    sdk_calls: int = 50
    runs: int = 9


QUICK: Final = Sizes(rounds=1, slow_calls=2, overhead_rounds=10, sdk_rounds=2, runs=3)


class Bench:
    """Measures the figures. Raises `BenchError` if one cannot be measured."""

    def __init__(self, sizes: Sizes, note: Callable[[str], None], *, loopback: bool) -> None:
        self._sizes = sizes
        self._note = note
        self._loopback = loopback
        # How the addresses were made on this machine.
        self.way: str | None = None

    def cases(self) -> dict[str, Figures]:
        """Seconds for all calls by case and client: medians of the rounds, in which the clients take turns.

        Who waits for a timeout at every call is measured once, all of these side by side: they do nothing but wait.
        """
        found: dict[str, dict[str, list[Figures]]] = {case: defaultdict(list) for case in CASES}
        slow = [(case, client) for case in SLOW_CASES for client in CLIENTS if client != OURS]
        with self._network() as net:
            for _ in range(self._sizes.rounds):
                for case in CASES:
                    for client in CLIENTS:
                        if (case, client) not in slow:
                            with _calls(net, case, client, _CALLS) as process:
                                found[case][client].append(process.receive(_CALLS + START_S))
            with ExitStack() as stack:
                count = self._sizes.slow_calls
                waiting = {pair: stack.enter_context(_calls(net, *pair, count)) for pair in slow}
                for (case, client), process in waiting.items():
                    found[case][client].append(process.receive(count * _SLOW_CALL_S + START_S))
        return {case: self._case(case, by_client) for case, by_client in found.items()}

    def _case(self, case: str, by_client: dict[str, list[Figures]]) -> Figures:
        figures: Figures = {f"{name}_s": _median(rounds, "total_s") for name, rounds in by_client.items()}
        figures |= {f"{name}_first_ms": _median(rounds, "first_ms") for name, rounds in by_client.items()}
        figures |= {f"{name}_p50_ms": _median(rounds, "p50_ms") for name, rounds in by_client.items()}
        slow_calls = self._sizes.slow_calls if case in SLOW_CASES else _CALLS
        return figures | {"calls": {OURS: _CALLS, AIOHTTP: slow_calls, NAIVE: slow_calls}}

    def cold_burst(self) -> Figures:
        """Calls at once by a client that knows nothing, the private address being a black hole; and bare aiohttp's."""
        with self._network() as net:
            ours = [self._burst(net, OURS) for _ in range(self._sizes.rounds)]
            bare = self._burst(net, AIOHTTP)
        # The worst of several rounds, since the target is one connection.
        worst = max(figures["dead_connects"] for figures in ours)
        return {
            "calls": _BURST,
            "dead_connects": worst,
            "total_s": _median(ours, "total_s"),
            "aiohttp_dead_connects": bare["dead_connects"],
            "aiohttp_total_s": bare["total_s"],
        }

    def _burst(self, net: Network, client: str) -> Figures:
        arguments = _addresses(net, BLACK_HOLE) | {"client": client, "count": _BURST}
        with _driver(net, "burst", arguments | {"own_network": net.way == NAMESPACES}) as process:
            figures: Figures = process.receive(_SLOW_CALL_S + START_S)
        return figures

    def recovery(self) -> Figures:
        """What calls notice of a private address that comes back after an outage: all rounds', and the median time."""
        rounds = [self._recover() for _ in range(self._sizes.rounds)]
        return {
            "calls_that_paid": sum(len(figures["slow_s"]) for figures in rounds),
            "seconds_to_private": statistics.median(figures["to_private_s"] for figures in rounds),
            "seconds_to_private_by_round": [figures["to_private_s"] for figures in rounds],
            "slowest_call_s": max(figures["slowest_s"] for figures in rounds),
            "calls": sum(figures["calls"] for figures in rounds),
            "outage_s": _OUTAGE_S,
        }

    def _recover(self) -> Figures:
        with self._network() as net:
            arguments = _addresses(net, BLACK_HOLE) | {"outage_s": _OUTAGE_S, "limit_s": _LIMIT_S}
            with _driver(net, "recovery", arguments) as process:
                process.receive(_OUTAGE_S + START_S)
                up_at_s = net.revive()
                figures: Figures = process.receive(_LIMIT_S + START_S)
        if figures["failed"]:
            raise BenchError(f"recovery: {len(figures['failed'])} calls failed, the first with {figures['failed'][0]}")
        if figures["private_at_s"] is None:
            raise BenchError(f"recovery: the private address had answered no call {_LIMIT_S:g} s after it came back")
        return figures | {"to_private_s": figures["private_at_s"] - up_at_s}

    def overhead(self) -> Figures:
        """Our time per call as a multiple of bare aiohttp's, on a healthy private address and nothing else.

        `ratio` is with the server of all other figures, which takes as long as Ray; `ratio_at_once` with one that does
        nothing at all, so that nothing hides the difference.
        """
        with self._network() as net:
            healthy = self._overhead(net, net.private[HEALTHY])
            instant = self._overhead(net, net.instant)
        return {**healthy, **{f"{name}_at_once": value for name, value in instant.items()}}

    def _overhead(self, net: Network, private: str) -> Figures:
        rounds, count = self._sizes.overhead_rounds, self._sizes.overhead_calls
        with _driver(net, "overhead", {"private": private, "rounds": rounds, "count": count}) as process:
            us: dict[str, list[float]] = process.receive(_OVERHEAD_S)
        ratios = [ours / bare for ours, bare in zip(us[OURS], us[AIOHTTP], strict=True)]
        return {
            "ratio": statistics.median(ratios),
            "raylane_us": statistics.median(us[OURS]),
            "aiohttp_us": statistics.median(us[AIOHTTP]),
            "calls": rounds * count,
        }

    def sdk(self) -> Figures:
        """Calls per second on a real Ray head."""
        with Background() as background:
            head = background.enter(embedded_ray())
            sizes = {"rounds": self._sizes.sdk_rounds, "count": self._sizes.sdk_calls}
            with Child("sdk", python("sdk"), says={"url": head.url, "token": head.token, **sizes}) as process:
                figures: Figures = process.receive(_SDK_S)
        return figures

    def run_overhead(self) -> Figures:
        """How late a run's line and its end are known, over our whole path and with Ray's client: see `runs.py`."""
        with Background() as background, ExitStack() as stack:
            valkey, head = background.enter(embedded_valkey()), background.enter(embedded_ray())
            env = {
                "RAYLANE_REDIS__URL": valkey.url,
                "RAYLANE_RAY__PRIVATE_URL": head.url,
                "RAYLANE_RAY__TOKEN": head.token,
            }
            says: JsonValue = {
                "url": head.url,
                "token": head.token,
                "redis_url": valkey.url,
                "count": self._sizes.runs,
            }
            stack.enter_context(Child("worker", [sys.executable, *_WORKER], env=env))
            process = stack.enter_context(Child("runs", python("runs"), says=says))
            found: dict[str, Figures] = process.receive(_RUNS_S)
        theirs = {f"{SDK}_{name}": value for name, value in found[SDK].items()}
        return {**found[OURS], **theirs, "runs": self._sizes.runs}

    @contextmanager
    def _network(self) -> Iterator[Network]:
        with network(self._note, loopback=self._loopback) as net:
            self.way = net.way
            yield net


def _addresses(net: Network, case: str) -> dict[str, JsonValue]:
    return {"private": net.private[case], "public": net.public}


def _calls(net: Network, case: str, client: str, count: int) -> Child:
    return _driver(net, "calls", _addresses(net, case) | {"client": client, "count": count}, f"{client}-{case}")


def _driver(net: Network, what: str, arguments: dict[str, JsonValue], name: str = "") -> Child:
    return Child(name or what, [*net.inside, *python("driver")], says=[what, arguments])


def _median(rounds: Iterable[Figures], figure: str) -> float:
    return statistics.median(float(figures[figure]) for figures in rounds)
