"""Makes the Redis client, and turns redis-py's errors into Raylane's."""

from __future__ import annotations

import re
from ast import literal_eval
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final

from redis.asyncio import Redis
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

from raylane_common.errors import ClusterUnsupported, InvalidRequest, QueueUnavailable
from raylane_common.redis.contact import FirstContact, explained
from raylane_common.redis.durability import Durability
from raylane_common.redis.keys import Keys
from raylane_common.redis.pool import RetryingPool
from raylane_common.redis.replies import (
    RETRYABLE,
    NoContact,
    Parser,
    SentinelLoginRefused,
    TemporaryRefusal,
    WrongTopology,
    WrongType,
    tls_error,
)
from raylane_common.redis.retrying import CommandRetry, RetriesExhausted, TlsConnection, UnixConnection
from raylane_common.redis.topology import Cluster, Sentinels, ask
from raylane_common.redis.url import parse
from raylane_common.tls import build_tls_context, keepalive_options

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from pydantic import SecretStr

    from raylane_common.redis.retrying import RetryingConnection
    from raylane_common.redis.topology import Directory
    from raylane_common.redis.url import RedisUrl
    from raylane_common.settings import RedisSettings
    from raylane_common.tls import TlsVerify

Login = dict[str, str | None]

# A connection that was idle for this long is checked with a PING before it is used again.
_HEALTH_CHECK_S: Final = 10
# A dead peer is noticed after a minute. Firewalls and load balancers drop idle connections after some minutes.
_KEEPALIVE: Final = keepalive_options(idle_s=30, interval_s=10, probes=3)
_LOGIN: Final = "RAYLANE_REDIS__USERNAME and RAYLANE_REDIS__PASSWORD (or the login in RAYLANE_REDIS__URL)"
_SENTINEL_LOGIN: Final = "RAYLANE_REDIS__SENTINEL_USERNAME and RAYLANE_REDIS__SENTINEL_PASSWORD"
_TLS: Final = "RAYLANE_REDIS__CA_FILE, RAYLANE_REDIS__CLIENT_CERT_FILE and RAYLANE_REDIS__TLS_VERIFY"


def connect(settings: RedisSettings, *, is_patient: bool = False) -> Redis:
    """Returns a client that decodes text, retries commands during short outages, and gives up after `give_up_s`.

    If the server cannot be reached before it has answered once, the client gives up at once, unless it `is_patient`.

    It connects at its first command; close it with `aclose()`. A blocking command (XREAD) must block for less than
    `socket_timeout_s`. Forked children and several event loops may share one client: each gets its own connections, and
    `aclose()` closes those of the running loop. Raises `InvalidRequest` or `ClusterUnsupported` for a
    URL that cannot be used.
    """
    url = parse(settings.url.get_secret_value())
    keys = Keys(settings.prefix or ("raylane" if url.topology == "cluster" else ""))
    options: dict[str, Any] = {
        "decode_responses": True,
        # Bytes that another program wrote must not make redis-py raise. They can be sent back unchanged.
        "encoding_errors": "surrogateescape",
        "parser_class": Parser,
        "socket_connect_timeout": settings.connect_timeout_s,
        "retry": CommandRetry(settings.give_up_s),
        "retry_on_error": list(RETRYABLE),
    }
    if url.connection is TlsConnection:
        options["tls"] = partial(_tls_context, settings)
    elif settings.ca_file or settings.client_cert_file:
        raise InvalidRequest.field("redis.url", "must start with rediss:// because a certificate is set")
    if url.connection is not UnixConnection:
        options |= {"socket_keepalive": True, "socket_keepalive_options": _KEEPALIVE}
    login = {"username": settings.username, "password": _secret(settings.password)} | url.login
    pool = RetryingPool(
        keys,
        Durability(settings),
        partial(_directory, settings, url, keys, partial(url.connection, **options), login),
        FirstContact(is_patient=is_patient),
        connection_class=url.connection,
        socket_timeout=settings.socket_timeout_s,
        health_check_interval=_HEALTH_CHECK_S,
        **options,
        **login,
        **url.options,
    )
    return Redis.from_pool(pool)


def _directory(
    settings: RedisSettings, url: RedisUrl, keys: Keys, connection: Callable[..., RetryingConnection], login: Login
) -> Directory | None:
    """Returns the servers that know the primary's address; None if the URL has the address itself."""
    # The shorter limit applies to each answer, because another server can be asked instead.
    connection = partial(connection, socket_timeout=settings.connect_timeout_s)
    match url.topology:
        case "sentinel":
            watcher = {"username": settings.sentinel_username, "password": _secret(settings.sentinel_password)}
            return Sentinels(url.servers, partial(ask, partial(connection, **watcher)), url.name)
        case "cluster":
            return Cluster(url.servers, partial(ask, partial(connection, **login)), keys)
        case "server":
            return None


def keys_of(redis: Redis) -> Keys:
    """Returns the keys of the deployment that `redis` belongs to. They have no prefix if `connect` did not make it."""
    pool = redis.connection_pool
    return pool.keys if isinstance(pool, RetryingPool) else Keys()


def durability_of(redis: Redis) -> Durability:
    """Returns what the server must confirm: nothing if `connect` did not make the client."""
    pool = redis.connection_pool
    return pool.durability if isinstance(pool, RetryingPool) else Durability()


@contextmanager
def queue_errors(doing: str, key: str = "") -> Iterator[None]:
    """Turns redis-py's errors inside the block into `QueueUnavailable`, which says what failed and what to do.

    A server that is not what the URL says raises `ClusterUnsupported`, and a client of another event loop
    `InvalidRequest`. `doing` completes the sentence "Redis refused
    to …". `key` is the key of a lane that the block uses: if it holds another type of value, the error names it.
    """
    try:
        yield
    except (RedisError, OSError) as error:
        problem, retryable = _explain(error, doing, key or _key_in(error))
        kind = ClusterUnsupported if isinstance(error, WrongTopology) else QueueUnavailable
        raise kind(problem, retryable=retryable, details={"doing": doing}) from error
    except RuntimeError as error:
        # The words of asyncio and of redis-py. Clients that `connect` made have connections for each loop.
        if re.search(r"different (event )?loop|event loop is closed", str(error), re.IGNORECASE) is None:
            raise
        hint = "pass a URL instead of a client, whose connections belong to one event loop"
        raise InvalidRequest.field("redis", f"the client cannot {doing} in this event loop; {hint}") from error


@contextmanager
def owned_key(what: str, field: str, key: str) -> Iterator[None]:
    """Raises `InvalidRequest` if a command of the block fails because the key holds another type of value.

    `what` describes what the key should hold, such as "the events of job a"; `field` becomes `details["field"]`.
    """
    try:
        yield
    except WrongType as error:
        problem = f"{what} cannot be read: another program has overwritten {_key_in(error) or key}; delete this key"
        raise InvalidRequest(problem, details={"field": field}) from error


def readable(answers: Iterable[object]) -> list[dict[str, str] | None]:
    """Returns the hashes that a pipeline read, with None for each key that another program has overwritten.

    Raises every other error among the answers.
    """
    found: list[dict[str, str] | None] = []
    for answer in answers:
        if isinstance(answer, Exception) and not isinstance(answer, WrongType):
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


def _key_in(error: Exception) -> str:
    """Returns the key of the command that failed, or '' if it is unknown."""
    if isinstance(error, WrongType) and error.key:
        return error.key
    # redis-py's own words about a command in a pipeline
    found = re.match(r"Command # \d+ \(\S+ (\S+)", str(error))
    return found[1].rstrip(")") if found else ""


def _explain(error: Exception, doing: str, key: str) -> tuple[str, bool]:
    """Returns the message, and whether the same command may succeed later."""
    tls = tls_error(error)
    if tls is not None:
        return f"no TLS connection to Redis to {doing}: {tls}; check {_TLS}", False
    said = _said(error)
    match error.__cause__ if isinstance(error, RetriesExhausted) else error:
        case NoContact() as no_contact:
            return f"cannot {doing}: {explained(no_contact)}", True
        case WrongTopology():
            return f"RAYLANE_REDIS__URL cannot be used to {doing}: {said}", False
        case SentinelLoginRefused():
            return f"a sentinel refused the login to {doing}: {said}; check {_SENTINEL_LOGIN}", False
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
        case ResponseError() if said.startswith("WRONGKEY "):
            return f"Redis refused to {doing}: {said.removeprefix('WRONGKEY ')}", True
        case WrongType() if key:
            return f"Redis refused to {doing}: another program has overwritten {key}; delete this key", True
        case WrongType():
            hint = "another program writes to this database: give Raylane its own in RAYLANE_REDIS__URL"
            return f"Redis refused to {doing}: {said}; {hint}", False
        case _:
            return f"Redis refused to {doing}: {said}", False


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


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
