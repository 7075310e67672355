"""The first contact of a client with its server: what prevents it is told at once, and not after retries.

A client that has had a connection rides out an outage. One that never had any has most likely a wrong address, or
nobody has started the server.
"""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from redis.exceptions import BusyLoadingError
from redis.exceptions import ConnectionError as RedisConnectionError

from raylane_common.logs import get_logger
from raylane_common.redis.replies import NoContact, TemporaryRefusal, WrongTopology

if TYPE_CHECKING:
    from collections.abc import Iterator

logger = get_logger("raylane.redis")

# A proxy or a starting server may cut a few connections. With the pauses between the tries, this takes 1.5 s.
_CUTS: Final = 6
# A server that speaks TLS begins at once. If it is slow, the next try has all the time that the settings give.
FIRST_HANDSHAKE_S: Final = 0.7
_PLAIN_ANSWER_S: Final = 0.7
_CUT: Final = (ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError, ssl.SSLError)


class Unreachable(RedisConnectionError):
    """No connection could be opened. The cause is the error of the system."""


@contextmanager
def opening() -> Iterator[None]:
    """Raises `Unreachable` if the system refuses the connection that the block opens."""
    try:
        yield
    except _CUT:
        raise
    except OSError as error:
        raise Unreachable(str(error)) from error


class FirstContact:
    """Whether a client has ever had a connection."""

    def __init__(self, *, is_patient: bool) -> None:
        """A client that `is_patient` tries for as long as one that has had a connection, and logs why."""
        self._is_patient = is_patient
        self._is_made = self._is_told = False
        self._cuts = 0

    @property
    def is_open(self) -> bool:
        """Whether what happens now decides if there will be any contact."""
        return not self._is_made

    def made(self) -> None:
        """A server has taken a connection."""
        self._is_made = True

    def failed(self, error: Exception, address: str) -> None:
        """Raises `NoContact` if there never was a connection, and `error` says that another try would fail as well."""
        if self._is_made or (problem := self._problem(error, address)) is None:
            return
        if not self._is_patient:
            raise problem from problem.__cause__
        if not self._is_told:
            self._is_told = True
            logger.warning("%s; trying again until RAYLANE_REDIS__GIVE_UP_S have passed", explained(problem))

    def _problem(self, error: Exception, address: str) -> NoContact | None:
        reason = error.__cause__ if isinstance(error.__cause__, Unreachable | NoContact) else error
        if isinstance(reason, NoContact):
            return reason
        if isinstance(reason, Unreachable):
            return _caused(NoContact(address, "unreachable"), reason.__cause__)
        if _is_cut(error):
            self._cuts += 1
            if self._cuts >= _CUTS:
                return _caused(NoContact(address, "cut"), error)
        return None


def _caused(problem: NoContact, cause: BaseException | None) -> NoContact:
    problem.__cause__ = cause
    return problem


def explained(problem: NoContact) -> str:
    """Returns why there was no connection, and what to do."""
    where, reason = problem.address, problem.__cause__
    change = "set RAYLANE_REDIS__URL to the address of Redis"
    if problem.problem == "plain":
        return f"{where} does not speak TLS; write redis:// and not rediss:// in RAYLANE_REDIS__URL"
    if problem.problem == "cut":
        hint = "check the port in RAYLANE_REDIS__URL, and write rediss:// if the server speaks TLS, redis:// if not"
        return f"{where} closes every connection before it answers; {hint}"
    match reason:
        case socket.gaierror():
            host = where.rpartition(":")[0]
            return f"the host {host} of Redis is unknown here ({reason.strerror}); check its spelling, or {change}"
        case FileNotFoundError():
            return f"there is no socket {where}; start Redis there, or {change}"
        case OSError():
            said = "nothing listens there" if _is_refused(reason) else reason.strerror or str(reason)
            return f"Redis cannot be reached at {where}: {said}; start it there, or {change}"
        case _:
            return f"{where}; start one of these servers, or {change}"


def _is_refused(error: OSError) -> bool:
    # A name with several addresses has an error with the texts of all of them.
    numbers = {error.errno} if error.errno else {int(found) for found in re.findall(r"\[Errno (\d+)\]", str(error))}
    return numbers == {errno.ECONNREFUSED}


def is_unreachable(error: BaseException) -> bool:
    """Returns whether nothing answers at the address, or there is no such address."""
    return isinstance(error, Unreachable) or isinstance(error.__cause__, Unreachable)


def _is_cut(error: Exception) -> bool:
    """Returns whether the connection was closed before the server had said anything."""
    answers = (TemporaryRefusal, BusyLoadingError, WrongTopology)
    return isinstance(error, RedisConnectionError) and not isinstance(error, answers) and "max number" not in str(error)


async def speaks_plainly(host: str, port: int) -> bool:
    """Returns whether the server answers without TLS. Then it would wait forever for the rest of a TLS greeting."""
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(_PLAIN_ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(b"PING\r\n")
                return await reader.read(1) in (b"+", b"-")
            finally:
                writer.transport.abort()
    return False
