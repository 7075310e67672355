"""What a producer reads and writes: the stores that share one Redis client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue, QueueOverview
from raylane_common.redis.settings_store import SettingsStore
from raylane_common.redis.source_store import SourceStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.settings import RedisSettings

# Followers ask again this often. It costs a round trip each time, and notices a lost connection that much sooner.
_LONGEST_BLOCK_S: Final = 5.0


class RedisBackend:
    """Queue, overview, sources and settings on one Redis client."""

    def __init__(self, redis: Redis, *, queue: JobQueue | None = None, owned: bool = False) -> None:
        """`redis` decodes text; it is closed together with the backend only if it is `owned`.

        `queue` replaces the queue on the same client: one with other timeouts, or the one of a test.
        """
        self.redis = redis
        self.queue: JobQueue = queue or JobQueue(redis)
        self.overview: QueueOverview = QueueOverview(redis)
        self.sources: SourceStore = SourceStore(redis)
        self.settings: SettingsStore = SettingsStore(redis)
        self._owned = owned

    @classmethod
    def connect(cls, settings: RedisSettings) -> RedisBackend:
        """Returns a backend with its own client, which connects when first used. Raises `InvalidRequest`."""
        redis = connect(settings)
        return cls(redis, queue=JobQueue(redis, block_s=longest_block_s(settings)), owned=True)

    async def aclose(self) -> None:
        """Closes the client if the backend owns it."""
        if self._owned:
            await self.redis.aclose()


def longest_block_s(settings: RedisSettings) -> float:
    """Returns how long a read may block, in seconds: Redis has to answer before the socket times out."""
    return min(_LONGEST_BLOCK_S, settings.socket_timeout_s / 2)
