"""Reads the URL of Redis, which names one server, or several that know where the primary is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url

from raylane_common.errors import ClusterUnsupported, InvalidRequest
from raylane_common.redis.replies import Address
from raylane_common.redis.retrying import RetryingConnection, TcpConnection, TlsConnection, UnixConnection
from raylane_common.settings import REDIS_SCHEMES

_READ_FROM_URL: Final = frozenset({"host", "port", "path", "db", "username", "password"})
_KINDS: Final[dict[type, type[RetryingConnection]]] = {
    Connection: TcpConnection,
    SSLConnection: TlsConnection,
    UnixDomainSocketConnection: UnixConnection,
}
_PORTS: Final = {"sentinel": 26379, "cluster": 6379}
_SEVERAL: Final = (
    "lists several hosts: write redis+sentinel://HOST:PORT,HOST:PORT/NAME for Redis Sentinel, "
    "or redis+cluster://HOST:PORT,HOST:PORT for a cluster"
)
_WRONG_PORT: Final = "has a port that is not from 0 to 65535"
_UNREADABLE: Final = "cannot be read: percent-encode special characters in a password, or set redis.password"


@dataclass(frozen=True)
class RedisUrl:
    """The parts of a URL. `servers` are sentinels or nodes of a cluster; `name` is the sentinels' name for the primary.

    `login` holds the user and the password for the primary, and `options` other options of its connections.
    """

    topology: Literal["server", "sentinel", "cluster"]
    connection: type[RetryingConnection]
    login: dict[str, str]
    options: dict[str, Any]
    servers: tuple[Address, ...] = ()
    name: str = ""


def parse(url: str) -> RedisUrl:
    """Reads a URL. Raises `InvalidRequest` that quotes no part of it, and `ClusterUnsupported`.

    Options that would silently override the settings are refused.
    """
    scheme, _, _ = url.partition("://")
    if f"{scheme}://" not in REDIS_SCHEMES:
        raise InvalidRequest.field(
            "redis.url",
            f"must start with one of the schemes {', '.join(REDIS_SCHEMES)}, as in redis://127.0.0.1:6379/0",
        )
    kind, _, topology = scheme.partition("+")
    try:
        if topology == "sentinel":
            return _sentinel(url, TlsConnection if kind == "rediss" else TcpConnection)
        if topology == "cluster":
            return _cluster(url, TlsConnection if kind == "rediss" else TcpConnection)
        return _server(url)
    except ValueError as error:
        # The error may quote part of the password.
        problem = _WRONG_PORT if "out of range" in str(error) else _UNREADABLE
        raise InvalidRequest.field("redis.url", problem) from None


def _server(url: str) -> RedisUrl:
    if not url.startswith("unix://") and "," in urlsplit(url).netloc.rpartition("@")[2]:
        raise InvalidRequest.field("redis.url", _SEVERAL)
    options: dict[str, Any] = {**parse_url(url)}
    if url.startswith("unix://") and not options.get("path"):
        raise InvalidRequest.field("redis.url", "must have the path of the socket, as in unix:///run/redis.sock")
    database = urlsplit(url).path.strip("/")
    if database and not url.startswith("unix://") and not database.isdecimal():
        # redis-py would use database 0.
        raise InvalidRequest.field("redis.url", "must end with the number of a database, as in redis://HOST:PORT/0")
    connection = _KINDS[options.pop("connection_class", Connection)]
    _refuse(options.keys() - _READ_FROM_URL)
    login: dict[str, str] = {name: options.pop(name) for name in ("username", "password") if name in options}
    return RedisUrl("server", connection, login, options)


def _sentinel(url: str, connection: type[RetryingConnection]) -> RedisUrl:
    parts = urlsplit(url)
    name = unquote(parts.path.strip("/"))
    if not name or "/" in name:
        raise InvalidRequest.field(
            "redis.url", "must end with the name of the primary: redis+sentinel://HOST:PORT/NAME"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _refuse(options.keys() - {"db"})
    database = {"db": int(options["db"])} if "db" in options else {}
    servers, login = _authority(parts.netloc, "sentinel")
    return RedisUrl("sentinel", connection, login, database, servers, name)


def _cluster(url: str, connection: type[RetryingConnection]) -> RedisUrl:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    _refuse(options.keys() - {"db"})
    if options.get("db", parts.path.strip("/") or "0") != "0":
        problem = "redis.url: a cluster has only database 0; set RAYLANE_REDIS__PREFIX to separate deployments"
        raise ClusterUnsupported(problem, details={"field": "redis.url"})
    servers, login = _authority(parts.netloc, "cluster")
    return RedisUrl("cluster", connection, login, {}, servers)


def _authority(netloc: str, topology: str) -> tuple[tuple[Address, ...], dict[str, str]]:
    """Returns the servers and the login. Raises `ValueError`."""
    login, _, hosts = netloc.rpartition("@")
    username, _, password = login.partition(":")
    found = {"username": unquote(username), "password": unquote(password)}
    servers = []
    for host in hosts.split(","):
        server = urlsplit(f"//{host}")
        if not server.hostname:
            raise ValueError("no host")
        servers.append(Address(server.hostname, server.port or _PORTS[topology]))
    return tuple(servers), {name: value for name, value in found.items() if value}


def _refuse(options: set[str]) -> None:
    if options:
        problem = f"must not contain {', '.join(sorted(options))}; use the settings instead"
        raise InvalidRequest.field("redis.url", problem)
