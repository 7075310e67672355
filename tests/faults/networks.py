"""Two network namespaces with a cable between them, so that packets can really be lost.

They belong to one thread and have no names, so they vanish with that thread and its sockets, however it ends. The
machine's own network is not touched. Only root on Linux with `ip` can create them.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_CLONE_NEWNET: Final = 0x40000000
_HERE: Final = "172.31.0.1"
_THERE: Final = "172.31.0.2"
_NEAR_MAC: Final = "02:00:00:00:00:01"
_FAR_MAC: Final = "02:00:00:00:00:02"
_NOBODYS_MAC: Final = "02:00:00:00:00:66"
_TOOL_S: Final = 10.0


class NotAllowed(Exception):
    """This machine or this user cannot create network namespaces."""


class Networks:
    """The near and the far namespace of this thread. The thread is in the near one, with loopback up."""

    def __init__(self) -> None:
        """Call this in a thread that does nothing else and then ends. Raises `NotAllowed`."""
        if sys.platform != "linux" or os.geteuid() != 0 or shutil.which("ip") is None:
            raise NotAllowed("not root on Linux with `ip`")
        with ExitStack() as files:
            self._far = _new_namespace(files)
            self._near = _new_namespace(files)
            far = f"far address {_FAR_MAC} netns /proc/{os.getpid()}/fd/{self._far}"
            _ip("link set lo up", f"link add near address {_NEAR_MAC} type veth peer name {far}")
            with self._in_far():
                _ip(f"address add {_THERE}/24 dev far", "link set far up")
            _ip(f"address add {_HERE}/24 dev near", "link set near up")
            # Fixed addresses: resolving them may take longer than a test's client waits for a connection.
            self._lead(to_far=_FAR_MAC, to_near=_NEAR_MAC)
            self._files = files.pop_all()

    def close(self) -> None:
        """Releases both namespaces."""
        self._files.close()

    def listener(self) -> socket.socket:
        """A socket that listens at the far end of the cable."""
        with self._in_far():
            return socket.create_server((_THERE, 0))

    def lose_all(self) -> None:
        """Drops everything that is sent over the cable from now on, in both directions and without an error."""
        self._lead(to_far=_NOBODYS_MAC, to_near=_NOBODYS_MAC)

    def _lead(self, *, to_far: str, to_near: str) -> None:
        _ip(f"neighbour replace {_THERE} lladdr {to_far} nud permanent dev near")
        with self._in_far():
            _ip(f"neighbour replace {_HERE} lladdr {to_near} nud permanent dev far")

    @contextmanager
    def _in_far(self) -> Iterator[None]:
        _call("setns", self._far, _CLONE_NEWNET)
        try:
            yield
        finally:
            _call("setns", self._near, _CLONE_NEWNET)


def in_networks(work: Callable[[Networks | None], None]) -> None:
    """Runs `work` in a thread with two networks, or with None where they are not allowed; prints which."""
    errors: list[BaseException] = []

    def run() -> None:
        with ExitStack() as stack:
            networks = None
            try:
                networks = stack.enter_context(closing(Networks()))
                print("black hole: network namespaces")
            except NotAllowed as error:
                print(f"black hole: full backlog, because of {error}")
            try:
                work(networks)
            except BaseException as error:
                errors.append(error)

    thread = threading.Thread(target=run, name="networks", daemon=True)
    thread.start()
    thread.join()
    for error in errors:
        raise error


def _new_namespace(files: ExitStack) -> int:
    """Moves this thread into a new network namespace and returns a file descriptor of it."""
    _call("unshare", _CLONE_NEWNET)
    file = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    files.callback(os.close, file)
    return file


def _call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise NotAllowed(f"{name}: {os.strerror(ctypes.get_errno())}")


def _ip(*commands: str) -> None:
    done = subprocess.run(
        ["ip", "-batch", "-"], input="\n".join(commands), capture_output=True, text=True, timeout=_TOOL_S, check=False
    )
    if done.returncode != 0:
        raise NotAllowed(f"ip {commands}: {done.stderr.strip()}")
