"""Opens the clients of S3 and Glue when a job first needs them. An idle worker saves the 26 MiB that each takes."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Generic, Self, TypeVar

from raylane_common.telemetry.metrics import NO_METRICS
from raylane_worker.importing import import_in_thread

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from types import TracebackType

    from raylane_common.settings import Settings
    from raylane_common.telemetry.metrics import Metrics
    from raylane_worker.data.catalog import Catalog
    from raylane_worker.data.storage import Storage

T = TypeVar("T")


class FirstUse(Generic[T]):
    """A client that all jobs of a worker share. An async context manager, which closes the client if it was opened."""

    def __init__(self, make: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        """`make` imports the library and makes the client. It runs in a thread, so that leases are still renewed."""
        self._make = make
        self._opening = asyncio.Lock()
        self._stack = AsyncExitStack()
        self._opened: T | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def opened(self) -> T | None:
        """The client, if it has been opened."""
        return self._opened

    async def get(self) -> T:
        """Returns the opened client. Raises what opening it raises; the next call tries again."""
        async with self._opening:
            if self._opened is None:
                client = await import_in_thread(self._make)
                self._opened = await self._stack.enter_async_context(client)
            return self._opened


def storage_of(settings: Settings, metrics: Metrics = NO_METRICS) -> FirstUse[Storage]:
    """Returns the storage of these settings, not opened yet. `get` raises what opening `Storage` raises."""

    def make() -> Storage:
        from raylane_worker.data.storage import Storage

        return Storage(settings.storage, settings.aws, metrics)

    return FirstUse(make)


def catalog_of(settings: Settings, metrics: Metrics = NO_METRICS) -> FirstUse[Catalog]:
    """Returns the catalog of these settings, not opened yet. `get` raises what opening `Catalog` raises."""

    def make() -> Catalog:
        from raylane_worker.data.catalog import Catalog

        return Catalog(settings.aws, metrics)

    return FirstUse(make)
