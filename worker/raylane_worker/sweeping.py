"""Removes from S3 the parts of uploads that nobody continues. One worker at a time does it."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.errors import QueueUnavailable, StorageError
from raylane_common.logs import get_logger
from raylane_common.redis.connection import keys_of, queue_errors

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.data.storage import Storage
    from raylane_worker.first_use import FirstUse

logger = get_logger("raylane.worker")

# A sweep lists uploads and transfers, which are few. A thousand sweeps cost some cents on S3.
_EVERY_S: Final = 3600.0
_NAME: Final = "transfers"


class TransferSweep:
    """The sweeps of one worker."""

    def __init__(self, redis: Redis, storage: FirstUse[Storage], *, worker: str, abandoned_s: float) -> None:
        """`abandoned_s` is the age in seconds at which an upload that nobody continues is removed."""
        self._redis = redis
        self._storage = storage
        self._worker = worker
        self._abandoned_s = abandoned_s
        # At least as often as the age that it looks for.
        self._every_s = min(_EVERY_S, abandoned_s)

    async def run(self) -> NoReturn:
        """Sweeps until cancelled. A sweep that fails is logged, and repeated by the next."""
        while True:
            await asyncio.sleep(self._every_s * random.uniform(0.9, 1.1))  # noqa: S311  # workers need not start together
            try:
                await self.once()
            except (QueueUnavailable, StorageError) as error:
                logger.warning("abandoned uploads are left on S3: %s", error)

    async def once(self) -> int:
        """Sweeps if no other worker did so recently; returns how many uploads were removed.

        A worker that has not used S3 yet leaves it to others: opening the client takes 26 MiB. Raises
        `QueueUnavailable` and a `StorageError`.
        """
        storage = self._storage.opened
        if storage is None:
            return 0
        lock = keys_of(self._redis).janitor(_NAME)
        with queue_errors("sweep abandoned uploads"):
            mine = await self._redis.set(lock, self._worker, nx=True, px=int(self._every_s * 900))
        removed = await storage.transfers.sweep(self._abandoned_s) if mine else 0
        if removed:
            logger.warning("removed %d uploads from S3 that nobody continued", removed)
        return removed
