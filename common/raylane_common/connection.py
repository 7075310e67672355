"""Connections to Redis that survive what Redis does, and the one place where its errors become ours."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from raylane_common.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane_common.settings import RedisSettings


def connect(settings: RedisSettings) -> Redis:
    """A client that decodes text, retries lost connections and never waits for ever. Close it with `aclose()`.

    Opens no connection by itself. A caller that blocks on purpose (XREAD) stays below `socket_timeout_s`.
    """
    client: Redis = Redis.from_url(
        settings.url.get_secret_value(),
        decode_responses=True,
        socket_connect_timeout=settings.connect_timeout_s,
        socket_timeout=settings.socket_timeout_s,
        socket_keepalive=not settings.url.get_secret_value().startswith("unix"),
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=settings.retry_cap_s, base=0.1), settings.retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )
    return client


@contextmanager
def queue_errors(doing: str) -> Iterator[None]:
    """Turns what redis-py raises inside the block into `QueueUnavailable`, saying what was being done."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, OSError, TimeoutError) as error:
        raise QueueUnavailable(
            f"Redis did not answer while trying to {doing} ({type(error).__name__}); "
            "check RAYLANE_REDIS__URL and that the server is up",
            details={"doing": doing},
        ) from error
    except RedisError as error:
        raise QueueUnavailable(
            f"Redis refused to {doing}: {error}", retryable=False, details={"doing": doing}
        ) from error
