"""Medians, the table that is printed, and the targets that our queue is held to."""

from __future__ import annotations

import statistics
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from tests.bench.flat import FIGURES as DEPTH_FIGURES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.bench.durability import Costs
    from tests.bench.figures import Figures
    from tests.bench.flat import Flat

FIGURES: Final = (
    "enqueue_single_per_s",
    "enqueue_batch_per_s",
    "drain_noop_per_s",
    "sleep50_per_s",
    "latency_p50_ms",
    "latency_p99_ms",
    "idle_commands_per_s",
    "worker_rss_mib",
    "recovery_s",
)
SCALING: Final = ("workers_1_per_s", "workers_2_per_s", "workers_4_per_s")
OURS: Final = "raylane"
BASE: Final = "arq"
_NOISE: Final = 0.1


class Target(NamedTuple):
    """One promise: what, whether it is kept, and the figures behind it. `met` is None where it was not measured."""

    name: str
    met: bool | None
    because: str


def medians(rounds: Sequence[Figures]) -> Figures:
    """Of all rounds, figure by figure; None for what no round has."""
    found: Figures = {}
    for figure in (*FIGURES, *SCALING):
        values = [value for figures in rounds if (value := figures.get(figure)) is not None]
        if values or figure in FIGURES:
            found[figure] = statistics.median(values) if values else None
    return found


def table(systems: dict[str, Figures]) -> str:
    """One line per figure, one column per system; below each value its ratio to arq as it comes."""
    lines = [f"{'':22}" + "".join(f"{name:>12}" for name in systems)]
    for figure in (*FIGURES, *SCALING):
        values = {name: figures.get(figure) for name, figures in systems.items()}
        if all(value is None for value in values.values()):
            continue
        base = values.get(BASE)
        lines.append(f"{figure:22}" + "".join(f"{_number(value):>12}" for value in values.values()))
        ratios = [f"x{value / base:.2f}" if value is not None and base else "" for value in values.values()]
        lines.append(f"{'':22}" + "".join(f"{ratio:>12}" for ratio in ratios))
    return "\n".join(lines)


def flat_table(flat: Flat) -> str:
    """One line per depth of our queue; `us` is the server's own processor time for one job."""
    heads = ("enqueue/s", "run/s", "enqueue us", "run us", "server MiB")
    lines = [f"{'jobs in the queue':>22}" + "".join(f"{head:>12}" for head in heads)]
    for depth, rates in flat.items():
        values = [rates[figure] for figure in (*DEPTH_FIGURES, "server_mib")]
        lines.append(f"{int(depth):>22,}" + "".join(f"{_number(value):>12}" for value in values))
    return "\n".join(lines)


def cost_table(costs: Costs) -> str:
    """One line per durability of our queue."""
    heads = ("enqueue/s", "in batches/s", "run/s")
    lines = [f"{'durability, disk':>22}" + "".join(f"{head:>14}" for head in heads)]
    for case, rates in costs.items():
        lines.append(f"{case:>22}" + "".join(f"{_number(rate):>14}" for rate in rates.values()))
    return "\n".join(lines)


def targets(systems: dict[str, Figures], flat: Flat) -> list[Target]:
    """What is promised, against these figures. A tenth is left to noise where two of our own rates are compared."""
    ours = systems.get(OURS, {})
    drain, best_drain = ours.get("drain_noop_per_s"), _peers(systems, "drain_noop_per_s", max)
    p50, best_p50 = ours.get("latency_p50_ms"), _peers(systems, "latency_p50_ms", min)
    batch, best_batch = ours.get("enqueue_batch_per_s"), _peers(systems, "enqueue_batch_per_s", max)
    base = systems.get(BASE, {}).get("drain_noop_per_s")
    return [
        _compare("drain at least 12 times arq's", drain, base and base * 12, at_least=True),
        _compare("drain ahead of every peer", drain, best_drain, at_least=True),
        _compare("p50 of at most 5 ms", p50, 5.0, at_least=False),
        _compare("p50 ahead of every peer", p50, best_p50, at_least=False),
        _compare("enqueue_many at least 3 times the best peer", batch, best_batch and best_batch * 3, at_least=True),
        _never_falls("more workers never lower the rate", [ours.get(figure) for figure in SCALING]),
        _never_falls("running a job costs the same at every depth", [r["run_per_s"] for r in flat.values()]),
        _never_falls("enqueueing costs the same at every depth", [r["enqueue_batch_per_s"] for r in flat.values()]),
    ]


def target_lines(found: Iterable[Target]) -> str:
    """One line per target."""
    words = {True: "met", False: "MISSED", None: "not measured"}
    return "\n".join(f"{words[target.met]:>12}  {target.name}: {target.because}" for target in found)


def _compare(name: str, ours: float | None, bound: float | None, *, at_least: bool) -> Target:
    if ours is None or bound is None:
        return Target(name, None, f"{_number(ours)} against {_number(bound)}")
    return Target(name, ours >= bound if at_least else ours <= bound, f"{_number(ours)} against {_number(bound)}")


def _never_falls(name: str, rates: Sequence[float | None]) -> Target:
    known = [rate for rate in rates if rate is not None]
    because = ", ".join(map(_number, rates))
    if len(known) < 2:
        return Target(name, None, because)
    return Target(name, all(later >= earlier * (1 - _NOISE) for earlier, later in pairwise(known)), because)


def _peers(systems: dict[str, Figures], figure: str, best: Any) -> float | None:
    values = [value for name, found in systems.items() if name != OURS and (value := found.get(figure)) is not None]
    return float(best(values)) if values else None


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value >= 1000 else f"{value:,.1f}"
