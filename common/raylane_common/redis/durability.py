"""Makes the server confirm writes: that replicas have them, or that they are on disk.

See docs/decisions/0015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from redis.asyncio.client import Pipeline

from raylane_common.errors import WriteNotConfirmed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from raylane_common.settings import RedisSettings


class Durability:
    """What the server must confirm. Sends writes together with the command that waits for the confirmation."""

    def __init__(self, settings: RedisSettings | None = None) -> None:
        """Without `settings`, a write counts as soon as the server has carried it out."""
        self._mode = settings.durability if settings else "none"
        self._replicas = settings.confirming_replicas if settings else 0
        self._timeout_s = settings.durability_timeout_s if settings else 0.0

    @property
    def needs_confirmation(self) -> bool:
        """Whether the server must confirm writes."""
        return self._mode != "none"

    async def check(self, redis: Redis) -> None:
        """Raises redis-py's `ResponseError` if the server does not know the command, or has no append-only file."""
        if self.needs_confirmation:
            # For no replica and one millisecond: only whether the server knows the command matters.
            await redis.execute_command(*self._command(0, 0.001))  # type: ignore[no-untyped-call]  # redis-py leaves it untyped

    async def send(
        self, redis: Redis, writes: Sequence[Sequence[str | bytes | int | float]]
    ) -> tuple[list[object], WriteNotConfirmed | None]:
        """Carries out the writes in one round trip, on one connection, and waits until all are confirmed.

        Returns their answers, and an error if the confirmation takes too long. Raises redis-py's errors. Until it
        returns, a write may or may not have been carried out.
        """
        async with _Batch(redis.connection_pool, redis.response_callbacks, transaction=False, shard_hint=None) as batch:
            for write in (*writes, self._command(self._replicas, self._timeout_s)):
                batch.execute_command(*write)
            *answers, confirmed = await batch.execute()
        return answers, self._problem(confirmed)

    def _command(self, replicas: int, timeout_s: float) -> Sequence[str | int]:
        timeout_ms = max(1, int(timeout_s * 1000))
        return ("WAITAOF", 1, replicas, timeout_ms) if self._mode == "waitaof" else ("WAIT", replicas, timeout_ms)

    def _problem(self, answer: object) -> WriteNotConfirmed | None:
        on_disk, replicas = cast("list[int]", answer) if self._mode == "waitaof" else (1, cast("int", answer))
        if on_disk and replicas >= self._replicas:
            return None
        missing = "the server itself did not" if not on_disk else f"{replicas} of {self._replicas} replicas did"
        return WriteNotConfirmed(
            f"Redis has carried it out, but did not confirm within {self._timeout_s:g} s that it is kept "
            f"(RAYLANE_REDIS__DURABILITY={self._mode}: {missing}); repeat it with the same id, which is safe"
        )


class _Batch(Pipeline):
    """A pipeline whose errors hold the server's own words: redis-py adds the command, with all its bytes."""

    def annotate_exception(self, exception: Exception, number: int, command: object) -> None:
        """Leaves the error as it is."""
