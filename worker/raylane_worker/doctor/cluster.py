"""Checks each address of the Ray cluster, and the cluster behind them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from raylane_common.counting import counted
from raylane_common.errors import RayError
from raylane_common.ray.examine import examine
from raylane_common.wire.checks import not_tried, ok, problem, warning

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_common.ray.examine import Examined
    from raylane_common.wire.checks import Check
    from raylane_worker.context import JobContext

# The parts of the time that the addresses may use, and what their cluster says of itself.
_PART_FOR_ADDRESSES: Final = 0.5
_PART_FOR_CLUSTER: Final = 0.3
_SET_ADDRESS: Final = "set RAYLANE_RAY__PRIVATE_URL or RAYLANE_RAY__PUBLIC_URL"


async def check_cluster(ctx: JobContext, limit_s: float) -> list[Check]:
    """Asks all addresses at once, and then their cluster. Raises `InvalidRequest` for an invalid address."""
    settings = ctx.resources.settings.ray
    found = await examine(settings, limit_s * _PART_FOR_ADDRESSES)
    if not found:
        return [problem("Ray", "no address is set", _SET_ADDRESS)]
    works = any(each.problem is None for each in found)
    return [
        *(_of_address(each, works=works) for each in found),
        *(warning(_area(each), weakness) for each in found for weakness in each.weaknesses),
        *_of_sessions(found),
        *([await _of_cluster(ctx, limit_s * _PART_FOR_CLUSTER)] if works else []),
    ]


def _area(each: Examined) -> str:
    return f"Ray {each.name}"


def _of_address(each: Examined, *, works: bool) -> Check:
    if each.is_refused:
        return problem(_area(each), f"{each.url}: {each.problem}")
    if each.problem is not None:
        # With another address that works, jobs run.
        found = warning if works else problem
        hint = "check that the cluster is up, its address, and the network between it and the worker"
        return found(_area(each), f"{each.url}: {each.problem} (after {each.elapsed_s:.2f} s)", hint)
    version = each.version.ray_version if each.version else ""
    token = {True: "token accepted", False: "authentication is off", None: "says nothing of authentication"}
    unused = ", the token of the settings is not asked for" if each.has_token and each.asks_for_token is False else ""
    return ok(
        _area(each),
        f"{each.url}: Ray {version} answered in {each.elapsed_s:.2f} s, {token[each.asks_for_token]}{unused}",
    )


def _of_sessions(found: Sequence[Examined]) -> list[Check]:
    """Says if the addresses lead to different clusters: a run would be lost with its address."""
    sessions = {each.version.session_name: each.name for each in found if each.version and each.version.session_name}
    if len(sessions) < 2:
        return []
    told = ", ".join(f"{name} leads to {session}" for session, name in sessions.items())
    return [problem("Ray", f"the addresses lead to different clusters: {told}", "let both lead to the same one")]


async def _of_cluster(ctx: JobContext, limit_s: float) -> Check:
    client = ctx.resources.ray
    try:
        async with asyncio.timeout(limit_s):
            health = await client.health()
            if not health.gcs_ok:
                said = f"the control store of the head does not answer: {health.said}"
                return problem("Ray", said, "restart the head")
            alive = [node for node in await client.nodes() if node.state == "ALIVE"]
    except RayError as error:
        return problem("Ray", error.message)
    except TimeoutError:
        return problem("Ray", f"the cluster did not list its nodes within {limit_s:g} s", "look at the head's log")
    cpus = sum(node.resources_total.get("CPU", 0) for node in alive)
    if not cpus:
        return not_tried("Ray", f"{counted(len(alive), 'node')}; the cluster tells no CPUs")
    return ok("Ray", f"{counted(len(alive), 'node')} with {cpus:g} {'CPU' if cpus == 1 else 'CPUs'}")
