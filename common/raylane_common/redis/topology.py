"""Finds the primary: asks Redis Sentinel or a cluster for its address, and asks again when it may have moved.

All keys of a deployment are in one hash slot, so only one node of a cluster matters at a time.
See docs/decisions/0013.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, cast

from redis.crc import key_slot
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError

from raylane_common.redis.contact import Unreachable, is_unreachable
from raylane_common.redis.replies import (
    OTHER_SCHEMES,
    Address,
    SentinelLoginRefused,
    TemporaryRefusal,
    WrongTopology,
    is_permanent,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from raylane_common.redis.keys import Keys
    from raylane_common.redis.replies import Hello
    from raylane_common.redis.retrying import RetryingConnection


def check_plain(hello: Hello, keys: Keys) -> None:
    """Raises `WrongTopology` if a plain URL leads to a sentinel, or without a prefix to a node of a cluster."""
    if hello.mode == "sentinel":
        raise WrongTopology(f"the server is a sentinel: {OTHER_SCHEMES}")
    if hello.mode == "cluster" and not keys.prefix:
        raise WrongTopology(f"the server is a node of a cluster: {OTHER_SCHEMES}")


def check_primary(hello: Hello) -> None:
    """Raises `TemporaryRefusal` if the server is a replica: it was the primary, or is not the primary yet."""
    if hello.role == "replica":
        raise TemporaryRefusal("READONLY the server is a replica")


async def ask(connection: Callable[..., RetryingConnection], server: Address, *words: str) -> object:
    """Returns the answer of `server` to a command, on a `connection` that is made for it."""
    opened = connection(host=server.host, port=server.port)
    try:
        await opened.connect()
        await opened.send_command(*words)
        answer: object = await opened.read_response()
        return answer
    finally:
        await opened.disconnect(nowait=True)


class Directory(ABC):
    """Servers that know where the primary is. They are asked in turn, because one may be wrong or unreachable."""

    question: tuple[str, ...]

    def __init__(self, servers: Iterable[Address], ask: Callable[..., Awaitable[object]]) -> None:
        """`ask` sends a command, given as words, to an address."""
        self._servers = deque(servers)
        self._ask = ask

    async def find(self) -> Address:
        """Returns the address of the primary. Raises an error that a retry may fix, unless it can fix none of them."""
        errors: dict[Address, Exception] = {}
        for server in list(self._servers):
            self._servers.rotate(-1)
            try:
                return self._read(server, await self._ask(server, *self.question))
            except (RedisError, OSError) as error:
                errors[server] = self._explain(server, error)
        if all(is_permanent(error) for error in errors.values()):
            raise next(iter(errors.values()))
        problems = "; ".join(f"{server}: {error}" for server, error in errors.items())
        kind = Unreachable if all(is_unreachable(error) for error in errors.values()) else RedisConnectionError
        raise kind(f"no server knows where the primary is ({problems})")

    @abstractmethod
    def _read(self, server: Address, answer: object) -> Address:
        """Returns the address in an answer of `server`."""

    def _explain(self, server: Address, error: Exception) -> Exception:
        """Returns an error that says what is wrong with `server`, if that is known."""
        if "unknown command" in str(error).lower():
            return WrongTopology(f"{server} is neither a sentinel nor a node of a cluster: check its address")
        if "cluster support disabled" in str(error):
            return WrongTopology(f"{server} is not a node of a cluster: write redis://")
        return error


class Sentinels(Directory):
    """Redis Sentinel: servers that watch a primary, known to them by a name, and replace it."""

    def __init__(self, servers: Iterable[Address], ask: Callable[..., Awaitable[object]], name: str) -> None:
        super().__init__(servers, ask)
        self._name = name
        self.question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)

    def _read(self, server: Address, answer: object) -> Address:
        if answer is None:
            raise WrongTopology(f"the sentinel {server} watches no primary {self._name!r}: check the name in the URL")
        host, port = cast("tuple[str, str]", answer)
        return Address(host, int(port))

    def _explain(self, server: Address, error: Exception) -> Exception:
        if isinstance(error, AuthenticationError):
            return SentinelLoginRefused(f"{server}: {error}")
        return super()._explain(server, error)


class Cluster(Directory):
    """The nodes of a cluster: those in the URL, and those that a node has named."""

    question = ("CLUSTER", "SLOTS")

    def __init__(self, servers: Iterable[Address], ask: Callable[..., Awaitable[object]], keys: Keys) -> None:
        super().__init__(servers, ask)
        self._in_url = tuple(self._servers)
        self._slot = key_slot(keys.route.encode())

    def _read(self, server: Address, answer: object) -> Address:
        found: Address | None = None
        known: dict[Address, None] = {}
        for first, last, *nodes in cast("list[list[object]]", answer):
            # The host is empty for the node that was asked, if it does not know its own.
            addresses = [Address(host or server.host, port) for host, port, *_ in cast("list[tuple[str, int]]", nodes)]
            known |= dict.fromkeys(addresses)
            if cast("int", first) <= self._slot <= cast("int", last):
                found = addresses[0]
        if found is None:
            raise TemporaryRefusal(f"CLUSTERDOWN no node has slot {self._slot}")
        known |= dict.fromkeys(self._in_url)
        self._servers = deque(sorted(known, key=self._turn))
        return found

    def _turn(self, server: Address) -> int:
        return self._servers.index(server) if server in self._servers else len(self._servers)


class Primary:
    """Where the primary is, for the connections of one event loop."""

    def __init__(self, directory: Directory, on_move: Callable[[], None]) -> None:
        """`on_move` is called when the primary has another address than before."""
        self.address: Address | None = None
        self._directory = directory
        self._on_move = on_move
        self._is_doubted = True
        self._finding = asyncio.Lock()

    async def locate(self) -> Address:
        """Returns the address, and asks for it first if it is doubted. Raises what `Directory.find` raises."""
        async with self._finding:
            if self.address is None or self._is_doubted:
                self.move(await self._directory.find())
            assert self.address is not None
            return self.address

    def doubt(self, address: Address) -> None:
        """Makes the next connection ask again. An `address` that is already known to be wrong changes nothing."""
        if address == self.address:
            self._is_doubted = True

    def move(self, address: Address) -> None:
        """Sets the address that a server has given."""
        self._is_doubted = False
        if address != self.address:
            self.address = address
            self._on_move()
