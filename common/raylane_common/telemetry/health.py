"""Whether a process lives and is ready, as the probes of Kubernetes ask. See docs/metrics.md."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RaylaneError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

# Below the time limit of a probe, which is often a few seconds, so that it learns the reason.
_LIMIT_S: Final = 2.0
# However many ask, Redis gets one PING in this time.
KEPT_S: Final = 1.0


@dataclass(frozen=True)
class Report:
    """Whether the process is ready. `checks` has "ok", or why not, for each thing that it needs."""

    checks: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        """Whether every check is passed."""
        return all(found == "ok" for found in self.checks.values())

    def document(self) -> dict[str, object]:
        """Returns the report as JSON."""
        return {"ready": self.is_ready, "checks": dict(self.checks)}


class Health:
    """The checks of one process."""

    def __init__(self) -> None:
        self._checks: dict[str, Callable[[], Awaitable[str | None]]] = {}
        self._asking: asyncio.Task[Report] | None = None
        self._report = Report()
        self._asked_at_s = float("-inf")

    def require(self, name: str, why_not: Callable[[], Awaitable[str | None]]) -> None:
        """From now on, the process is ready only if `why_not` returns None. Else it returns the reason."""
        self._checks[name] = why_not
        self._asked_at_s = float("-inf")

    async def report(self) -> Report:
        """Returns whether every check is passed now, or was so a second ago. Takes up to 2 s. Never raises."""
        if self._asking is None:
            if time.monotonic() - self._asked_at_s < KEPT_S:
                return self._report
            self._asking = asyncio.create_task(self._ask(), name="check whether the process is ready")
        # A probe that goes away must not end the checks of another.
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Report:
        try:
            asked_at_s = time.monotonic()
            found = await asyncio.gather(*map(_bounded, self._checks.values()))
            self._report, self._asked_at_s = Report(dict(zip(self._checks, found, strict=True))), asked_at_s
            return self._report
        finally:
            self._asking = None


async def _bounded(why_not: Callable[[], Awaitable[str | None]]) -> str:
    try:
        async with asyncio.timeout(_LIMIT_S):
            return await why_not() or "ok"
    except TimeoutError:
        return f"no answer within {_LIMIT_S:g} s"
    except RaylaneError as error:
        return error.message
