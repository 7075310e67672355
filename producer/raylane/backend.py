"""What a producer stands on in production: one Redis client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from raylane_common.redis.connection import connect
from raylane_common.redis.queue import JobQueue, QueueOverview
from raylane_common.redis.settings_store import SettingsStore
from raylane_common.redis.source_store import SourceStore

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_common.settings import RedisSettings

_LONGEST_BLOCK_S: Final = 5.0


@dataclass(frozen=True)
class RedisBackend:
    """Queue, overview, sources and settings on one Redis client, which stays its caller's unless `owned`."""

    redis: Redis
    owned: bool = False
    block_s: float = _LONGEST_BLOCK_S

    @classmethod
    def connect(cls, settings: RedisSettings) -> RedisBackend:
        """A backend with a client of its own; connects when first used. Raises `InvalidRequest` for a bad URL."""
        redis = connect(settings)
        # A blocking read has to be answered before the socket's own deadline.
        return cls(redis, owned=True, block_s=min(_LONGEST_BLOCK_S, settings.socket_timeout_s / 2))

    @property
    def queue(self) -> JobQueue:
        """The jobs."""
        return JobQueue(self.redis, block_s=self.block_s)

    @property
    def overview(self) -> QueueOverview:
        """The queue as a whole."""
        return QueueOverview(self.redis)

    @property
    def sources(self) -> SourceStore:
        """The sessions' sources."""
        return SourceStore(self.redis)

    @property
    def settings(self) -> SettingsStore:
        """What was set at run time."""
        return SettingsStore(self.redis)

    async def aclose(self) -> None:
        """Closes the client if it is the backend's own."""
        if self.owned:
            await self.redis.aclose()
