"""The URL of Redis: one server, sentinels, or a cluster."""

from __future__ import annotations

from typing import Any

import pytest

from raylane_common.errors import ClusterUnsupported, InvalidRequest, QueueUnavailable
from raylane_common.redis.connection import connect, keys_of
from raylane_common.redis.retrying import TcpConnection, TlsConnection, UnixConnection
from raylane_common.redis.url import parse
from raylane_common.settings import RedisSettings


@pytest.mark.parametrize(
    ("url", "servers", "name"),
    [
        ("redis+sentinel://a:1,b:2/main", [("a", 1), ("b", 2)], "main"),
        ("redis+sentinel://a,b/main/", [("a", 26379), ("b", 26379)], "main"),
        ("rediss+sentinel://[::1]:9/my%2Dname", [("::1", 9)], "my-name"),
        ("redis+cluster://a:1,b", [("a", 1), ("b", 6379)], ""),
        ("rediss+cluster://user:word@a:1/0", [("a", 1)], ""),
        ("redis+cluster://a?db=0", [("a", 6379)], ""),
    ],
)
def test_servers_that_know_the_primary_are_listed(url: str, servers: list[tuple[str, int]], name: str) -> None:
    found = parse(url)
    assert (list(found.servers), found.name) == (servers, name)
    assert found.topology == url.partition("+")[2].partition("://")[0]
    assert found.connection is (TlsConnection if url.startswith("rediss") else TcpConnection)


def test_a_login_is_that_of_the_primary() -> None:
    assert parse("redis+sentinel://ada:p%40ss%2Cword@a/main?db=3").login == {"username": "ada", "password": "p@ss,word"}
    assert parse("redis+sentinel://:word@a/main?db=3").options == {"db": 3}
    assert parse("redis://ada:word@a:1/2").login == {"username": "ada", "password": "word"}
    assert parse("redis://ada:word@a:1/2").options == {"host": "a", "port": 1, "db": 2}
    assert parse("redis+cluster://a").login == {}


def test_one_server_is_at_the_address_in_the_url() -> None:
    assert parse("redis://:pa,ss@a:1").options == {"host": "a", "port": 1}
    assert parse("unix:///run/a,b.sock").connection is UnixConnection


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("redis://a:6379,b:6379/0", r"lists several hosts: write redis\+sentinel://.* or redis\+cluster://"),
        ("rediss://:s3cret@a:6379,b:6379", "lists several hosts"),
        ("redis+sentinel://a:1,b:2", "must end with the name of the primary"),
        ("redis+sentinel://a:1/main/0", "must end with the name of the primary"),
        ("redis+sentinel:///main", "cannot be read"),
        ("redis+sentinel://a:1,,b:2/main", "cannot be read"),
        ("redis+sentinel://a:port/main", "cannot be read"),
        ("redis+sentinel://:s3cret/word@a:1/main", "must end with the name|cannot be read"),
        ("redis+sentinel://a/main?db=x", "cannot be read"),
        ("redis+sentinel://a/main?socket_timeout=9", "must not contain socket_timeout"),
        ("redis+cluster://", "cannot be read"),
        ("redis+cluster://a?ssl=1", "must not contain ssl"),
        ("redis+magic://a", "must start with one of the schemes"),
        ("http://a", "must start with one of the schemes"),
        ("redis://a:6379/main", "must end with the number of a database"),
        ("redis://:s3cret/word@a:6379", "percent-encode special characters"),
        ("redis://a:66666", "has a port that is not from 0 to 65535"),
        ("redis+cluster://a:66666", "has a port that is not from 0 to 65535"),
        ("unix://redis.sock", "must have the path of the socket, as in unix:///run/redis.sock"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_quoting_it(url: str, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem) as raised:
        parse(url)
    assert raised.value.details == {"field": "redis.url"}
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("url", ["redis+cluster://a:1/1", "redis+cluster://a:1?db=2"])
def test_a_cluster_has_one_database(url: str) -> None:
    with pytest.raises(ClusterUnsupported, match=r"only database 0.*RAYLANE_REDIS__PREFIX") as raised:
        connect(RedisSettings.model_validate({"url": url}))
    assert (raised.value.code, raised.value.retryable) == ("cluster_unsupported", False)
    assert isinstance(raised.value, QueueUnavailable)


@pytest.mark.parametrize(
    ("settings", "prefix"),
    [
        ({"url": "redis://a"}, ""),
        ({"url": "redis+sentinel://a/main"}, ""),
        ({"url": "redis+cluster://a"}, "raylane"),
        ({"url": "redis+cluster://a", "prefix": "acme"}, "acme"),
    ],
)
def test_only_a_cluster_has_a_prefix_by_default(settings: Any, prefix: str) -> None:
    assert keys_of(connect(RedisSettings.model_validate(settings))).prefix == prefix
