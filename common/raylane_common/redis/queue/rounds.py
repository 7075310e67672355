"""Serves the requests of many tasks together, in rounds.

See docs/decisions/0016.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

RequestT = TypeVar("RequestT")
AnswerT = TypeVar("AnswerT")


class Rounds(ABC, Generic[RequestT, AnswerT]):
    """Serves requests in rounds. A request that arrives during a round waits for the next one.

    A background task serves them. It ends when no request is left, also because the last one was cancelled.
    """

    most_at_once: int | None = None
    """How many requests one round serves at most; None for no limit."""

    def __init__(self) -> None:
        self._open: dict[asyncio.Future[AnswerT], RequestT] = {}
        self._serving: asyncio.Task[None] | None = None

    async def request(self, request: RequestT) -> AnswerT:
        """Returns the answer to the request. Raises the error of its round."""
        answer: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._open[answer] = request
        if self._serving is None:
            self._serving = asyncio.create_task(self._serve())
        try:
            return await answer
        except asyncio.CancelledError:
            self._open.pop(answer, None)
            if not self._open:
                await self._stop()
            raise

    @abstractmethod
    async def serve_round(self, requests: Mapping[asyncio.Future[AnswerT], RequestT]) -> None:
        """Answers some or all of the requests; the others are part of the next round."""

    def answer(self, request: asyncio.Future[AnswerT], answer: AnswerT | Exception) -> None:
        """Ends a request with its answer or its error."""
        self._open.pop(request, None)
        if request.done():  # it was cancelled
            return
        if isinstance(answer, Exception):
            request.set_exception(answer)
        else:
            request.set_result(answer)

    async def _serve(self) -> None:
        try:
            while self._open:
                waiting = dict(self._open)
                try:
                    await self.serve_round(dict(islice(waiting.items(), self.most_at_once)))
                except Exception as error:
                    # Requests that were not part of the round fail as well: they have waited as long.
                    for request in waiting:
                        self.answer(request, error)
                # Lets tasks that want more make their next request before the next round begins.
                await asyncio.sleep(0)
        finally:
            if self._serving is asyncio.current_task():
                self._serving = None

    async def _stop(self) -> None:
        serving, self._serving = self._serving, None
        if serving is not None:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
