"""The names of redis-py that `retrying.py` and `pool.py` override or use, held against the installed version."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from importlib.metadata import version
from typing import Any

import pytest
import redis.asyncio.client
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    DefaultParser,
    SSLConnection,
    UnixDomainSocketConnection,
    parse_url,
)
from redis.asyncio.retry import Retry
from redis.client import NEVER_DECODE
from redis.connection import HiredisRespSerializer
from redis.exceptions import ResponseError

from raylane_common.redis import pool, retrying
from raylane_common.redis.connection import connect
from raylane_common.redis.pool import RetryingPool
from raylane_common.redis.replies import Parser
from raylane_common.redis.retrying import (
    CommandRetry,
    RetryingConnection,
    TcpConnection,
    TlsConnection,
    UnixConnection,
)
from raylane_common.settings import RedisSettings

OVERRIDDEN = [
    (CommandRetry, Retry, "call_with_retry"),
    (Parser, DefaultParser, "parse_error"),
    (RetryingConnection, AbstractConnection, "pack_command"),
    (RetryingConnection, AbstractConnection, "connect"),
    (RetryingConnection, AbstractConnection, "on_connect"),
    (RetryingConnection, AbstractConnection, "disconnect"),
    (RetryingConnection, AbstractConnection, "send_packed_command"),
    (RetryingConnection, AbstractConnection, "read_response"),
    (TcpConnection, Connection, "_connect"),
    (TlsConnection, Connection, "_connection_arguments"),
    (TlsConnection, Connection, "_connect"),
    (TlsConnection, Connection, "read_response"),
    (UnixConnection, UnixDomainSocketConnection, "_connect"),
    (RetryingPool, ConnectionPool, "get_connection"),
    (RetryingPool, ConnectionPool, "release"),
    (RetryingPool, ConnectionPool, "disconnect"),
]
# What redis-py's client takes from a pool. `set_retry` is only called when a caller replaces the retries.
POOL = {"connection_kwargs", "get_encoder", "get_connection", "release", "disconnect", "set_retry"}
OURS = {"owner", "abandon", "cut", "_asked_at_s", "_opened_by", "_open", "_failed", "_say_hello", "_tls"}
OURS |= {"_is_first_try", "_has_tried", "_where"}
PRIVATE = {"_reader", "_writer", "_host_error", "_socket_is_empty", "_connect", "_connection_arguments"}


def attributes_of(source: str) -> set[str]:
    """All names behind a dot."""
    return {node.attr for node in ast.walk(ast.parse(textwrap.dedent(source))) if isinstance(node, ast.Attribute)}


def test_the_version_is_one_that_was_read() -> None:
    assert version("redis").split(".")[0] == "5"


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDDEN, ids=lambda value: getattr(value, "__name__", value))
def test_what_is_overridden_exists_and_is_called_in_the_same_way(ours: type, theirs: type, name: str) -> None:
    own, original = getattr(ours, name), inspect.unwrap(getattr(theirs, name))
    assert name in vars(ours)
    assert inspect.iscoroutinefunction(own) == inspect.iscoroutinefunction(original)
    if any(each.kind is each.VAR_KEYWORD for each in inspect.signature(own).parameters.values()):
        return  # passes on whatever it is given
    assert list(inspect.signature(own).parameters) == list(inspect.signature(original).parameters)


def test_nothing_of_a_connection_or_a_pool_is_overridden_by_accident() -> None:
    known = {(ours, name) for ours, _, name in OVERRIDDEN}
    for ours, theirs in [
        (RetryingConnection, AbstractConnection),
        (TcpConnection, Connection),
        (TlsConnection, Connection),
        (UnixConnection, UnixDomainSocketConnection),
        (RetryingPool, ConnectionPool),
    ]:
        own = {name for name in vars(ours) if not name.startswith("__")}
        shared = own & {*dir(theirs), *attributes_of_class(theirs)}
        assert {(ours, name) for name in shared} <= known


def attributes_of_class(theirs: type) -> set[str]:
    return {name for each in theirs.__mro__[:-1] for name in attributes_of(inspect.getsource(each))}


def test_our_attributes_are_not_redis_pys() -> None:
    assert OURS & (attributes_of_class(Connection) | attributes_of_class(UnixDomainSocketConnection)) == set()
    assert {"keys", "_directory", "_contact", "_process", "_by_loop", "_inherited"} & attributes_of_class(
        ConnectionPool
    ) == set()


def test_the_private_names_that_are_used_are_these_and_exist() -> None:
    used = attributes_of(inspect.getsource(retrying)) | attributes_of(inspect.getsource(pool))
    used |= {"_connect", "_connection_arguments"}
    private = {name for name in used if re.match(r"_[a-z]", name)}
    own = {*OURS, "_process", "_by_loop", "_inherited", "_until_loop_ends", "_close_when_loop_ends", "_enter"}
    own |= {"_new_connection", "_give_up_s", "_keys", "_directory", "_contact", "_cut"}
    assert private - own == PRIVATE
    opened = Connection()
    assert (opened._reader, opened._writer) == (None, None)
    assert all(callable(getattr(opened, name)) for name in PRIVATE - {"_reader", "_writer"})


def test_a_connection_is_connected_while_it_has_a_reader_and_a_writer() -> None:
    assert "self._reader is not None and self._writer is not None" in inspect.getsource(AbstractConnection)


def test_a_connection_has_the_public_names_that_are_used() -> None:
    opened = UnixDomainSocketConnection(path="/x", socket_timeout=3, socket_connect_timeout=2, retry=CommandRetry(1))
    assert (opened.path, opened.socket_timeout, opened.socket_connect_timeout) == ("/x", 3, 2)
    assert isinstance(opened.retry, CommandRetry)
    assert inspect.iscoroutinefunction(opened.check_health)


def test_the_client_takes_nothing_else_from_its_pool() -> None:
    source = inspect.getsource(redis.asyncio.client)
    assert set(re.findall(r"\b(?:connection_)?pool\.(\w+)", source)) <= POOL


def test_every_command_is_run_by_the_retry_of_its_connection() -> None:
    assert "conn.retry.call_with_retry(" in inspect.getsource(Redis.execute_command)
    assert "conn.retry.call_with_retry(" in inspect.getsource(redis.asyncio.client.Pipeline.execute)


async def test_our_pool_makes_our_connections() -> None:
    kinds = {
        "redis://127.0.0.1:1/0": TcpConnection,
        "rediss://127.0.0.1:1/0": TlsConnection,
        "unix:///nonexistent.sock": UnixConnection,
    }
    for url, kind in kinds.items():
        client = connect(RedisSettings.model_validate({"url": url}))
        connection = await client.connection_pool.get_connection()
        assert isinstance(connection, RetryingConnection)
        assert isinstance(connection.retry, CommandRetry)
        assert type(connection) == kind  # noqa: E721  # mypy would forget what it is
        await client.connection_pool.release(connection)
        await client.aclose(close_connection_pool=True)


def test_a_url_is_read_into_the_options_that_we_know() -> None:
    assert parse_url("rediss://u:p@h:1/2") == {
        "connection_class": SSLConnection,
        "username": "u",
        "password": "p",
        "host": "h",
        "port": 1,
        "db": 2,
    }


def test_hiredis_packs_and_errors_are_parsed() -> None:
    command: tuple[Any, ...] = ("SCRIPT LOAD", "x", 1, b"\xff")
    assert b"".join(HiredisRespSerializer().pack(*command)) == (
        b"*5\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n$1\r\nx\r\n$1\r\n1\r\n$1\r\n\xff\r\n"
    )
    error = DefaultParser.parse_error("WRONGTYPE Operation against a key")  # type: ignore[no-untyped-call]  # theirs
    assert (type(error), str(error)) == (ResponseError, "WRONGTYPE Operation against a key")
    assert NEVER_DECODE == "NEVER_DECODE"
