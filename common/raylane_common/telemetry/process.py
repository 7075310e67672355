"""What every process reports of itself: its versions, and how late its event loop is."""

from __future__ import annotations

import asyncio
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.telemetry.definitions import BUILD, LOOP_LAG
from raylane_common.telemetry.metrics import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from raylane_common.telemetry.metrics import Metrics

# Twice a second costs nothing, and shows what blocks the loop for a tenth of a second at every fifth time.
_TICK_S: Final = 0.5


def build() -> Iterable[Reading]:
    """Returns the versions of this process."""
    try:
        installed = version("raylane")
    except PackageNotFoundError:
        installed = "unknown"
    return [Reading(BUILD, 1, (installed, platform.python_version()))]


async def measure_lag(metrics: Metrics) -> NoReturn:
    """Measures, until cancelled, how much later than planned the running event loop wakes this task."""
    time = asyncio.get_running_loop().time
    metrics.expect(LOOP_LAG)
    while True:
        due_s = time() + _TICK_S
        await asyncio.sleep(_TICK_S)
        metrics.observe(LOOP_LAG, max(0.0, time() - due_s))
