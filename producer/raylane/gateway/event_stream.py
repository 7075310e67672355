"""A job's events as server-sent events, which a client resumes after a disconnect or a restart of the gateway."""

from __future__ import annotations

import asyncio
import re
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Final

from raylane.gateway.problems import problem_of
from raylane.gateway.told import told_of_job
from raylane_common.backoff import Backoff
from raylane_common.errors import QueueUnavailable, RaylaneError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from raylane.gateway.access.reader import Reader
    from raylane.gateway.context import Gateway
    from raylane_common.wire.jobs import JobEvent

MEDIA_TYPE: Final = "text/event-stream"
HEADERS: Final = {
    "Cache-Control": "no-store",
    # nginx would keep events back until its buffer is full.
    "X-Accel-Buffering": "no",
}
# Shorter than the idle limits of usual proxies: 60 s, and 30 s of some.
_KEEP_ALIVE_S: Final = 15.0
# How long a browser waits before it connects again.
_RETRY_MS: Final = 1000
_FIRST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 5.0
# Any program may have written the type of an event, and a line break in it would begin another field.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


async def has_event_after(gateway: Gateway, job_id: str, after: str) -> bool:
    """Returns whether a job that has ended has an event after this id. Raises what `Producer.follow` raises."""
    async with aclosing(_generator(gateway, job_id, after)) as events:
        return await anext(events, None) is not None


async def event_stream(
    gateway: Gateway, reader: Reader, job_id: str, after: str, *, keep_alive_s: float = _KEEP_ALIVE_S
) -> AsyncGenerator[bytes, None]:
    """Yields the events after the id `after` to the one that ends the job, and a comment if nothing happens.

    While Redis is away the stream stays open, and then continues where it was: a browser would not come back after an
    error. It ends early when the server is about to stop, and when its `reader` may no longer read. Raises nothing: an
    error that cannot be waited for is an event of type `problem`.
    """
    pauses = Backoff(first_s=_FIRST_PAUSE_S, cap_s=_LONGEST_PAUSE_S, jitter=1.0)
    yield b"retry: %d\n\n" % _RETRY_MS
    while True:
        try:
            await reader.check()
            async with aclosing(_or_silence(gateway, job_id, after, keep_alive_s)) as events:
                async for event in events:
                    await reader.check()
                    if event is None:
                        yield b": nothing new\n\n"
                        continue
                    after = event.id
                    pauses.reset()
                    yield _written(told_of_job(event, reader.caller))
            return
        except QueueUnavailable as error:
            if not error.retryable:
                yield _problem(gateway.told(error, reader.caller))
                return
            yield b": the queue is away\n\n"
            with suppress(TimeoutError):
                await asyncio.wait_for(gateway.stopping.wait(), pauses.next_s())
        except RaylaneError as error:
            yield _problem(gateway.told(error, reader.caller))
            return


async def _or_silence(
    gateway: Gateway, job_id: str, after: str, silence_s: float
) -> AsyncGenerator[JobEvent | None, None]:
    """Yields the events, and None whenever there was none for `silence_s` seconds. Ends when the server stops."""
    stopping = asyncio.ensure_future(gateway.stopping.wait())
    events = _generator(gateway, job_id, after)
    following: asyncio.Task[JobEvent | None] | None = None
    try:
        while True:
            if following is None:
                following = asyncio.create_task(_next(events))
            await asyncio.wait({following, stopping}, timeout=silence_s, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                event, following = following.result(), None
                if event is None:
                    return
                yield event
            elif stopping.done():
                return
            else:
                yield None
    finally:
        tasks = [task for task in (stopping, following) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await events.aclose()


async def _generator(gateway: Gateway, job_id: str, after: str) -> AsyncGenerator[JobEvent, None]:
    async for event in gateway.producer.follow(job_id, after=after):
        yield event


async def _next(events: AsyncGenerator[JobEvent, None]) -> JobEvent | None:
    return await anext(events, None)


def _written(event: JobEvent) -> bytes:
    name = event.type if _NAME.fullmatch(event.type) else "unknown"
    return f"id: {event.id}\nevent: {name}\ndata: {event.model_dump_json(exclude_none=True)}\n\n".encode()


def _problem(error: RaylaneError) -> bytes:
    return f"event: problem\ndata: {problem_of(error).model_dump_json()}\n\n".encode()
