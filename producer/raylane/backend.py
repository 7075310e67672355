"""The queue and the stores of a producer, which share one Redis client."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final

from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.redis.audit import AuditLog
    from raylane_common.redis.queue import QueueOverview
    from raylane_common.redis.settings_store import SettingsStore
    from raylane_common.redis.source_store import SourceStore
    from raylane_common.settings import RedisSettings

# A follower reads again after this time. A longer time saves round trips; a shorter one finds a dead connection sooner.
_LONGEST_BLOCK_S: Final = 5.0


class RedisBackend:
    """Queue, overview, sources, settings and audit on one Redis client, each loaded when it is first used."""

    def __init__(self, redis: Redis, *, queue: JobQueue | None = None, owned: bool = False) -> None:
        """`redis` must decode text. `aclose` closes it only if it is `owned`.

        `queue` replaces the default queue, for example with one that has other timeouts, or with a test's.
        """
        self.redis = redis
        self.queue: JobQueue = queue or JobQueue(redis)
        self._owned = owned

    @classmethod
    def connect(cls, settings: RedisSettings) -> RedisBackend:
        """Returns a backend with a client of its own, which connects when first used. Raises `InvalidRequest`."""
        redis = connect(settings)
        return cls(redis, queue=JobQueue(redis, block_s=longest_block_s(settings)), owned=True)

    @cached_property
    def overview(self) -> QueueOverview:
        """What operators see of the queue."""
        from raylane_common.redis.queue import QueueOverview

        return QueueOverview(self.redis)

    @cached_property
    def sources(self) -> SourceStore:
        """The sources of all sessions."""
        from raylane_common.redis.source_store import SourceStore

        return SourceStore(self.redis)

    @cached_property
    def settings(self) -> SettingsStore:
        """The settings that workers apply while they run."""
        from raylane_common.redis.settings_store import SettingsStore

        return SettingsStore(self.redis)

    @cached_property
    def audit(self) -> AuditLog:
        """The audit of the gateways."""
        from raylane_common.redis.audit import AuditLog

        return AuditLog(self.redis)

    async def aclose(self) -> None:
        """Closes the client if the backend owns it."""
        if self._owned:
            await self.redis.aclose()


def longest_block_s(settings: RedisSettings) -> float:
    """Returns how long a read may block, in seconds. Redis must answer before the socket times out."""
    return min(_LONGEST_BLOCK_S, settings.socket_timeout_s / 2)
