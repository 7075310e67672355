"""redis-py's asyncio connections with retries: one time limit covers all that a command takes, and short faults pass.

`tests/unit/test_redis_contract.py` holds the private names of redis-py 5 that are used here against the installed one.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.asyncio.connection import AbstractConnection, Connection, DefaultParser, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from raylane_common.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

T = TypeVar("T")

# A connection that was cut is usually back at once; a failover takes seconds, and a try each second is enough for it.
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_TEMPORARY: Final = frozenset({"READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "NOREPLICAS", "BUSY"})


class TemporaryRefusal(ResponseError):
    """An answer that holds only for a moment: during a failover, a restart or a long script."""


class RetriesExhausted(RedisConnectionError):
    """A command's time is over. The cause is the last error."""


_packer: Final = HiredisRespSerializer()

RETRYABLE: Final = (RedisConnectionError, RedisTimeoutError, OSError, TemporaryRefusal)


def tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Returns the TLS error that caused `error`, unless it only says that the connection was cut; None for others."""
    # Not by `__context__`, which also leads to errors that the caller is just handling.
    while error is not None:
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return error
        error = error.__cause__
    return None


# Of the command that is being tried in this context: its deadline, and the loop's time to which that was set first.
_limit: ContextVar[tuple[asyncio.Timeout, float] | None] = ContextVar("limit", default=None)


class CommandRetry(Retry):
    """Tries a command for `give_up_s` seconds, which include connecting, the login, sending and the answer."""

    def __init__(self, give_up_s: float) -> None:
        super().__init__(NoBackoff(), 0)
        self._give_up_s = give_up_s

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], fail: Callable[[Any], Any]) -> T:
        """Returns what `do` returns. Raises `RetriesExhausted`, or at once an error that another try cannot change."""
        if _limit.get() is not None:
            # Connecting and checking the health are parts of a command, and that retries them itself.
            return await do()
        at_s = asyncio.get_running_loop().time() + self._give_up_s
        timeout = asyncio.timeout_at(at_s)
        last: Exception | None = None
        pauses = Backoff(_FIRST_PAUSE_S, _LONGEST_PAUSE_S, jitter=0.5)
        token = _limit.set((timeout, at_s))
        try:
            async with timeout:
                while True:
                    try:
                        return await do()
                    except RETRYABLE as error:
                        last = error
                        await _recover(fail, error)
                    await asyncio.sleep(pauses.next_s())
        except TimeoutError as error:
            if not timeout.expired():
                raise
            what = f"{last}" if last else "no answer"
            raise RetriesExhausted(f"{what} (gave up after {self._give_up_s:g} s, RAYLANE_REDIS__GIVE_UP_S)") from (
                last or error
            )
        finally:
            _limit.reset(token)


async def _recover(fail: Callable[[Any], Any], error: Exception) -> None:
    """Has redis-py drop the connection. Raises `error` if another try cannot change it."""
    try:
        await fail(error)
    except RETRYABLE as failed:
        # A subscription already reconnects here. If that fails, it is one more failed try.
        if failed is error:
            raise
        error = failed
    if isinstance(error, AuthenticationError) or tls_error(error) is not None:
        raise error


class Parser(DefaultParser):  # type: ignore[misc, valid-type]  # redis-py chooses it when it is imported
    """Recognizes two kinds of errors that redis-py does not: temporary ones, and missing rights inside a script."""

    @classmethod
    def parse_error(cls, response: str) -> ResponseError:
        """Returns the exception for an error of the server."""
        # Before Redis 7, an error inside a script is the last part of a longer one.
        if response.split(" ", 1)[0] in _TEMPORARY or "-READONLY" in response:
            return TemporaryRefusal(response)
        if response.startswith("ERR ACL failure in script"):
            return NoPermissionError(response.removeprefix("ERR "))
        answer: ResponseError = super().parse_error(response)
        return answer


class RetryingConnection(AbstractConnection):
    """The base of all kinds of connections. `RetryingPool` sets `owner` and `on_silence`."""

    owner: Any
    on_silence: Callable[[], Awaitable[None]]
    _asked_at_s: float | None = None
    _opened_by: int | None = None

    def pack_command(self, *args: Any) -> list[bytes]:
        """Returns a command as bytes. hiredis packs it eight times faster than redis-py's asyncio side does."""
        packed: list[bytes]
        try:
            packed = _packer.pack(*args)
        except UnicodeEncodeError:
            # Text that was not UTF-8 when it was read, such as an id: it is sent as the bytes that it was.
            packed = _packer.pack(*(_as_bytes(arg) for arg in args))
        return packed

    async def connect(self) -> None:
        """Connects, logs in and subscribes again, within the time of the command that needs it, or else its own."""
        if not self.is_connected:
            self._opened_by = os.getpid()
            await self.retry.call_with_retry(super().connect, lambda _: self.disconnect(nowait=True))

    async def disconnect(self, nowait: bool = False) -> None:
        """Drops the connection without waiting for a peer that may be gone."""
        self._asked_at_s = None
        if self._opened_by != os.getpid():
            self.abandon()
        if self._writer is not None:
            self._writer.transport.abort()
        await super().disconnect(nowait)

    def abandon(self) -> None:
        """Closes this process's copy of the socket, and sends nothing: another process may go on using the connection.

        The loop that opened it is not touched either. It may be closed, and in a forked child its selector is still
        shared with the parent's.
        """
        writer, self._reader, self._writer = self._writer, None, None
        if writer is None:
            return
        opened = writer.transport.get_extra_info("socket")
        if opened is not None and opened.fileno() >= 0:
            # The descriptor stays taken, so that what closes the transport later cannot close another file.
            with open(os.devnull, "rb") as nothing:  # its descriptor is all that counts
                os.dup2(nothing.fileno(), opened.fileno(), inheritable=False)

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Sends under `asyncio.timeout`, so that Ctrl-C and a worker's stop always arrive.

        redis-py 5 sends under `asyncio.wait_for`, which before Python 3.12 loses a cancellation that arrives as the
        sending ends (python/cpython#86296).
        """
        if not self.is_connected:
            await self.connect()
        elif check_health:
            await self.check_health()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        limit_s, self.socket_timeout = self.socket_timeout, None
        try:
            async with asyncio.timeout(limit_s):
                await super().send_packed_command(command, check_health=False)
        except TimeoutError as error:
            await self.disconnect(nowait=True)
            await self.on_silence()
            raise RedisTimeoutError("Timeout writing to socket") from error
        finally:
            self.socket_timeout = limit_s
        if self._asked_at_s is None:
            self._asked_at_s = asyncio.get_running_loop().time()

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None, **options: Any) -> Any:
        """Returns an answer; None if a subscriber gave a `timeout` in seconds and no message came within it."""
        limit = _limit.get()
        if timeout is not None and limit is not None:
            # Waiting for a message is not a failure, so its time does not count.
            deadline, at_s = limit
            deadline.reschedule(at_s + timeout)
        try:
            answer = await super().read_response(disable_decoding, timeout, **options)
        except RedisTimeoutError:
            await self.on_silence()
            raise
        now_s = asyncio.get_running_loop().time()
        if answer is not None or timeout is None:
            self._asked_at_s = None
        elif self._asked_at_s is not None and now_s - self._asked_at_s > (self.socket_timeout or now_s):
            # A server did not answer the health check. redis-py would send a subscriber's check again and again.
            await self.disconnect(nowait=True)
            await self.on_silence()
            raise RedisTimeoutError(f"Timeout reading from {self._host_error()}")
        return answer


def _as_bytes(arg: Any) -> Any:
    return arg.encode("utf-8", "surrogateescape") if isinstance(arg, str) else arg


class TcpConnection(RetryingConnection, Connection):
    """Over TCP."""


class TlsConnection(TcpConnection):
    """Over TLS. `tls` returns the context, and is called whenever a connection is opened."""

    def __init__(self, *, tls: Callable[[], ssl.SSLContext], **options: Any) -> None:
        super().__init__(**options)
        self._tls = tls

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._tls()}

    async def _connect(self) -> None:
        try:
            await super()._connect()  # type: ignore[no-untyped-call]  # as above
        except ssl.SSLError as error:
            raise RedisConnectionError(str(error)) from error

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """As without TLS. With TLS 1.3, a server that rejects our certificate says so only here."""
        reader = self._reader
        try:
            return await super().read_response(*arguments, **options)
        except RedisConnectionError as error:
            alert = reader.exception() if reader is not None else None
            if isinstance(alert, ssl.SSLError) and "alert" in str(alert):
                raise RedisConnectionError(str(error)) from alert
            raise


class UnixConnection(RetryingConnection, UnixDomainSocketConnection):
    """Over a unix socket."""

    async def _connect(self) -> None:
        # redis-py's own method logs in here, and once more afterwards.
        async with asyncio.timeout(self.socket_connect_timeout):
            self._reader, self._writer = await asyncio.open_unix_connection(self.path)
