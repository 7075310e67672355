"""Streams what a run prints to the job's followers while it runs. See docs/decisions/0008."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from raylane_common.backoff import Backoff
from raylane_common.errors import LeaseLost, QueueUnavailable, RayError
from raylane_common.logs import get_logger

if TYPE_CHECKING:
    from raylane_common.wire.jobs import JobRecord
    from raylane_worker.context import JobContext

logger = get_logger("raylane.worker")

# The events of a job stay in Redis for days, and a run may print without limit.
STREAMED_CHARACTERS: Final = 256 * 1024
_NO_MORE: Final = "… (the rest is not streamed; the end of the output is in the result)"
# Each command has already retried for `redis.give_up_s`, so short pauses do not overload Redis.
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 2.0


async def stream_output(run_id: str, ctx: JobContext) -> None:
    """Adds the run's output to the job's events line by line, until the run ends or 256 KiB are streamed.

    Continues where the previous attempt stopped. Logs a failure of Ray or Redis instead of raising it, because the run
    does not depend on the stream, and its result has the end of the output anyway.
    """
    streamed = StreamedSoFar.of(run_id, ctx.record)
    pauses = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S, jitter=0.5)
    while streamed.characters <= STREAMED_CHARACTERS:
        try:
            await _follow(streamed, ctx)
        except QueueUnavailable as error:
            logger.warning("job %s: output not streamed: %s; trying again", ctx.job_id, error)
            await asyncio.sleep(pauses.next_s())
        except (RayError, LeaseLost) as error:
            logger.warning("job %s: the output of %s is no longer streamed: %s", ctx.job_id, run_id, error)
            return
        else:
            return


@dataclass
class StreamedSoFar:
    """How many characters of a run's output are in the job's events."""

    run_id: str
    characters: int

    @classmethod
    def of(cls, run_id: str, record: JobRecord) -> Self:
        """Returns what earlier attempts have streamed according to the record's `log_position`; 0 for another run."""
        known, _, characters = (record.log_position or "").rpartition(":")
        return cls(run_id, int(characters) if known == run_id and characters.isdecimal() else 0)

    async def add(self, lines: str, end: int, ctx: JobContext) -> None:
        """Writes the lines and, in the same step, `end`: how many characters of the output they bring the total to."""
        await ctx.log(lines, position=f"{self.run_id}:{end}")
        self.characters = end


async def _follow(streamed: StreamedSoFar, ctx: JobContext) -> None:
    unfinished_line = ""
    async with aclosing(ctx.resources.ray.follow_logs(streamed.run_id, after=streamed.characters)) as pieces:
        async for piece in pieces:
            unfinished_line += piece.text
            # A piece may be megabytes long.
            left = STREAMED_CHARACTERS - streamed.characters
            if len(unfinished_line) > left:
                whole_lines = unfinished_line[:left].rpartition("\n")[0]
                await streamed.add(f"{whole_lines}\n{_NO_MORE}" if whole_lines else _NO_MORE, piece.end, ctx)
                return
            lines, newline, rest = unfinished_line.rpartition("\n")
            if newline:
                unfinished_line = rest
                await streamed.add(lines, piece.end - len(rest), ctx)
    if unfinished_line:
        await streamed.add(unfinished_line, streamed.characters + len(unfinished_line), ctx)
