"""What the blocking twins have in common: each waits for the asynchronous object that does the work."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING, Final, Generic, NoReturn, ParamSpec, TypeVar

from raylane.handle import AnyHandle
from raylane.sync.background import entered, finish
from raylane.sync.calls import Call
from raylane.sync.events import AfterT, events_of
from raylane_common.errors import RaylaneError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from raylane.handle import JobHandle as AsyncHandle
    from raylane.producer import Producer as AsyncProducer
    from raylane_common.showing import Bundle
    from raylane_common.wire.jobs import JobEvent, JobRecord

P = ParamSpec("P")
T = TypeVar("T")
AsyncT = TypeVar("AsyncT")
ResultT_co = TypeVar("ResultT_co", covariant=True)

# A notebook shows the last value of each cell, and nobody waits for that.
_LOOK_S: Final = 2.0


class Use:
    """The use of an asynchronous producer by a blocking one and by all that this has made, such as handles.

    The loop runs as long as there is one. If a producer is dropped without being closed, it is closed with its last
    handle.
    """

    def __init__(self, producer: AsyncProducer) -> None:
        self._producer = producer
        # At the end of the interpreter, the loop closes everything itself.
        weakref.finalize(self, finish, producer.aclose).atexit = False

    def end(self) -> None:
        """Closes the connections, and the loop if no other producer uses it. A later call opens them again."""
        with entered(self, leaves=True):
            Call(self).run(self._producer.aclose)


class Twin(Generic[AsyncT]):
    """The blocking twin of an asynchronous object."""

    def __init__(self, asynchronous: AsyncT, use: Use) -> None:
        self._async = asynchronous
        self._use = use

    def __reduce__(self) -> NoReturn:
        hint = "pass the id of a job, and use `producer.job(id)` of a producer there"
        raise TypeError(f"a {type(self).__name__} cannot go to another process; {hint}")

    def _call(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        return Call(self._use).run(function, *args, **kwargs)

    def _events(self, follow: Callable[[AfterT], AsyncIterator[JobEvent]], after: AfterT) -> Iterator[JobEvent]:
        return events_of(self._use, follow, after)


class HandleTwin(AnyHandle[ResultT_co], Twin["AsyncHandle[ResultT_co]"]):
    """The blocking twin of a handle."""

    def __init__(self, asynchronous: AsyncHandle[ResultT_co], use: Use) -> None:
        """`Producer` makes handles."""
        AnyHandle.__init__(self, asynchronous.id, asynchronous.result_type)
        Twin.__init__(self, asynchronous, use)

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> Bundle | None:
        """What a notebook shows: the job as it is now, or only its id if Redis does not say that at once."""
        try:
            return self._call(_look, self._async)._repr_mimebundle_()
        except (RaylaneError, TimeoutError):
            return super()._repr_mimebundle_()


async def _look(handle: AsyncHandle[object]) -> JobRecord:
    async with asyncio.timeout(_LOOK_S):
        return await handle.record()
