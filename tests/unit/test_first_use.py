"""A client is opened by the first job that needs it, once, without blocking the event loop."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from raylane_worker.first_use import FirstUse
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager


class Clients:
    """Makes clients, which are strings, and notes what happens to them. None opens while `may_open` is clear."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.failures = 0
        self.may_open = asyncio.Event()
        self.may_open.set()

    def make(self) -> AbstractAsyncContextManager[str]:
        self.events.append("made")
        return self._client()

    @asynccontextmanager
    async def _client(self) -> AsyncIterator[str]:
        await self.may_open.wait()
        if self.failures > 0:
            self.failures -= 1
            raise ConnectionError
        self.events.append("opened")
        yield "client"
        self.events.append("closed")


async def test_a_client_that_no_job_needs_is_never_made() -> None:
    clients = Clients()
    async with FirstUse(clients.make):
        pass
    assert clients.events == []


async def test_jobs_that_need_it_together_share_one_client() -> None:
    clients = Clients()
    async with FirstUse(clients.make) as first_use:
        assert await asyncio.gather(*(first_use.get() for _ in range(20))) == ["client"] * 20
        assert clients.events == ["made", "opened"]
    assert clients.events == ["made", "opened", "closed"]


async def test_after_a_failure_the_next_job_tries_again() -> None:
    clients = Clients()
    clients.failures = 2
    async with FirstUse(clients.make) as first_use:
        for _ in range(2):
            with pytest.raises(ConnectionError):
                await first_use.get()
        assert await first_use.get() == "client"


async def test_a_job_that_is_cancelled_while_it_opens_the_client_leaves_it_to_the_next_one() -> None:
    clients = Clients()
    clients.may_open.clear()
    async with FirstUse(clients.make) as first_use:
        opening, waiting = asyncio.create_task(first_use.get()), asyncio.create_task(first_use.get())
        await until(lambda: bool(clients.events))
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        clients.may_open.set()
        assert await waiting == "client"
    assert clients.events == ["made", "made", "opened", "closed"]


async def test_the_loop_runs_while_the_library_is_imported() -> None:
    loop_ran = threading.Event()

    def make() -> AbstractAsyncContextManager[str]:
        assert loop_ran.wait(30), "the loop was blocked"
        return Clients().make()

    async with FirstUse(make) as first_use:
        getting = asyncio.create_task(first_use.get())
        await asyncio.sleep(0)
        loop_ran.set()
        assert await getting == "client"


async def test_no_library_is_imported_while_another_one_is() -> None:
    """Python 3.11 raises `_DeadlockError` if one thread imports a package and another a part of it, as botocore's."""
    importing, overlap = threading.Lock(), threading.Event()

    def make() -> AbstractAsyncContextManager[str]:
        if not importing.acquire(blocking=False):
            overlap.set()
            return Clients().make()
        overlap.wait(0.05)  # the other thread comes in now, if it can
        importing.release()
        return Clients().make()

    async with FirstUse(make) as storage, FirstUse(make) as catalog:
        await asyncio.gather(storage.get(), catalog.get())
    assert not overlap.is_set()
