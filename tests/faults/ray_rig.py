"""One cluster behind two paths, a client, and what tests ask about them afterwards."""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane.testing import Address, FakeRay
from raylane_common.ray.client import RayClient
from raylane_common.ray.settings import RaySettings
from raylane_worker.embedded import HOST
from tests.faults.ray_path import SERVES, RayPath

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from tests.faults.networks import Networks

TOKEN: Final = "0123456789abcdef-not-for-everybody"
JOB, NEW_JOB = "a", "b"

# On a busy machine the whole process may pause for longer than the default of 1 s, and put a good address down.
_CONNECT_TIMEOUT_S: Final = 10.0

# The names of requests in the tables.
WORDS: Final = {
    "GET /api/version": "version",
    f"GET /api/jobs/{JOB}": "job",
    f"GET /api/jobs/{JOB}/logs": "logs",
    f"GET /api/jobs/{JOB}/logs/tail": "tail",
    f"POST /api/jobs/{JOB}/stop": "stop",
    "POST /api/jobs/": "submit",
    f"GET /api/jobs/{NEW_JOB}": "look",
}


@dataclass
class Rig:
    """`stranger` is an address of another cluster, `elsewhere` a listener that belongs to neither cluster.

    `output`: what the client has received of the output that it follows. `older`: sockets that were open before.
    """

    ray: FakeRay
    private: RayPath
    public: RayPath
    client: RayClient
    stranger: Address
    elsewhere: socket.socket
    networks: Networks | None
    older: set[int]
    output: list[str] = field(default_factory=list)

    @property
    def runs(self) -> int:
        """How many runs were started, on both clusters."""
        return self.ray.submissions + self.stranger.ray.submissions

    def is_elsewhere_known(self) -> bool:
        """Whether anybody has connected to it."""
        try:
            self.elsewhere.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    @property
    def states(self) -> str:
        """The states of both endpoints, the private one first."""
        return " ".join(report.state for report in self.client.endpoints())

    @property
    def reached(self) -> str:
        """The requests that reached the private address, and those that reached the public one."""
        sides = [[WORDS[line] for line in path.address.requests] for path in (self.private, self.public)]
        return " | ".join(" ".join(side) or "-" for side in sides)

    async def follow(self) -> str:
        async for piece in self.client.follow_logs(JOB):
            self.output.append(piece.text)
        return "all" if "".join(self.output) == self.ray.logs[JOB] else f"{self.output}"

    async def job(self) -> str:
        return (await self.client.job(JOB)).endpoint

    async def stop(self) -> str:
        return "stopped" if await self.client.ask_to_stop(JOB) else "had ended"

    async def logs(self) -> str:
        logs = await self.client.logs(JOB)
        assert logs.text == self.ray.logs[JOB]
        return logs.endpoint

    async def submit(self) -> str:
        return (await self.client.submit(submission_id=NEW_JOB, entrypoint="python main.py")).endpoint

    def forget(self) -> None:
        """Forgets the requests so far."""
        for path in (self.private, self.public):
            path.address.requests.clear()
            path.received = b""

    def client_sockets(self) -> list[str]:
        """The sockets of the client: those connected to a path, and those that still connect."""
        paths = (self.private, self.public)
        ports = {path.port for path in paths}
        servers = set().union(*(path.own_ports for path in paths))
        return [
            f"{each.port} to {each.peer}"
            for each in _sockets()
            if each.inode not in self.older and each.port not in servers and each.peer in {None, *ports}
        ]


@asynccontextmanager
async def rigged(
    *,
    networks: Networks | None = None,
    both: bool = False,
    tls: ssl.SSLContext | None = None,
    **changes: object,
) -> AsyncIterator[Rig]:
    """A cluster with the run `a`, and a client that has made no request yet. Its background probes are an hour away.

    The private path, or `both`, uses `networks`, if there are any, and may speak `tls`.
    """
    older = {each.inode for each in _sockets()}
    ray = FakeRay(token=TOKEN)
    async with AsyncExitStack() as stack:
        addresses = [await stack.enter_async_context(Address(ray)) for _ in range(2)]
        stranger = await stack.enter_async_context(Address(FakeRay(session_name="of_somebody_else", token=TOKEN)))
        elsewhere = stack.enter_context(socket.create_server((HOST, 0)))
        elsewhere.setblocking(False)
        other_settings = {"private_url": addresses[0].url, "token": TOKEN, "connect_timeout_s": _CONNECT_TIMEOUT_S}
        async with RayClient(RaySettings.model_validate(other_settings)) as other:
            await other.submit(submission_id=JOB, entrypoint="python main.py")
        ray.submissions = 0
        private, public = [
            await stack.enter_async_context(
                RayPath(
                    address,
                    listener=networks.listener() if networks and as_private else None,
                    tls=tls if as_private else None,
                )
            )
            for address, as_private in zip(addresses, (True, both), strict=True)
        ]
        given = {
            "token": TOKEN,
            "reprobe_min_s": 3600.0,
            "reprobe_max_s": 3600.0,
            "failover_delay_s": 5.0,
            "connect_timeout_s": _CONNECT_TIMEOUT_S,
        }
        urls = {"private_url": private.url, "public_url": public.url}
        client = RayClient(RaySettings.model_validate(given | urls | changes))
        stack.push_async_callback(client.aclose)
        rig = Rig(ray, private, public, client, stranger, elsewhere, networks, older)
        rig.forget()
        yield rig


def client_tasks() -> list[str]:
    """All running tasks except those of the test itself and of servers."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return [shown for shown in map(repr, tasks) if f"name='{SERVES}" not in shown and "RequestHandler" not in shown]


@dataclass(frozen=True)
class _Socket:
    inode: int
    port: int
    peer: int | None


def _sockets() -> list[_Socket]:
    """All sockets of this process that do not listen. `peer` is the port on the other side."""
    found = []
    for name in os.listdir("/dev/fd"):
        try:
            status = os.fstat(int(name))
            copy = socket.socket(fileno=os.dup(int(name))) if stat.S_ISSOCK(status.st_mode) else None
        except OSError:
            continue  # the descriptor of the listing itself
        if copy is None:
            continue
        with copy:
            if copy.family == socket.AF_INET and not copy.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                try:
                    peer = int(copy.getpeername()[1])
                except OSError:
                    peer = None
                found.append(_Socket(status.st_ino, int(copy.getsockname()[1]), peer))
    return found
