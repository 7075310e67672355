"""Asking sentinels and nodes of a cluster where the primary is."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from redis.crc import key_slot
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from raylane_common.redis.keys import Keys
from raylane_common.redis.replies import (
    Address,
    Hello,
    Moved,
    Parser,
    SentinelLoginRefused,
    TemporaryRefusal,
    WrongTopology,
    is_permanent,
)
from raylane_common.redis.topology import Cluster, Primary, Sentinels, check_plain, check_primary

if TYPE_CHECKING:
    from raylane_common.redis.topology import Directory

A, B, C = (Address(name, 1) for name in "abc")
OLD, NEW = Address("old", 2), Address("new", 2)
KEYS = Keys("raylane")
SLOT = key_slot(KEYS.route.encode())
REFUSED = RedisConnectionError("refused")


class Network:
    """Servers with answers from the test. Without one, a server refuses connections."""

    def __init__(self, **answers: object) -> None:
        self.answers = answers
        self.asked: list[str] = []

    async def ask(self, server: Address, *words: str) -> object:
        self.asked.append(server.host)
        answer = self.answers.get(server.host, REFUSED)
        await asyncio.sleep(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def slots(*nodes: list[object], first: int = SLOT, last: int = SLOT) -> list[object]:
    return [[0, first - 1, ["other", 1, "id"]], [first, last, *nodes], [last + 1, 16383, ["other", 2, "id"]]]


async def test_sentinels_are_asked_in_turn_until_one_answers() -> None:
    network = Network(b=["old", "2"], c=["new", "2"])
    sentinels = Sentinels([A, B, C], network.ask, "main")
    assert [await sentinels.find() for _ in range(3)] == [OLD, NEW, OLD]
    assert network.asked == ["a", "b", "c", "a", "b"], "the sentinels are asked in turn"


@pytest.mark.parametrize(
    ("answers", "expected", "words"),
    [
        ({"a": None, "b": None}, WrongTopology, "the sentinel a:1 watches no primary 'main'"),
        ({"a": None}, RedisConnectionError, "a:1: .*watches no primary.*; b:1: refused"),
        ({}, RedisConnectionError, "a:1: refused; b:1: refused"),
        ({"a": AuthenticationError("no"), "b": AuthenticationError("no")}, SentinelLoginRefused, "a:1: no"),
        ({"a": ResponseError("unknown command 'SENTINEL'"), "b": None}, WrongTopology, "a:1 is neither a sentinel nor"),
    ],
)
async def test_the_error_says_what_each_sentinel_said(
    answers: dict[str, object], expected: type[Exception], words: str
) -> None:
    with pytest.raises(expected, match=words) as raised:
        await Sentinels([A, B], Network(**answers).ask, "main").find()
    assert type(raised.value) is expected
    assert is_permanent(raised.value) == (expected is not RedisConnectionError)


async def test_the_node_of_the_slot_is_found_and_other_nodes_are_learnt() -> None:
    network = Network(a=slots(["old", 2, "id"], ["b", 1, "id"]))
    cluster = Cluster([A], network.ask, KEYS)
    assert await cluster.find() == OLD
    network.answers = {"b": slots(["b", 1, "id"], ["old", 2, "id"])}
    assert await cluster.find() == B
    assert set(network.asked) <= {"a", "b", "old", "other"}
    assert network.asked[0] == "a"


async def test_nodes_that_left_the_cluster_are_forgotten_except_those_in_the_url() -> None:
    network = Network(a=slots(["old", 2, "id"]))
    cluster = Cluster([A], network.ask, KEYS)
    await cluster.find()
    network.answers = {"a": slots(["new", 2, "id"]), "old": slots(["new", 2, "id"])}
    assert await cluster.find() == NEW
    network.asked.clear()
    network.answers = {}
    with pytest.raises(RedisConnectionError):
        await cluster.find()
    assert sorted(network.asked) == ["a", "new", "other", "other"]


@pytest.mark.parametrize("host", ["", None])
async def test_a_node_without_an_address_is_the_one_that_was_asked(host: str | None) -> None:
    assert await Cluster([A], Network(a=slots([host, 9, "id"])).ask, KEYS).find() == ("a", 9)


@pytest.mark.parametrize(
    ("answer", "expected", "words"),
    [
        (ResponseError("This instance has cluster support disabled"), WrongTopology, "a:1 is not a node of a cluster"),
        (ResponseError("unknown command 'CLUSTER'"), WrongTopology, "a:1 is neither"),
        ([], RedisConnectionError, f"no node has slot {SLOT}"),
    ],
)
async def test_the_error_says_what_a_node_said(answer: object, expected: type[Exception], words: str) -> None:
    with pytest.raises(expected, match=words):
        await Cluster([A], Network(a=answer).ask, KEYS).find()


# --- one address for a loop ----------------------------------------------------------------------------------------


def primary_of(directory: Directory) -> tuple[Primary, list[str]]:
    moves: list[str] = []
    return Primary(directory, lambda: moves.append("moved")), moves


async def test_many_connections_ask_once() -> None:
    network = Network(a=["old", "2"])
    primary, moves = primary_of(Sentinels([A], network.ask, "main"))
    assert await asyncio.gather(*(primary.locate() for _ in range(50))) == [OLD] * 50
    assert (network.asked, moves) == (["a"], ["moved"])


async def test_a_doubt_asks_again_and_only_a_new_address_moves_the_connections() -> None:
    network = Network(a=["old", "2"])
    primary, moves = primary_of(Sentinels([A], network.ask, "main"))
    await primary.locate()
    primary.doubt(OLD)
    assert (await primary.locate(), moves) == (OLD, ["moved"])
    network.answers = {"a": ["new", "2"]}
    primary.doubt(OLD)
    assert (await primary.locate(), moves) == (NEW, ["moved"] * 2)
    primary.doubt(OLD)  # from a connection that was opened before
    await primary.locate()
    assert network.asked == ["a"] * 3


async def test_a_search_that_was_given_up_does_not_hold_up_the_next_one() -> None:
    network = Network()
    primary, _ = primary_of(Sentinels([A], network.ask, "main"))
    searching = asyncio.create_task(primary.locate())
    await asyncio.sleep(0)
    searching.cancel()
    await asyncio.gather(searching, return_exceptions=True)
    network.answers = {"a": ["old", "2"]}
    assert await primary.locate() == OLD


async def test_a_redirection_is_followed_without_asking() -> None:
    network = Network(a=["old", "2"])
    primary, moves = primary_of(Sentinels([A], network.ask, "main"))
    await primary.locate()
    primary.move(NEW)
    assert (await primary.locate(), network.asked, moves) == (NEW, ["a"], ["moved"] * 2)


# --- what servers say ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hello", "prefix", "words"),
    [
        (Hello("cluster", "master"), "", "a node of a cluster: write redis\\+sentinel:// or redis\\+cluster://"),
        (Hello("sentinel", ""), "", "is a sentinel: write redis\\+sentinel://"),
        (Hello("sentinel", ""), "acme", "is a sentinel"),
    ],
)
def test_a_plain_url_to_something_else_is_refused(hello: Hello, prefix: str, words: str) -> None:
    with pytest.raises(WrongTopology, match=words):
        check_plain(hello, Keys(prefix))


@pytest.mark.parametrize("hello", [Hello("standalone", "master"), Hello("standalone", "replica"), Hello("", "")])
def test_a_plain_url_to_one_server_is_not_refused(hello: Hello) -> None:
    check_plain(hello, Keys())
    check_plain(Hello("cluster", "master"), Keys("acme"))


def test_a_replica_is_not_taken_for_the_primary() -> None:
    with pytest.raises(TemporaryRefusal, match="READONLY"):
        check_primary(Hello("standalone", "replica"))
    check_primary(Hello("cluster", "master"))
    check_primary(Hello("", ""))


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("MOVED 9565 10.0.0.1:6379", "10.0.0.1", 6379), ("MOVED 1 ::1:7000", "::1", 7000), ("MOVED 1 :7000", "", 7000)],
)
def test_a_redirection_names_an_address(text: str, host: str, port: int) -> None:
    error = Parser.parse_error(text)
    assert isinstance(error, Moved)
    assert (error.host, error.port) == (host, port)


@pytest.mark.parametrize("code", ["ASK 1 a:1", "TRYAGAIN", "CLUSTERDOWN", "READONLY", "MASTERDOWN", "NOREPLICAS"])
def test_a_refusal_during_a_failover_or_a_migration_is_tried_again(code: str) -> None:
    error = Parser.parse_error(f"{code} and so on")
    assert isinstance(error, TemporaryRefusal)
    assert not is_permanent(error)
