"""The addresses: a private and a public one of the same cluster, and a private one per fault.

As root on Linux they are real addresses in two network namespaces with a cable between them: clients on one side,
servers on the other. The black hole is an address whose hardware address is known and which nobody owns, so that what
is sent there is lost. The namespaces have no names; they exist as long as the processes in them, and those end when
their standard input does: nothing of it can be left behind. Otherwise all is on loopback, and the black hole is a
listening socket with a full queue.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tests.bench.processes import BenchError
from tests.bench.ray.cases import BLACK_HOLE, CASES, HEALTHY, INSTANT
from tests.bench.ray.children import Child, python

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NAMESPACES: Final = "network namespaces"
LOOPBACK: Final = "loopback, full backlog as black hole"

_TOOLS: Final = ("ip", "nsenter", "unshare")
_LOOPBACK: Final = "127.0.0.1"
_PRIVATE: Final = "172.31.0.2"
_NOBODY: Final = "172.31.0.66"
_PUBLIC: Final = "198.51.100.2"
_SERVER_MAC: Final = "02:00:00:00:00:02"
_CLIENT_SIDE: Final = ("172.31.0.1/24", "198.51.100.1/24")
_FORWARDS: Final = "/proc/sys/net/ipv4/ip_forward"
_TOOL_S: Final = 10.0


@dataclass(frozen=True)
class Network:
    """Addresses as URLs. `private` is by case; `inside` is what must precede the command of a client."""

    way: str
    private: Mapping[str, str]
    public: str
    instant: str
    inside: tuple[str, ...]
    revive: Callable[[], float]
    """Turns the black hole into an address that works. Returns the monotonic second at which it did."""


@contextmanager
def network(note: Callable[[str], None], *, loopback: bool = False) -> Iterator[Network]:
    """The best network that this machine allows, for as long as the block runs. Raises `BenchError`."""
    with ExitStack() as stack:
        made = None
        if not loopback and _has_namespaces():
            try:
                made = _namespaces(stack)
            except _NotAllowed as error:
                note(f"no network namespaces, hence loopback: {error}")
        yield made or _loopback(stack)


class _NotAllowed(BenchError):
    """Root, but not with all that root may do."""


def _has_namespaces() -> bool:
    return sys.platform == "linux" and os.geteuid() == 0 and all(map(shutil.which, _TOOLS))


def _loopback(stack: ExitStack) -> Network:
    server = stack.enter_context(Child("server", python("server", _LOOPBACK, "1")))
    urls = {case: f"http://{_LOOPBACK}:{port}" for case, port in server.receive().items()}

    def revive() -> float:
        server.send("fill the hole in")
        return float(server.receive())

    private = {case: urls[case] for case in CASES}
    # The same port twice would be one address for the clients' connection pools.
    other = stack.enter_context(Child("public", python("server", _LOOPBACK, "0")))
    public = f"http://{_LOOPBACK}:{other.receive()[HEALTHY]}"
    return Network(LOOPBACK, private, public, urls[INSTANT], (), revive)


def _namespaces(stack: ExitStack) -> Network:
    clients, servers = (stack.enter_context(_Namespace(side)) for side in ("clients", "servers"))
    cable = ["ip", "link", "add", "client", "netns", str(clients.pid), "type", "veth"]
    _run([*cable, "peer", "name", "server", "address", _SERVER_MAC, "netns", str(servers.pid)])
    for namespace, device, addresses in (
        (clients, "client", _CLIENT_SIDE),
        (servers, "server", (f"{_PRIVATE}/24", f"{_PUBLIC}/24")),
    ):
        for address in addresses:
            namespace.ip("address", "add", address, "dev", device)
        for up in ("lo", device):
            namespace.ip("link", "set", up, "up")
    # A new namespace may have this from the machine; then somebody would answer for the address that nobody owns.
    _run([*servers.inside, "sh", "-c", f"grep -qx 0 {_FORWARDS} || echo 0 > {_FORWARDS}"])
    clients.ip("neighbour", "add", _NOBODY, "lladdr", _SERVER_MAC, "nud", "permanent", "dev", "client")
    # Within this namespace nothing but the cable leads to it.
    server = stack.enter_context(Child("server", [*servers.inside, *python("server", "0.0.0.0", "0")]))
    ports: dict[str, int] = server.receive()

    def revive() -> float:
        servers.ip("address", "add", f"{_NOBODY}/24", "dev", "server")
        return time.monotonic()

    private = {case: f"http://{_PRIVATE}:{ports[case]}" for case in CASES if case != BLACK_HOLE}
    private[BLACK_HOLE] = f"http://{_NOBODY}:{ports[HEALTHY]}"
    public, instant = f"http://{_PUBLIC}:{ports[HEALTHY]}", f"http://{_PRIVATE}:{ports[INSTANT]}"
    return Network(NAMESPACES, private, public, instant, clients.inside, revive)


class _Namespace(Child):
    """A process that only keeps a network namespace alive."""

    def __init__(self, name: str) -> None:
        super().__init__(name, ["unshare", "--net", "sh", "-c", "echo 1; exec cat"])

    def __enter__(self) -> Self:
        super().__enter__()
        try:
            self.receive()
        except BenchError as error:
            super().__exit__()
            raise _NotAllowed(str(error)) from error
        return self

    @property
    def inside(self) -> tuple[str, ...]:
        """The prefix of a command that runs in it."""
        return ("nsenter", f"--net=/proc/{self.pid}/ns/net")

    def ip(self, *arguments: str) -> None:
        """Runs `ip` in it. Raises `BenchError`."""
        _run([*self.inside, "ip", *arguments])


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_TOOL_S, check=True)
    except subprocess.CalledProcessError as error:
        raise _NotAllowed(f"{' '.join(command)}: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _NotAllowed(str(error)) from error
