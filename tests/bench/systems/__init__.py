"""The systems that are compared. Each has a driver module here, and a peer its exact versions in a `.txt` beside it.

For the two rates of a busy worker each system is given the pace at which it did best when this was written, on two
cores. Idle cost, latency, memory and recovery are measured at its own defaults; `arq_tuned` is the exception by its
name. No system has uvloop; all that use redis-py have hiredis, as ours has.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VENVS: Final = Path(__file__).parents[3] / "build" / "bench" / "venvs"


@dataclass(frozen=True)
class Pace:
    """How a worker works: jobs at once, and milliseconds between two looks. None is the system's own default."""

    at_once: int | None = None
    poll_ms: int | None = None


OWN_PACE: Final = Pace()


@dataclass(frozen=True)
class System:
    """How one system is measured.

    `drain` and `sleep` are the paces for no-ops and for sleeping jobs. `calls` are fewer where each takes half a
    second. `scales`: the drain is measured with two and four workers too.
    """

    name: str
    venv: str | None
    drain: Pace = OWN_PACE
    sleep: Pace = OWN_PACE
    calls: int = 200
    scales: bool = False

    @property
    def module(self) -> str:
        """The driver."""
        return f"{__name__}.{self.name}"

    @property
    def requirements(self) -> Path:
        """The peer's exact versions."""
        return Path(__file__).with_name(f"{self.venv}.txt")

    @property
    def python(self) -> Path:
        """The interpreter of the system's own environment; ours runs in the project's."""
        return VENVS / self.venv / "bin" / "python" if self.venv else Path(sys.executable)


SYSTEMS: Final = (
    System("raylane", None, drain=Pace(100), sleep=Pace(100), scales=True),
    System("arq", "arq", calls=20),
    System("arq_tuned", "arq", scales=True),
    System("saq", "saq", drain=Pace(10), sleep=Pace(100)),
    System("docket", "docket", drain=Pace(10, poll_ms=5), sleep=Pace(100)),
    System("taskiq", "taskiq", drain=Pace(100), sleep=Pace(100)),
    System("streaq", "streaq", drain=Pace(16), sleep=Pace(100)),
)
