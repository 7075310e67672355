"""What a run prints, given to those who follow its job while it runs."""

from __future__ import annotations

import asyncio
import logging
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from raylane_common.errors import LeaseLost, QueueUnavailable, RayError

if TYPE_CHECKING:
    from raylane_worker.context import JobContext

logger = logging.getLogger("raylane.worker")

STREAMED_CHARACTERS: Final = 256 * 1024
_REST: Final = "… (more output than is streamed; the end of it stands in the result)"
_PAUSE_S: Final = 1.0


async def stream_output(run_id: str, ctx: JobContext) -> None:
    """Tells line by line what the run prints, until it has ended or 256 KiB were told.

    Goes on where the attempt before stopped: how much was told stands in the record, written together with the lines.
    What keeps it from Ray or Redis is logged and does not end the run: the result has the output's end all the same.
    """
    told = _told(run_id, ctx)
    while told.characters <= STREAMED_CHARACTERS:
        try:
            await _tell(run_id, told, ctx)
        except QueueUnavailable as error:
            logger.warning("job %s: output not streamed: %s; trying again", ctx.job_id, error)
            await asyncio.sleep(_PAUSE_S)
        except (RayError, LeaseLost) as error:
            logger.warning("job %s: the output of %s is not streamed any more: %s", ctx.job_id, run_id, error)
            return
        else:
            return


class StreamedSoFar:
    """How many characters of a run's output stand in the events."""

    def __init__(self, characters: int) -> None:
        self.characters = characters


def _told(run_id: str, ctx: JobContext) -> StreamedSoFar:
    known, _, characters = (ctx.record.log_position or "").rpartition(":")
    return StreamedSoFar(int(characters) if known == run_id and characters.isdecimal() else 0)


async def _tell(run_id: str, told: StreamedSoFar, ctx: JobContext) -> None:
    pending = ""
    async with aclosing(ctx.resources.ray.follow_logs(run_id, after=told.characters)) as pieces:
        async for piece in pieces:
            pending += piece.text
            lines, newline, rest = pending.rpartition("\n")
            if newline:
                pending = rest
                await _write(run_id, lines, piece.end - len(rest), told, ctx)
                if told.characters > STREAMED_CHARACTERS:
                    await ctx.log(_REST)
                    return
    if pending:
        await _write(run_id, pending, told.characters + len(pending), told, ctx)


async def _write(run_id: str, lines: str, end: int, told: StreamedSoFar, ctx: JobContext) -> None:
    await ctx.log(lines, position=f"{run_id}:{end}")
    told.characters = end
