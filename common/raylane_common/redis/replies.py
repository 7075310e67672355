"""Recognizes the errors of a server: which ones a retry may fix, and which name another server."""

from __future__ import annotations

import ssl
from typing import Final, Literal, NamedTuple

from redis.asyncio.connection import DefaultParser
from redis.exceptions import AuthenticationError, NoPermissionError, OutOfMemoryError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

_TEMPORARY: Final = frozenset(
    {"READONLY", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "ASK", "UNBLOCKED", "NOREPLICAS", "BUSY"}
)

OTHER_SCHEMES: Final = "write redis+sentinel:// or redis+cluster://, which docs/scaling.md explains"


class Address(NamedTuple):
    """A host name or IP address, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Hello(NamedTuple):
    """The mode and role that a server reports. Both are empty if it does not know the command HELLO."""

    mode: str
    role: str


class TemporaryRefusal(RedisConnectionError):
    """An error that goes away on its own: the server is in a failover, a restart, a long script or a migration.

    It is a `ConnectionError`, so that redis-py raises it even in a pipeline that returns errors as answers.
    """


class Moved(TemporaryRefusal):
    """Another node of the cluster has the key. `host` is empty if it is that of the node that answered."""

    def __init__(self, response: str) -> None:
        super().__init__(response)
        self.host, _, port = response.rpartition(" ")[2].rpartition(":")
        self.port = int(port)


class WrongType(ResponseError):
    """A key holds another type of value than the command needs: another program has written it."""

    key: str = ""


class SentinelLoginRefused(AuthenticationError):
    """A sentinel refused the login."""


class WrongTopology(RedisError):
    """The URL does not say what the server is: one server, a sentinel, or a node of a cluster."""


class NoContact(RedisConnectionError):
    """A client that never had a connection got none from `address`.

    `problem` says why: nothing could be opened (and the cause is the error of the system), the server closed every
    connection without a word, or it does not speak TLS.
    """

    def __init__(self, address: str, problem: Literal["unreachable", "cut", "plain"]) -> None:
        super().__init__(address)
        self.address = address
        self.problem = problem


RETRYABLE: Final = (RedisConnectionError, RedisTimeoutError, OSError)


def is_permanent(error: BaseException) -> bool:
    """Returns whether a retry cannot fix `error`."""
    is_final = isinstance(error, AuthenticationError | NoContact)
    return not isinstance(error, RETRYABLE) or is_final or tls_error(error) is not None


def tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """Returns the TLS error that caused `error`, unless it only says that the connection was cut; None for others."""
    # `__context__` is not followed, because it also leads to errors that the caller is handling.
    while error is not None:
        if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return error
        error = error.__cause__
    return None


class Parser(DefaultParser):  # type: ignore[misc, valid-type]  # redis-py chooses it when it is imported
    """Recognizes errors that redis-py does not: temporary ones, wrong types, and some that occur in a script."""

    @classmethod
    def parse_error(cls, response: str) -> RedisError:
        """Returns the exception for an error message of the server."""
        code = response.split(" ", 1)[0]
        if code == "MOVED":
            return Moved(response)
        # Before Redis 7, an error inside a script is at the end of a longer message.
        if code in _TEMPORARY or "-READONLY" in response or "with replica instances" in response:
            return TemporaryRefusal(response)
        if "-OOM " in response:
            return OutOfMemoryError(response)
        if code == "WRONGTYPE":
            return WrongType(response)
        if response.startswith("ERR ACL failure in script"):
            return NoPermissionError(response.removeprefix("ERR "))
        answer: RedisError = super().parse_error(response)
        return answer
