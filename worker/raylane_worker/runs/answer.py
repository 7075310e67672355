"""Placeholder until the room `answer` lands: see the brief."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raylane_common.ray.models import Run
    from raylane_common.wire.answer import Answer
    from raylane_worker.context import JobContext


async def collect_answer(run: Run, ctx: JobContext) -> Answer | None:
    """Returns the answer of a run that succeeded; None if it gave none. Raises `InvalidAnswer`."""
    raise NotImplementedError
