"""Decides whether a call that no endpoint has answered asks all of them again.

See docs/decisions/0017.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane_common.ray.answers import PathFault
    from raylane_common.ray.health import Health

# Between the rounds of one call. If one path always works, a round fails only if the paths change places during it.
_PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8)


class Rounds:
    """The rounds of one call: in each, every endpoint gets one try. `faults` are those of the present round."""

    def __init__(self) -> None:
        self.faults: dict[str, PathFault] = {}
        self._pauses = iter(_PAUSES_S)

    async def again(self, health: Health, left_s: float) -> bool:
        """Pauses and begins another round. Returns False at once if another round would be useless or too late.

        There is another round only if the cluster has answered lately, or an answer had a `Retry-After`. A cluster that
        has been away for longer fails the call at once, and gets no more requests than necessary.
        """
        pause_s = next(self._pauses, None)
        asked_s = [fault.retry_after_s for fault in self.faults.values()]
        if pause_s is None or not (health.has_answered_lately or any(asked_s)):
            return False
        pause_s = max(pause_s, min((seconds or 0.0 for seconds in asked_s), default=0.0))
        if pause_s >= left_s:
            return False
        await asyncio.sleep(pause_s)
        self.faults = {name: fault for name, fault in self.faults.items() if (fault.retry_after_s or 0.0) > pause_s}
        return True
