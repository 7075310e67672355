"""What a handler of uploads or tables gets of its job."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raylane_common.redis.queue.scripts.calls import RunSlot
    from raylane_common.wire.generate import Checkpoint
    from raylane_common.wire.jobs import Progress


class StagedPort:
    """A job port with staged bytes, which keeps the stages that the job reports."""

    def __init__(self, body: bytes) -> None:
        self.stages: list[str] = []
        self._body = body

    async def progress(self, progress: Progress) -> None:
        self.stages.append(progress.stage)

    async def log(self, lines: str, *, position: str = "") -> None:
        raise AssertionError(lines)

    async def text(self, piece: str) -> None:
        raise AssertionError(piece)

    async def checkpoint(self, checkpoint: Checkpoint) -> None:
        raise AssertionError(checkpoint)

    async def body(self) -> bytes:
        return self._body

    async def take_run_slot(self, cluster: str, limit: int) -> RunSlot:
        raise AssertionError("these jobs have no runs")

    async def free_run_slot(self) -> None:
        raise AssertionError("these jobs have no runs")
