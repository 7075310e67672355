"""redis-py's asyncio connections with retries: one time limit covers a whole command, and short faults go unnoticed.

`tests/unit/test_redis_contract.py` checks the private names of redis-py 5 that are used here against the installed one.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from redis.asyncio.connection import AbstractConnection, Connection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from raylane_common.backoff import Backoff
from raylane_common.redis.contact import FIRST_HANDSHAKE_S, opening, speaks_plainly
from raylane_common.redis.replies import (
    OTHER_SCHEMES,
    RETRYABLE,
    Address,
    Hello,
    Moved,
    NoContact,
    WrongTopology,
    is_permanent,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping

    from raylane_common.redis.contact import FirstContact
    from raylane_common.redis.topology import Primary

T = TypeVar("T")

# A connection that was cut can usually be reopened at once. A failover takes seconds, so a try per second is enough.
_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0


class RetriesExhausted(RedisConnectionError):
    """A command's time limit has passed. The cause is the last error."""


_packer: Final = HiredisRespSerializer()

# The deadline of the command that is being tried in this context, and the loop time to which it was first set.
_limit: ContextVar[tuple[asyncio.Timeout, float] | None] = ContextVar("limit", default=None)


class CommandRetry(Retry):
    """Tries a command for `give_up_s` seconds in total: connecting, logging in, sending, and waiting for the answer."""

    def __init__(self, give_up_s: float) -> None:
        super().__init__(NoBackoff(), 0)
        self._give_up_s = give_up_s

    async def call_with_retry(self, do: Callable[[], Awaitable[T]], fail: Callable[[Any], Any]) -> T:
        """Returns what `do` returns. Raises `RetriesExhausted`; an error that a retry cannot fix is raised at once."""
        if _limit.get() is not None:
            # Connecting and health checks are parts of a command, which retries them itself.
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
    """Makes redis-py drop the connection. Raises `error` if a retry cannot fix it."""
    try:
        await fail(error)
    except RETRYABLE as failed:
        # A subscription reconnects right here. If that fails, it counts as another failed try.
        if failed is error:
            raise
        error = failed
    if is_permanent(error):
        raise error


class Owner(Protocol):
    """The connections that a connection belongs to."""

    primary: Primary | None
    contact: FirstContact

    def check(self, hello: Hello) -> None:
        """Raises an error if the server is not what the URL says."""

    async def drop_idle(self) -> None:
        """Drops the idle connections: a server that is silent on one connection is probably silent on all of them."""


class RetryingConnection(AbstractConnection):
    """The base class of all connections.

    `RetryingPool` sets `owner` and `released_at_s`, a time of the event loop. A connection that asks where the primary
    is has no owner.
    """

    host: str
    port: int
    owner: Owner | None = None
    released_at_s: float = 0.0
    _asked_at_s: float | None = None
    _opened_by: int | None = None

    def pack_command(self, *args: Any) -> list[bytes]:
        """Returns a command as bytes. hiredis packs it eight times faster than redis-py's asyncio code does."""
        packed: list[bytes]
        try:
            packed = _packer.pack(*args)
        except UnicodeEncodeError:
            # Text that was not UTF-8 when it was read, such as an id, is sent as the original bytes.
            packed = _packer.pack(*(_as_bytes(arg) for arg in args))
        return packed

    async def connect(self) -> None:
        """Connects, logs in and resubscribes, within the time limit of the current command if there is one."""
        if not self.is_connected:
            self._opened_by = os.getpid()
            await self.retry.call_with_retry(self._open, lambda _: self.disconnect(nowait=True))

    async def _open(self) -> None:
        owner = self.owner
        primary = owner.primary if owner is not None else None
        try:
            if primary is not None:
                self.host, self.port = await primary.locate()
        except RedisConnectionError as error:
            if owner is not None:
                owner.contact.failed(error, str(error))
            raise
        try:
            await super().connect()  # type: ignore[no-untyped-call]  # redis-py leaves it untyped
        except RETRYABLE as error:
            await self._failed(error)
            if owner is not None and primary is None:
                owner.contact.failed(error, self._where())
            if isinstance(error, AuthenticationError) and owner is not None:
                raise type(error)(f"at {self._where()}: {error}") from error
            raise
        if owner is not None:
            owner.contact.made()
        if primary is not None and primary.address != (self.host, self.port):
            await self.disconnect(nowait=True)
            raise RedisConnectionError(f"the primary has moved from {self._host_error()}")

    def _where(self) -> str:
        """Returns the address, as a URL would have it."""
        return str(Address(self.host, self.port))

    async def on_connect(self) -> None:
        """Logs in, and checks that the server is what the URL says."""
        await super().on_connect()
        if self.owner is not None:
            self.owner.check(await self._say_hello())

    async def _say_hello(self) -> Hello:
        try:
            # ACL rules do not apply to this command.
            await self.send_command("HELLO", 2, check_health=False)
            answer = await self.read_response()
        except ResponseError:
            answer = None  # a proxy, or a server before Redis 6
        said = dict(zip(answer[::2], answer[1::2], strict=False)) if isinstance(answer, list) else {}
        return Hello(str(said.get("mode", "")), str(said.get("role", "")))

    async def _failed(self, error: Exception) -> None:
        """Makes the owner act on an error that concerns its other connections as well."""
        if self.owner is None:
            return
        if isinstance(error, Moved):
            if self.owner.primary is None:
                raise WrongTopology(f"{error}: {OTHER_SCHEMES}") from error
            self.owner.primary.move(Address(error.host or self.host, error.port))
        elif self.owner.primary is not None:
            self.owner.primary.doubt(Address(self.host, self.port))
        if isinstance(error, RedisTimeoutError):
            await self.owner.drop_idle()

    def cut(self) -> None:
        """Ends the connection at once. A command in progress fails, and is tried again."""
        if self._writer is not None:
            self._writer.transport.abort()

    async def disconnect(self, nowait: bool = False) -> None:
        """Drops the connection without waiting for a peer that may be gone."""
        self._asked_at_s = None
        if self._opened_by != os.getpid():
            self.abandon()
        if self._writer is not None:
            self._writer.transport.abort()
        await super().disconnect(nowait)

    def abandon(self) -> None:
        """Closes this process's copy of the socket without sending anything: another process may still use it.

        The loop that opened it is not used either: it may be closed, and a forked child shares its selector with the
        parent.
        """
        writer, self._reader, self._writer = self._writer, None, None
        if writer is None:
            return
        opened = writer.transport.get_extra_info("socket")
        if opened is not None and opened.fileno() >= 0:
            # The descriptor stays in use, so that closing the transport later cannot close another file.
            with open(os.devnull, "rb") as nothing:  # only its descriptor is needed
                os.dup2(nothing.fileno(), opened.fileno(), inheritable=False)

    async def send_packed_command(self, command: bytes | str | Iterable[bytes], check_health: bool = True) -> None:
        """Sends under `asyncio.timeout`, so that no cancellation is lost, such as Ctrl-C.

        redis-py 5 uses `asyncio.wait_for`, which before Python 3.12 loses a cancellation that arrives just as sending
        ends (python/cpython#86296).
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
            silent = RedisTimeoutError("Timeout writing to socket")
            await self._failed(silent)
            raise silent from error
        except RedisConnectionError as error:
            await self._failed(error)
            raise
        finally:
            self.socket_timeout = limit_s
        if self._asked_at_s is None:
            self._asked_at_s = asyncio.get_running_loop().time()

    async def read_response(self, disable_decoding: bool = False, timeout: float | None = None, **options: Any) -> Any:
        """Returns an answer; None if a subscriber gave a `timeout` in seconds and no message came in that time."""
        limit = _limit.get()
        if timeout is not None and limit is not None:
            # Waiting for a message is not a failure, so that time does not count.
            deadline, at_s = limit
            deadline.reschedule(at_s + timeout)
        try:
            answer = await super().read_response(disable_decoding, timeout, **options)
        except RETRYABLE as error:
            await self._failed(error)
            raise
        now_s = asyncio.get_running_loop().time()
        if answer is not None or timeout is None:
            self._asked_at_s = None
        elif self._asked_at_s is not None and now_s - self._asked_at_s > (self.socket_timeout or now_s):
            # The server did not answer the health check. redis-py would keep sending checks for a subscriber.
            await self.disconnect(nowait=True)
            silent = RedisTimeoutError(f"Timeout reading from {self._host_error()}")
            await self._failed(silent)
            raise silent
        return answer


def _as_bytes(arg: Any) -> Any:
    return arg.encode("utf-8", "surrogateescape") if isinstance(arg, str) else arg


class TcpConnection(RetryingConnection, Connection):
    """A connection over TCP."""

    async def _connect(self) -> None:
        with opening():
            await super()._connect()  # type: ignore[no-untyped-call]  # as above


class TlsConnection(TcpConnection):
    """A connection over TLS. `tls` returns the context and is called whenever a connection is opened."""

    _has_tried = False

    def __init__(self, *, tls: Callable[[], ssl.SSLContext], **options: Any) -> None:
        super().__init__(**options)
        self._tls = tls

    def _connection_arguments(self) -> Mapping[str, Any]:
        limits = {"ssl_handshake_timeout": FIRST_HANDSHAKE_S} if self._is_first_try() else {}
        return {**super()._connection_arguments(), "ssl": self._tls(), **limits}

    def _is_first_try(self) -> bool:
        return self.owner is not None and self.owner.contact.is_open and not self._has_tried

    async def _connect(self) -> None:
        try:
            await super()._connect()
        except ssl.SSLError as error:
            raise RedisConnectionError(str(error)) from error
        except ConnectionAbortedError:
            if self._is_first_try() and await speaks_plainly(self.host, self.port):
                raise NoContact(self._where(), "plain") from None
            raise
        finally:
            self._has_tried = True

    async def read_response(self, *arguments: Any, **options: Any) -> Any:
        """Reads like a TCP connection. With TLS 1.3, a server that rejects our certificate says so only here."""
        reader = self._reader
        try:
            return await super().read_response(*arguments, **options)
        except RedisConnectionError as error:
            alert = reader.exception() if reader is not None else None
            if isinstance(alert, ssl.SSLError) and "alert" in str(alert):
                raise RedisConnectionError(str(error)) from alert
            raise


class UnixConnection(RetryingConnection, UnixDomainSocketConnection):
    """A connection over a unix socket."""

    def _where(self) -> str:
        return str(self.path)

    async def _connect(self) -> None:
        # redis-py's own method would log in here, and then a second time.
        with opening():
            async with asyncio.timeout(self.socket_connect_timeout):
                self._reader, self._writer = await asyncio.open_unix_connection(self.path)
