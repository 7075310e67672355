"""Clients of the gateway that enqueue jobs, wait for them in three ways, and check what they get."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from tests.bench.gateway.worker import code_for

if TYPE_CHECKING:
    from collections.abc import Callable

_FINAL: Final = ("succeeded", "failed", "cancelled")
_POLL_S: Final = 0.25
_WAIT_S: Final = 20
# One request may take so long on a machine where others work, too.
_TIMEOUT_S: Final = 60.0
# A job of a client has been lost if nothing is heard of it for so long.
_LOST_S: Final = 120.0


@dataclass
class Figures:
    """What all clients have seen."""

    jobs: int = 0
    done: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    taken_ms: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def latencies(self) -> dict[str, dict[str, float]]:
        """Returns quantiles of each kind of request, in milliseconds."""
        return {name: _quantiles(taken) for name, taken in sorted(self.taken_ms.items()) if len(taken) > 1}


def _quantiles(taken_ms: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(taken_ms, n=100, method="inclusive")
    named = {"p50": cuts[49], "p95": cuts[94], "p99": cuts[98], "max": max(taken_ms)}
    return {name: round(value, 1) for name, value in named.items()}


class Client:
    """One client with a token and a session of its own."""

    def __init__(self, session: aiohttp.ClientSession, url: str, number: int, figures: Figures) -> None:
        self._http = session
        self._url = url
        self._name = f"client-{number}"
        self._headers = {"Authorization": f"Bearer {self._name}-token"}
        self._figures = figures
        # Each third begins with another way, so that all ways are used at once.
        self._made = number

    async def work(self, go_on: Callable[[int], bool]) -> None:
        """Has one job done after the other, as long as `go_on` says of their number."""
        done = 0
        while go_on(done):
            done += 1
            self._made += 1
            try:
                async with asyncio.timeout(_LOST_S):
                    await self._have_done()
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                self._figures.errors[f"{type(error).__name__}: {error}"[:200]] += 1

    async def _have_done(self) -> None:
        way = (self._wait, self._poll, self._follow)[self._made % 3]
        key = f"{self._name}-{self._made}"
        body = {"kind": "generate", "session_id": f"{self._name}-s", "request": {"prompt": key}}
        self._figures.jobs += 1
        made = await self._ask("enqueue", "POST", "/v1/jobs", 202, json=body, headers={"Idempotency-Key": key})
        if self._made % 10 == 0:
            again = await self._ask("repeat", "POST", "/v1/jobs", 202, json=body, headers={"Idempotency-Key": key})
            _check(again["id"] == made["id"], "a repeated key made a second job")
        await way(made["id"])
        record = await self._ask("record", "GET", f"/v1/jobs/{made['id']}", 200)
        _check(record["status"] == "succeeded", f"the job has {record['status']}")
        _check(record["result"]["code"] == code_for(key), "the result belongs to another job")
        self._figures.done += 1

    async def _wait(self, job_id: str) -> None:
        status = ""
        while status not in _FINAL:
            status = (await self._ask("wait", "GET", f"/v1/jobs/{job_id}?wait_s={_WAIT_S}", 200))["status"]

    async def _poll(self, job_id: str) -> None:
        status = ""
        while status not in _FINAL:
            await asyncio.sleep(_POLL_S)
            status = (await self._ask("poll", "GET", f"/v1/jobs/{job_id}", 200))["status"]

    async def _follow(self, job_id: str) -> None:
        began_s = time.perf_counter()
        self._figures.requests["follow"] += 1
        async with self._http.get(
            f"{self._url}/v1/jobs/{job_id}/events", headers=self._headers | {"Accept": "text/event-stream"}
        ) as answer:
            _check(answer.status == 200, f"the events are answered with {answer.status}")
            text = (await answer.read()).decode()
        _check('"status":"succeeded"' in text, "the events do not end with success")
        _check("code of " in text, "the events lack what the worker told")
        self._figures.taken_ms["follow"].append((time.perf_counter() - began_s) * 1000)

    async def _ask(
        self, name: str, method: str, path: str, status: int, *, headers: dict[str, str] | None = None, **more: Any
    ) -> Any:
        began_s = time.perf_counter()
        self._figures.requests[name] += 1
        async with self._http.request(
            method, self._url + path, headers=self._headers | (headers or {}), **more
        ) as answer:
            text = await answer.text()
            _check(answer.status == status, f"{name} is answered with {answer.status}: {text[:120]}")
            found = await answer.json()
        self._figures.taken_ms[name].append((time.perf_counter() - began_s) * 1000)
        return found


def _check(is_true: bool, problem: str) -> None:
    if not is_true:
        raise ValueError(problem)


async def run_clients(url: str, count: int, go_on: Callable[[int], bool]) -> Figures:
    """Lets so many clients work at once; returns what they have seen."""
    figures = Figures()
    timeout = aiohttp.ClientTimeout(total=_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(count):
            tasks.create_task(Client(session, url, number, figures).work(go_on))
    return figures


def callers(count: int) -> dict[str, dict[str, Any]]:
    """Returns the callers of so many clients, for `write_callers`."""
    return {
        f"client-{number}": {"rights": ["ask", "read"], "sessions": [f"client-{number}-"]} for number in range(count)
    }
