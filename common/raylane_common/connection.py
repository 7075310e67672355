"""Connections to Redis that survive what Redis does, and the one place where its errors become ours."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from raylane_common.errors import QueueUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from raylane_common.settings import RedisSettings


def connect(settings: RedisSettings) -> Redis:
    """A client that decodes text, retries lost connections and never waits for ever. Close it with `aclose()`.

    Opens no connection by itself. A caller that blocks on purpose (XREAD) stays below `socket_timeout_s`.
    """
    url = settings.url.get_secret_value()
    pool: ConnectionPool = ConnectionPool.from_url(
        url,
        decode_responses=True,
        socket_connect_timeout=settings.connect_timeout_s,
        socket_timeout=settings.socket_timeout_s,
        health_check_interval=30,
        retry=Retry(ExponentialBackoff(cap=settings.retry_cap_s, base=0.1), settings.retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
        # Only TCP has it.
        **({} if url.startswith("unix://") else {"socket_keepalive": True}),
    )
    pool.connection_class = _CANCELLABLE[pool.connection_class]
    return Redis.from_pool(pool)


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


class _Cancellable(AbstractConnection):
    """Sends under `asyncio.timeout`, so that Ctrl-C and a worker's stop always arrive.

    redis-py 5 sends under `asyncio.wait_for`, which before Python 3.12 loses a cancellation that arrives as the sending
    ends (python/cpython#86296).
    """

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        if not self.is_connected:
            await self.connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        elif check_health:
            await self.check_health()  # type: ignore[no-untyped-call]  # as above
        limit_s, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(limit_s):
                await super().send_packed_command(command, check_health=False)
        except TimeoutError as error:
            await self.disconnect(nowait=True)
            raise RedisTimeoutError("Timeout writing to socket") from error
        finally:
            self.socket_timeout = limit_s


class _CancellableTcp(_Cancellable, Connection):
    pass


class _CancellableTls(_Cancellable, SSLConnection):
    pass


class _CancellableUnix(_Cancellable, UnixDomainSocketConnection):
    pass


_CANCELLABLE: dict[type[AbstractConnection], type[AbstractConnection]] = {
    Connection: _CancellableTcp,
    SSLConnection: _CancellableTls,
    UnixDomainSocketConnection: _CancellableUnix,
}
