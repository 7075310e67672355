"""Plain HTTP to a real and to a fake cluster, whose jobs print and end when a test says so."""

from __future__ import annotations

import json
import os
import shlex
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import aiohttp

from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from raylane.testing import Address
    from raylane_worker.embedded import EmbeddedRay

FINAL = ("SUCCEEDED", "FAILED", "STOPPED")
TIME_LIMIT_S = 60

PLAYER = """\
import pathlib, sys, time

said, end = map(pathlib.Path, sys.argv[1:])
with said.open("rb") as text:
    is_over = False
    while not is_over:
        time.sleep(0.05)
        is_over = end.exists()
        sys.stdout.buffer.write(text.read())
        sys.stdout.flush()
sys.exit(int(end.read_text()))
"""


class Cluster(Protocol):
    """A cluster whose jobs print and end when the test says so."""

    url: str
    token: str

    def entrypoint(self, name: str) -> str:
        """Returns the entrypoint to submit for a job with this name."""

    def prints(self, name: str, text: bytes) -> None:
        """Makes the running job print this, soon."""

    def ends(self, name: str, exit_code: int) -> None:
        """Makes the running job exit, soon."""


class Fake:
    def __init__(self, address: Address) -> None:
        self.url, self.token, self._ray = address.url, address.ray.token or "", address.ray

    def entrypoint(self, name: str) -> str:
        return f"play {name}"

    def prints(self, name: str, text: bytes) -> None:
        self._ray.write(name, text)

    def ends(self, name: str, exit_code: int) -> None:
        self._ray.end(name, exit_code=exit_code)


class Real:
    """A job prints what is written to its first file, and exits once its second file has the exit code."""

    def __init__(self, head: EmbeddedRay, directory: Path) -> None:
        self.url, self.token, self._directory = head.url, head.token, directory
        (directory / "player.py").write_text(PLAYER)

    def entrypoint(self, name: str) -> str:
        said, end = self._directory / f"{name}.said", self._directory / f"{name}.end"
        said.write_bytes(b"")
        end.unlink(missing_ok=True)
        return shlex.join(["python", *map(str, (self._directory / "player.py", said, end))])

    def prints(self, name: str, text: bytes) -> None:
        with (self._directory / f"{name}.said").open("ab") as said:
            said.write(text)

    def ends(self, name: str, exit_code: int) -> None:
        part = self._directory / f"{name}.part"
        part.write_text(str(exit_code))
        os.replace(part, self._directory / f"{name}.end")


@dataclass(frozen=True)
class Answer:
    status: int
    content_type: str
    text: str

    @property
    def data(self) -> Any:
        assert (self.status, self.content_type) == (200, "application/json"), self.text
        return json.loads(self.text)


class Api:
    """Plain HTTP to the cluster, with its token unless other headers are given."""

    def __init__(self, cluster: Cluster, session: aiohttp.ClientSession) -> None:
        self.cluster = cluster
        self.authorized = {"Authorization": f"Bearer {cluster.token}"}
        self._session = session

    async def ask(
        self, line: str, body: object = None, *, data: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        method, path = line.split(" ", 1)
        sent = self.authorized if headers is None else headers
        async with self._session.request(
            method, self.cluster.url + path, json=body, data=data, headers=sent, allow_redirects=False
        ) as response:
            return Answer(response.status, response.content_type, await response.text())

    async def submit(self, name: str, **fields: object) -> Answer:
        return await self.ask("POST /api/jobs/", {"submission_id": name, "entrypoint": "true"} | fields)

    async def job(self, name: str) -> dict[str, Any]:
        job: dict[str, Any] = (await self.ask(f"GET /api/jobs/{name}")).data
        return job

    async def status(self, name: str) -> str:
        return str((await self.job(name))["status"])

    async def logs(self, name: str) -> str:
        logs: str = (await self.ask(f"GET /api/jobs/{name}/logs")).data["logs"]
        return logs

    async def run(self, name: str, *, prints: bytes = b"", **fields: object) -> None:
        """Submits a job and waits until it runs and has printed."""
        submitted = await self.submit(name, entrypoint=self.cluster.entrypoint(name), **fields)
        assert submitted.data == {"job_id": name, "submission_id": name}

        async def runs() -> bool:
            return await self.status(name) == "RUNNING"

        await until(runs, timeout_s=TIME_LIMIT_S)
        # Ray writes this line at about the same time as the entrypoint prints; the order is certain only after a wait.
        await until(lambda: self.has_printed(name, f"Running entrypoint for job {name}: "), timeout_s=TIME_LIMIT_S)
        if prints:
            self.cluster.prints(name, prints)
            await until(lambda: self.has_printed(name, prints.decode()), timeout_s=TIME_LIMIT_S)

    async def finish(self, name: str, exit_code: int = 0) -> dict[str, Any]:
        """Ends a running job, and waits until Ray has noticed."""
        self.cluster.ends(name, exit_code)
        return await self.ended(name)

    async def ended(self, name: str) -> dict[str, Any]:
        async def is_final() -> bool:
            return await self.status(name) in FINAL

        await until(is_final, timeout_s=TIME_LIMIT_S)
        return await self.job(name)

    async def has_printed(self, name: str, text: str) -> bool:
        return text in await self.logs(name)

    @asynccontextmanager
    async def tail(self, name: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        # Ray does not answer a client that closes first; aiohttp would wait 10 s for it.
        timeout = aiohttp.ClientWSTimeout(ws_receive=TIME_LIMIT_S, ws_close=0.1)
        url = f"{self.cluster.url}/api/jobs/{name}/logs/tail"
        async with self._session.ws_connect(url, headers=self.authorized, timeout=timeout) as socket:
            yield socket

    async def tailed(self, name: str) -> list[str]:
        """Returns the frames of a whole tail, which Ray must have closed."""
        async with self.tail(name) as socket:
            frames = await rest(socket)
        return frames


async def rest(socket: aiohttp.ClientWebSocketResponse) -> list[str]:
    """Returns the remaining frames."""
    frames = []
    async for message in socket:
        assert message.type is aiohttp.WSMsgType.TEXT
        frames.append(message.data)
    assert socket.close_code == 1000
    return frames
