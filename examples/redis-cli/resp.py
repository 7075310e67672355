#!/usr/bin/env python3
"""A Redis client in one page, for machines without redis-cli: `resp.py COMMAND ARGUMENTS…`, or commands on stdin.

Speaks RESP over a socket with the standard library alone, and prints replies as redis-cli prints them into a pipe.
RAYLANE_REDIS__URL is the address: redis://[[user]:password@]host:port/database.
"""

import os
import shlex
import socket
import sys
from io import BufferedReader
from urllib.parse import unquote, urlsplit

Reply = str | int | None | list["Reply"] | Exception


def send(connection: socket.socket, *words: str) -> None:
    """Sends one command: an array of strings, each with its length before it."""
    encoded = [word.encode() for word in words]
    parts = [b"*%d\r\n" % len(encoded), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)]
    connection.sendall(b"".join(parts))


def receive(stream: BufferedReader) -> Reply:
    """Reads one reply: the first byte says of which type it is."""
    line = stream.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionError("the server closed the connection")
    kind, rest = line[:1], line[1:-2].decode()
    match kind:
        case b"+":
            return rest
        case b"-":
            return RuntimeError(rest)
        case b":":
            return int(rest)
        case b"$":
            return None if rest == "-1" else stream.read(int(rest) + 2)[:-2].decode()
        case b"*":
            return None if rest == "-1" else [receive(stream) for _ in range(int(rest))]
        case _:
            raise ConnectionError(f"unknown reply {line!r}")


def show(reply: Reply) -> str:
    """Returns a reply as redis-cli prints it when nobody watches."""
    if isinstance(reply, list):
        return "\n".join(map(show, reply))
    return "" if reply is None else str(reply)


def main() -> int:
    url = urlsplit(os.environ.get("RAYLANE_REDIS__URL", "redis://127.0.0.1:6379/0"))
    commands = [sys.argv[1:]] if sys.argv[1:] else [shlex.split(line) for line in sys.stdin]
    login = ["AUTH", unquote(url.username or "default"), unquote(url.password)] if url.password else []
    commands = [login, ["SELECT", url.path.strip("/") or "0"], *commands]
    failed = False
    with socket.create_connection((url.hostname or "127.0.0.1", url.port or 6379), timeout=10) as connection:
        stream = connection.makefile("rb")
        for number, command in enumerate(commands):
            if command:
                send(connection, *command)
                reply = receive(stream)
                failed |= isinstance(reply, Exception)
                # The first two are ours, and are only worth a word if they are refused.
                if number > 1 or isinstance(reply, Exception):
                    print(show(reply))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
