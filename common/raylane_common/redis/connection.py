"""Makes the Redis client, and turns its errors into ours."""

from __future__ import annotations

from ast import literal_eval
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    RedisError,
    ResponseError,
    WatchError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from raylane_common.errors import InvalidRequest, QueueUnavailable
from raylane_common.redis.durability import Durability
from raylane_common.redis.keys import Keys
from raylane_common.redis.pool import RetryingPool
from raylane_common.redis.retrying import (
    RETRYABLE,
    CommandRetry,
    Parser,
    RetriesExhausted,
    TcpConnection,
    TemporaryRefusal,
    TlsConnection,
    UnixConnection,
    tls_error,
)
from raylane_common.tls import build_tls_context, keepalive_options

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from raylane_common.settings import RedisSettings
    from raylane_common.tls import TlsVerify

_SCHEMES: Final = ("redis://", "rediss://", "unix://")
_READ_FROM_URL: Final = frozenset({"connection_class", "host", "port", "path", "db", "username", "password"})
_KINDS: Final = {
    Connection: TcpConnection,
    SSLConnection: TlsConnection,
    UnixDomainSocketConnection: UnixConnection,
}
# A connection that was idle for this long is checked with a PING before it is used again.
_HEALTH_CHECK_S: Final = 10
# A dead peer is noticed after a minute. Firewalls and load balancers drop idle connections after some minutes.
_KEEPALIVE: Final = keepalive_options(idle_s=30, interval_s=10, probes=3)
_LOGIN: Final = "RAYLANE_REDIS__USERNAME and RAYLANE_REDIS__PASSWORD (or the login in RAYLANE_REDIS__URL)"
_TLS: Final = "RAYLANE_REDIS__CA_FILE, RAYLANE_REDIS__CLIENT_CERT_FILE and RAYLANE_REDIS__TLS_VERIFY"


def connect(settings: RedisSettings) -> Redis:
    """Returns a client that decodes text, retries commands during short outages, and gives up after `give_up_s`.

    It connects at its first command; close it with `aclose()`. A blocking command (XREAD) must block for less than
    `socket_timeout_s`. Forked children and several event loops may share one client: each gets its own connections, and
    `aclose()` closes those of the running loop. Raises `InvalidRequest` for a URL that cannot be used.
    """
    options = _options(settings)
    kind = _KINDS[options.pop("connection_class", Connection)]
    if kind is TlsConnection:
        options["tls"] = partial(_tls_context, settings)
    elif settings.ca_file or settings.client_cert_file:
        raise InvalidRequest.field("redis.url", "must start with rediss:// because a certificate is set")
    if kind is not UnixConnection:
        options |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    pool = RetryingPool(
        Keys(settings.prefix),
        Durability(settings),
        connection_class=kind,
        decode_responses=True,
        # Bytes that another program wrote must not make redis-py raise. They can be sent back unchanged.
        encoding_errors="surrogateescape",
        parser_class=Parser,
        socket_connect_timeout=settings.connect_timeout_s,
        socket_timeout=settings.socket_timeout_s,
        health_check_interval=_HEALTH_CHECK_S,
        retry=CommandRetry(settings.give_up_s),
        retry_on_error=list(RETRYABLE),
        **options,
    )
    return Redis.from_pool(pool)


def keys_of(redis: Redis) -> Keys:
    """Returns the keys of the deployment that `redis` belongs to. They have no prefix if `connect` did not make it."""
    pool = redis.connection_pool
    return pool.keys if isinstance(pool, RetryingPool) else Keys()


def durability_of(redis: Redis) -> Durability:
    """Returns what the server must confirm. It is nothing if `connect` did not make the client."""
    pool = redis.connection_pool
    return pool.durability if isinstance(pool, RetryingPool) else Durability()


@contextmanager
def queue_errors(doing: str) -> Iterator[None]:
    """Turns redis-py's errors inside the block into `QueueUnavailable`, which says what failed and what to do.

    `doing` completes the sentence "Redis refused to …".
    """
    try:
        yield
    except (RedisError, OSError) as error:
        problem, retryable = _explain(error, doing)
        raise QueueUnavailable(problem, retryable=retryable, details={"doing": doing}) from error


def readable(answers: Iterable[object]) -> list[dict[str, str] | None]:
    """Returns the hashes that a pipeline read, with None in place of each key that another program wrote.

    Raises every other error among the answers.
    """
    found: list[dict[str, str] | None] = []
    for answer in answers:
        if isinstance(answer, Exception) and not _said(answer).startswith("WRONGTYPE"):
            raise answer
        found.append(answer if isinstance(answer, dict) else None)
    return found


def _said(error: BaseException) -> str:
    """Returns the server's own words. In a pipeline, redis-py wraps them in a text about the command."""
    _, wrapped, words = str(error).partition(" of pipeline caused error: ")
    try:
        return str(literal_eval(words)[0]) if wrapped else str(error)
    except (ValueError, SyntaxError, IndexError):
        return str(error)


def _explain(error: Exception, doing: str) -> tuple[str, bool]:
    """Returns the message, and whether the same command may succeed later."""
    tls = tls_error(error)
    if tls is not None:
        return f"no TLS connection to Redis to {doing}: {tls}; check {_TLS}", False
    said = _said(error)
    match error.__cause__ if isinstance(error, RetriesExhausted) else error:
        case AuthenticationError():
            return f"Redis refused the login to {doing}: {said}; check {_LOGIN}", False
        case NoPermissionError():
            hint = "see ACL LOG on the server; docs/operations.md lists the rules that are needed"
            return f"the Redis user has no permission to {doing}: {said}; {hint}", False
        case InvalidResponse():
            hint = "check the port in RAYLANE_REDIS__URL, and write rediss:// if it speaks TLS"
            return f"something other than Redis answered while trying to {doing}: {said}; {hint}", False
        case OutOfMemoryError():
            return f"Redis is out of memory and cannot {doing}: {said}; raise its maxmemory", True
        case TemporaryRefusal() | BusyLoadingError():
            hint = "check that RAYLANE_REDIS__URL leads to a healthy primary"
            return f"Redis could not {doing}: {said}; {hint}", True
        case RedisConnectionError() | RedisTimeoutError() | OSError():
            hint = "check RAYLANE_REDIS__URL (address, port, TLS or not) and that the server is up"
            return f"Redis did not answer while trying to {doing}: {said or type(error).__name__}; {hint}", True
        case NoScriptError() | WatchError():
            return f"Redis changed while trying to {doing}: {said}; try again", True
        case ResponseError() if "WAITAOF" in said:
            hint = "RAYLANE_REDIS__DURABILITY=waitaof needs `appendonly yes`, and Redis 7.2 or Valkey"
            return f"Redis refused to {doing}: {said}; {hint}", False
        case ResponseError() if said.startswith("MISCONF"):
            return f"Redis refused to {doing} because it cannot write to its disk: {said}; see its log", True
        case ResponseError() if said.startswith(("MOVED", "ASK", "CROSSSLOT")):
            return f"Redis refused to {doing}: {said}; Raylane needs one primary, not a cluster", False
        case ResponseError() if said.startswith("WRONGTYPE"):
            hint = "another program writes to this database: give Raylane its own in RAYLANE_REDIS__URL"
            return f"Redis refused to {doing}: {said}; {hint}", False
        case _:
            return f"Redis refused to {doing}: {said}", False


def _options(settings: RedisSettings) -> dict[str, Any]:
    """Returns the connection options from the URL, and the login from the settings.

    Other options in the URL are refused, because they would silently override the settings.
    """
    url = settings.url.get_secret_value()
    if not url.startswith(_SCHEMES):
        raise InvalidRequest.field("redis.url", f"must start with one of the schemes {', '.join(_SCHEMES)}")
    try:
        options: dict[str, Any] = dict(parse_url(url))
    except ValueError:
        # redis-py's own message may quote part of the password.
        hint = "percent-encode special characters in a password, or set redis.password"
        raise InvalidRequest.field("redis.url", f"cannot be read: {hint}") from None
    unread = sorted(options.keys() - _READ_FROM_URL)
    if unread:
        raise InvalidRequest.field("redis.url", f"must not contain {', '.join(unread)}; use the settings instead")
    if settings.username is not None:
        options.setdefault("username", settings.username)
    if settings.password is not None:
        options.setdefault("password", settings.password.get_secret_value())
    return options


def _tls_context(settings: RedisSettings) -> ssl.SSLContext:
    """Returns the TLS context for a new connection. It is cached until one of its files is replaced."""
    files = (settings.ca_file, settings.client_cert_file, settings.client_key_file)
    modified = tuple(None if file is None else file.stat().st_mtime_ns for file in files)
    return _build_tls_context(*files, settings.tls_verify, modified)


@lru_cache(maxsize=4)
def _build_tls_context(
    ca: Path | None, cert: Path | None, key: Path | None, verify: TlsVerify, _modified: tuple[int | None, ...]
) -> ssl.SSLContext:
    return build_tls_context(verify=verify, ca_file=ca, cert_file=cert, key_file=key)
