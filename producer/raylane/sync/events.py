"""The events of a job as a plain iterator."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from raylane.sync.background import entered
from raylane.sync.calls import Call

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator

    from raylane.sync.background import Background
    from raylane_common.wire.jobs import JobEvent

# The id of an event, or also None where that has a meaning.
AfterT = TypeVar("AfterT")


def events_of(
    user: object, follow: Callable[[AfterT], AsyncIterator[JobEvent]], after: AfterT
) -> Generator[JobEvent, None, None]:
    """Yields the events of a job. `follow` yields those after the event with this id. Raises what it raises."""
    return _events(user, follow, follow(after), after)


def _events(
    user: object,
    follow: Callable[[AfterT], AsyncIterator[JobEvent]],
    stream: AsyncIterator[JobEvent],
    seen: AfterT,
) -> Generator[JobEvent, None, None]:
    served_by: Background | None = None
    try:
        while True:
            with entered(user) as background:
                if served_by not in (None, background):
                    # In a forked child, or if the producer was closed in between, the stream has ended.
                    stream = follow(seen)
                served_by = background
                event = Call(user).run(_next, stream)
            if event is None:
                return
            seen = cast("AfterT", event.id)
            yield event
    finally:
        if served_by is not None:
            # Whoever drops the iterator does not wait; that may be any thread.
            served_by.finish(partial(_close, cast("AsyncGenerator[JobEvent]", stream)))


async def _close(stream: AsyncGenerator[JobEvent]) -> None:
    with suppress(RuntimeError):  # it is still running: a second Ctrl-C did not wait for the first to end it
        await stream.aclose()


async def _next(stream: AsyncIterator[JobEvent]) -> JobEvent | None:
    return await anext(stream, None)
