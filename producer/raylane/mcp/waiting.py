"""Waits for a job for a bounded time, and tells its stages. Cancelling the wait leaves the job alone."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

from raylane_common.safe_text import safe_line
from raylane_common.wire.jobs import EventType

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Coroutine

    from raylane.mcp.call import Call
    from raylane_common.wire.jobs import JobEvent, JobRecord


async def wait_for(call: Call, job_id: str, wait_s: float, *, is_new: bool) -> JobRecord:
    """Returns the record of the job once it has ended, or as it is after `wait_s` seconds.

    Tells each stage that the job enters; those before this call only if the job `is_new`. The end is always told, and
    once: a client cannot know whether the job ended before its call arrived. Raises `JobNotFound`.
    """
    limit_s, stages = min(wait_s, call.scope.wait_timeout_s), _Stages(call)
    if limit_s > 0:
        try:
            async with asyncio.timeout(limit_s):
                await _until_stopping(call, _tell_until_end(call, job_id, stages, is_new=is_new))
        except TimeoutError:
            pass  # it continues, and the record says how far it is
    record = await call.producer.record(job_id)
    if record.status.is_final:
        await stages.tell(_of_status(record.status, record.attempt))
    return record


class _Stages:
    """Tells the stages of one job, each once."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._told = ""

    async def tell(self, stage: str) -> None:
        """Tells the stage, unless it is '' or the last one that was told."""
        if stage and stage != self._told:
            self._told = stage
            await self._call.tell(stage)


async def _until_stopping(call: Call, work: Coroutine[None, None, None]) -> None:
    """Awaits `work`, but not once the server is told to stop. Raises what `work` raises."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(call.scope.stopping.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
    finally:
        working.cancel()
        stopping.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


async def next_step(call: Call, record: JobRecord) -> str:
    """Returns what to do about a job that has not ended, and whether any worker could run it."""
    takers = await call.producer.workers(record.id)
    if not takers.workers and not takers.is_held:
        return (
            f"no worker takes jobs of the lane {takers.lane} now, so the job waits: "
            f"start one with `raylane-worker run`, then call wait with job_id {record.id}"
        )
    return f"it continues: call wait with job_id {record.id}, or cancel to stop it"


async def _tell_until_end(call: Call, job_id: str, stages: _Stages, *, is_new: bool) -> None:
    events = call.producer.follow(job_id, after="0" if is_new else None)
    async with aclosing(cast("AsyncGenerator[JobEvent]", events)) as following:
        async for event in following:
            await stages.tell(stage_of(event))


def stage_of(event: JobEvent) -> str:
    """Returns on one line what an event says of the state of its job; '' if it is about something else."""
    if event.type is EventType.STATUS and event.status is not None:
        return _of_status(event.status, event.attempt)
    if event.progress is None:
        return ""
    progress = event.progress
    words = [progress.stage if not progress.message else f"{progress.stage}: {progress.message}"]
    if progress.done is not None:
        total = "" if progress.total is None else f"/{progress.total}"
        words.append(f"{progress.done}{total} {progress.unit or ''}".rstrip())
    return safe_line(", ".join(words))


def _of_status(status: str, attempt: int | None) -> str:
    return f"{status} (attempt {attempt})" if attempt is not None and attempt > 1 else status
