"""redis-py's asyncio connections made patient: one time bounds every command, and what is short is ridden over."""

from __future__ import annotations

import asyncio
import random
import ssl
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection, Connection, DefaultParser, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

T = TypeVar("T")

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
_NOT_NOW: Final = frozenset({"READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "UNBLOCKED", "NOREPLICAS", "BUSY"})


class TemporaryRefusal(ResponseError):
    """An answer that a failover, a restart or a long script makes true for a moment."""


class RetriesExhausted(RedisConnectionError):
    """The time was over; the cause is what went wrong last."""


_packer: Final = HiredisRespSerializer()

RETRYABLE: Final = (RedisConnectionError, RedisTimeoutError, OSError, TemporaryRefusal)


def tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """The disagreement about TLS behind `error`, if that is what it is and not a connection that was cut."""
    # Not by `__context__`, which also leads to errors that our caller is just handling.
    while error is not None:
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return error
        error = error.__cause__
    return None


# Of the command that is being tried in this context: its deadline, and the loop's time at which that stood first.
_limit: ContextVar[tuple[asyncio.Timeout, float] | None] = ContextVar("limit", default=None)


class CommandRetry(Retry):
    """Tries for `give_up_s`, in which everything has to fit: to connect, to log in, to send, to be answered."""

    def __init__(self, give_up_s: float) -> None:
        super().__init__(NoBackoff(), 0)
        self._give_up_s = give_up_s

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], fail: Callable[[Any], Any]) -> T:
        """What `do` returns. Raises `RetriesExhausted`, or at once what another try cannot change."""
        if _limit.get() is not None:
            # To connect and to check the health are parts of a command, which tries them again itself.
            return await do()
        at_s = asyncio.get_running_loop().time() + self._give_up_s
        timeout = asyncio.timeout_at(at_s)
        last: Exception | None = None
        failures = 0
        token = _limit.set((timeout, at_s))
        try:
            async with timeout:
                while True:
                    try:
                        return await do()
                    except RETRYABLE as error:
                        last = error
                        await _recover(fail, error)
                    pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(failures, 10))
                    failures += 1
                    await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311  # jitter, not a secret
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
    """Lets redis-py drop the connection. Raises `error` if another try cannot change it."""
    try:
        await fail(error)
    except RETRYABLE as failed:
        # A subscription connects here already; where that fails it is only one more failed try.
        if failed is error:
            raise
        error = failed
    if isinstance(error, AuthenticationError) or tls_error(error) is not None:
        raise error


class Parser(DefaultParser):  # type: ignore[misc, valid-type]  # redis-py chooses it when it is imported
    """Tells errors apart that redis-py does not: what is true for a moment only, and what a script may not do."""

    @classmethod
    def parse_error(cls, response: str) -> ResponseError:
        """The exception for an error of the server."""
        # Before Redis 7, an error inside a script stands at the end of a longer one.
        if response.split(" ", 1)[0] in _NOT_NOW or "-READONLY" in response:
            return TemporaryRefusal(response)
        if response.startswith("ERR ACL failure in script"):
            return NoPermissionError(response.removeprefix("ERR "))
        answer: ResponseError = super().parse_error(response)
        return answer


class RetryingConnection(AbstractConnection):
    """What all kinds of connections have in common."""

    _asked_at_s: float | None = None
    on_silence: Callable[[], Awaitable[None]]

    def pack_command(self, *args: Any) -> list[bytes]:
        """A command as bytes, by hiredis: redis-py's asyncio side packs in Python, eight times slower."""
        packed: list[bytes] = _packer.pack(*args)
        return packed

    async def connect(self) -> None:
        """Connects, logs in and subscribes again, within the time of the command that needs it or else of one."""
        if not self.is_connected:
            await self.retry.call_with_retry(super().connect, lambda _: self.disconnect(nowait=True))

    async def disconnect(self, nowait: bool = False) -> None:
        """Drops the connection without waiting for a peer that may be gone."""
        self._asked_at_s = None
        if self._writer is not None:
            self._writer.transport.abort()
        await super().disconnect(nowait)

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
        """An answer, or None if none came within `timeout`, where a subscriber gives one."""
        limit = _limit.get()
        if timeout is not None and limit is not None:
            # To wait for a message is no failure, and takes no time from what may fail.
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
            # redis-py asks a silent server again and again for a subscriber, and never gives it up.
            await self.disconnect(nowait=True)
            await self.on_silence()
            raise RedisTimeoutError(f"Timeout reading from {self._host_error()}")
        return answer


class TcpConnection(RetryingConnection, Connection):
    """Over TCP."""


class TlsConnection(TcpConnection):
    """Over TLS. `tls` is asked for the context whenever a connection is opened."""

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
        """As without TLS. With TLS 1.3 a server tells only here what it has against our certificate."""
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
        # redis-py's own also logs in here, and once more afterwards.
        async with asyncio.timeout(self.socket_connect_timeout):
            self._reader, self._writer = await asyncio.open_unix_connection(self.path)


class RetryingPool(ConnectionPool):
    """Hands out connections that may still have to connect: a command does that itself, within its own time."""

    async def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> AbstractConnection:
        """A connection that is not known to be dead. Nobody waits here for another one's attempt to connect."""
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]  # as above
        reader = connection._reader
        # Bytes that nobody asked for would be taken for the next answer.
        if reader is not None and (reader.at_eof() or reader.exception() or not connection._socket_is_empty()):  # type: ignore[no-untyped-call]  # as above
            await connection.disconnect(nowait=True)
        return connection

    def make_connection(self) -> RetryingConnection:
        """A new connection, which says when the server was silent."""
        connection: RetryingConnection = super().make_connection()  # type: ignore[no-untyped-call]  # as above
        connection.on_silence = self._drop_idle
        return connection

    async def _drop_idle(self) -> None:
        """A server that is silent here most likely is so everywhere: no other command is to wait for that again."""
        for idle in self._available_connections:
            await idle.disconnect(nowait=True)
