"""The tables that are printed, and the targets that our Ray client is held to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.bench.ray.cases import AIOHTTP, BLACK_HOLE, CASES, CLIENTS, NAIVE, OURS, SDK, SDK_CALLS
from tests.bench.report import Target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.bench.ray.figures import Figures

FASTER: Final = 300.0
OVERHEAD: Final = 1.10
LINE_S: Final = 1.0
END_S: Final = 0.3


def case_table(cases: Mapping[str, Figures]) -> str:
    """One line per case: seconds in total; below, what the others take as a multiple of ours, call by call alike."""
    lines = [f"{'seconds in total':18}" + "".join(f"{name:>14}" for name in CLIENTS)]
    lines[0] += f"{'first':>12}{'median call':>14}"
    for case in CASES:
        figures = cases[case]
        cells = "".join(f"{_number(figures[f'{client}_s']):>14}" for client in CLIENTS)
        if figures[f"{OURS}_s"] is not None:
            cells += f"{figures[f'{OURS}_first_ms']:>9.1f} ms{figures[f'{OURS}_p50_ms']:>11.1f} ms"
        below = "".join(f"{_ratio(figures, client):>14}" for client in CLIENTS)
        lines += [f"{case:18}{cells}", f"{'':18}{below}"]
    return "\n".join(lines)


def other_lines(found: Mapping[str, Any]) -> str:
    """What is not a table."""
    lines = []
    if (burst := found["cold_burst"])["total_s"] is not None:
        lines.append(
            f"cold burst, black hole: {burst['calls']} calls in {burst['total_s']:.3f} s (aiohttp "
            f"{burst['aiohttp_total_s']:.3f} s), connects to the dead address: {burst['dead_connects']} "
            f"(aiohttp {burst['aiohttp_dead_connects']})"
        )
    if (recovery := found["recovery"])["seconds_to_private"] is not None:
        rounds = ", ".join(f"{value:.1f}" for value in recovery["seconds_to_private_by_round"])
        lines.append(
            f"recovery after {recovery['outage_s']:g} s: on private again after "
            f"{recovery['seconds_to_private']:.1f} s ({rounds}); {recovery['calls_that_paid']} of "
            f"{recovery['calls']} calls paid, the slowest took {recovery['slowest_call_s'] * 1000:.0f} ms"
        )
    overhead = found["overhead"]
    if overhead:
        lines += [
            f"overhead, {server}: x{overhead[f'ratio{suffix}']:.3f} "
            f"({overhead[f'raylane_us{suffix}']:.0f} against {overhead[f'aiohttp_us{suffix}']:.0f} us per call)"
            for server, suffix in (("server answers after 3 ms", ""), ("server answers at once", "_at_once"))
        ]
    return "\n".join(lines)


def sdk_table(sdk: Mapping[str, Figures]) -> str:
    """One line per call: calls per second on a real head, and ours as a multiple of Ray's client."""
    clients = (OURS, SDK, AIOHTTP)
    lines = [f"{'calls/s, real Ray':18}" + "".join(f"{name:>14}" for name in clients) + f"{'ours/sdk':>12}"]
    for what in SDK_CALLS:
        rates = [sdk[what][f"{client}_per_s"] for client in clients]
        ratio = f"x{rates[0] / rates[1]:.1f}"
        lines.append(f"{what:18}" + "".join(f"{rate:>14,.0f}" for rate in rates) + f"{ratio:>12}")
    return "\n".join(lines)


def run_table(figures: Figures) -> str:
    """One line per client: how late a line and the end of a run are known, and how long the run takes."""
    lines = [f"{'a run on real Ray, s':22}{'first line':>12}{'end after Ray':>16}{'Ray itself':>12}{'in total':>10}"]
    for client, prefix in ((OURS, ""), (SDK, f"{SDK}_")):
        values = (figures[f"{prefix}{name}"] for name in ("first_line_s", "end_after_ray_s", "ray_s", "total_s"))
        cells = [f"{value:.2f}" for value in values]
        lines.append(f"{client:22}{cells[0]:>12}{cells[1]:>16}{cells[2]:>12}{cells[3]:>10}")
    return "\n".join(lines)


def targets(found: Mapping[str, Any]) -> list[Target]:
    """Compares the targets with these figures."""
    return [
        _faster(found["cases"][BLACK_HOLE]),
        _one_connect(found["cold_burst"]),
        _overhead(found["overhead"]),
        _nobody_paid(found["recovery"]),
        _soon(found["run_overhead"], "first_line_s", LINE_S, "a line reaches its follower"),
        _soon(found["run_overhead"], "end_after_ray_s", END_S, "a job ends after Ray's own end"),
    ]


def _faster(figures: Figures) -> Target:
    name = f"at least {FASTER:g} times faster than naive on a black hole"
    ours, naive = figures[f"{OURS}_s"], figures[f"{NAIVE}_s"]
    if ours is None or naive is None:
        return Target(name, None, "no figures")
    counts = figures["calls"]
    if counts[OURS] != counts[NAIVE]:
        return Target(name, None, f"{ours:.3f} s for {counts[OURS]} calls, {naive:.1f} s for only {counts[NAIVE]}")
    return Target(name, naive / ours >= FASTER, f"{ours:.3f} s against {naive:.1f} s: {naive / ours:.0f} times")


def _one_connect(figures: Figures) -> Target:
    connects, calls = figures["dead_connects"], figures["calls"]
    met = None if connects is None else connects == 1
    return Target("a cold burst connects to the dead address once", met, f"{connects} for {calls} calls")


def _overhead(figures: Figures) -> Target:
    name = f"at most {OVERHEAD - 1:.0%} over bare aiohttp on a healthy address"
    if not figures:
        return Target(name, None, "no figures")
    more_us = figures["raylane_us_at_once"] - figures["aiohttp_us_at_once"]
    at_once = f"x{figures['ratio_at_once']:.2f} where the server does nothing, {more_us:.0f} us"
    return Target(name, figures["ratio"] <= OVERHEAD, f"x{figures['ratio']:.3f} ({at_once})")


def _nobody_paid(figures: Figures) -> Target:
    name = "back on private without any call paying"
    paid, seconds = figures["calls_that_paid"], figures["seconds_to_private"]
    if paid is None or seconds is None:
        return Target(name, None, "no figures")
    return Target(name, paid == 0, f"{paid} calls paid, {seconds:.1f} s")


def _soon(figures: Figures, figure: str, limit_s: float, what: str) -> Target:
    name = f"{what} within {limit_s:g} s"
    if not figures:
        return Target(name, None, "no figures")
    return Target(name, figures[figure] <= limit_s, f"{figures[figure]:.2f} s")


def _ratio(figures: Figures, client: str) -> str:
    value, ours, counts = figures[f"{client}_s"], figures[f"{OURS}_s"], figures["calls"]
    if value is None or ours is None:
        return ""
    return f"x{value / ours:.1f}" if counts[client] == counts[OURS] else f"for {counts[client]} calls"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
