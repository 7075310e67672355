"""The faults that the path to a Ray address may have, and a harness that makes one call with one fault."""

from __future__ import annotations

import asyncio
import gzip
import re
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from raylane.testing import Break
from raylane_common.errors import RaylaneError
from raylane_common.ray import tail, transport
from raylane_common.tls import keepalive_options
from tests.faults.networks import in_networks
from tests.faults.ray_rig import JOB, TOKEN, Rig, client_tasks, rigged
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    import pytest

    from tests.faults.networks import Networks
    from tests.faults.ray_path import RayPath

Phase = Literal["cold", "warm"]
# A short log is followed by reading it, a long one by websocket (`tail`).
Operation = Literal["job", "stop", "logs", "submit", "follow", "tail"]

FOLLOWING: Final = ("follow", "tail")
_TIME_LIMIT_S: Final = 30.0
# For faults that only waiting shows. Longer than a busy machine needs for one answer.
_HEAD_START_S: Final = 0.4
_GZIP: Final = gzip.compress(b'{"status": "RUNNING"}')
_LAST_LINE: Final = "that was all\n"


@dataclass(frozen=True)
class Certificates:
    """`trusted` is signed by the authority in `file`, `unknown` by another one."""

    file: Path
    trusted: tuple[Path, Path]
    unknown: tuple[Path, Path]


@dataclass(frozen=True)
class Fault:
    """`is_silent`: there is no answer, so only waiting shows the fault. `is_tls`: the path speaks TLS before it begins.

    `cuts`: it ends the connections that are open when it begins.
    """

    name: str
    begin: Callable[[Rig, RayPath, Certificates], Awaitable[None]]
    is_silent: bool = False
    is_tls: bool = False
    cuts: bool = False


def _breaks(broken: Break) -> Callable[[Rig, RayPath, Certificates], Awaitable[None]]:
    async def begin(rig: Rig, path: RayPath, _: Certificates) -> None:
        path.address.break_with(broken)

    return begin


async def _refused(rig: Rig, path: RayPath, _: Certificates) -> None:
    await path.refuse()


async def _black_hole(rig: Rig, path: RayPath, _: Certificates) -> None:
    if rig.networks is None:
        await path.fall_silent()
    else:
        rig.networks.lose_all()


async def _slow_headers(rig: Rig, path: RayPath, _: Certificates) -> None:
    path.dribble()


async def _redirect(rig: Rig, path: RayPath, _: Certificates) -> None:
    host, port = rig.elsewhere.getsockname()
    path.redirect(f"http://{host}:{port}/api/version")


async def _compressed(rig: Rig, path: RayPath, _: Certificates) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n"
    path.answer(head % len(_GZIP) + _GZIP)


async def _wrong_cluster(rig: Rig, path: RayPath, _: Certificates) -> None:
    path.lead_to(rig.stranger)


async def _untrusted(rig: Rig, path: RayPath, certificates: Certificates) -> None:
    path.tls = tls_server(certificates.unknown)


async def _no_tls(rig: Rig, path: RayPath, _: Certificates) -> None:
    path.tls = None


def tls_server(certificate: tuple[Path, Path]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


REFUSED: Final = Fault("refused", _refused, cuts=True)
BLACK_HOLE: Final = Fault("black_hole", _black_hole, is_silent=True)
NEVER_ANSWERS: Final = Fault("never_answers", _breaks(Break.NEVER_ANSWERS), is_silent=True)
HTTP_503: Final = Fault("http_503", _breaks(Break.UNAVAILABLE))
RESET_IN_BODY: Final = Fault("reset_in_body", _breaks(Break.CUT_IN_BODY))
SLOW_HEADERS: Final = Fault("slow_headers", _slow_headers, is_silent=True)
PAGE: Final = Fault("html_200", _breaks(Break.PAGE))
HTTP_401: Final = Fault("http_401", _breaks(Break.UNAUTHORIZED))
HTTP_403: Final = Fault("http_403", _breaks(Break.FORBIDDEN))
HTTP_404: Final = Fault("http_404", _breaks(Break.NO_BACKEND))
HTTP_407: Final = Fault("http_407", _breaks(Break.PROXY_LOGIN))
HTTP_429: Final = Fault("http_429", _breaks(Break.THROTTLED))
HTTP_500: Final = Fault("http_500", _breaks(Break.SERVER_ERROR))
HTTP_204: Final = Fault("http_204", _breaks(Break.NO_CONTENT))
LOGIN: Final = Fault("login_200", _breaks(Break.LOGIN))
COMPRESSED: Final = Fault("compressed", _compressed)
REDIRECT: Final = Fault("redirect", _redirect)
WRONG_CLUSTER: Final = Fault("wrong_cluster", _wrong_cluster, cuts=True)
UNTRUSTED: Final = Fault("untrusted_certificate", _untrusted, is_tls=True, cuts=True)
NO_TLS: Final = Fault("https_to_plain_http", _no_tls, is_tls=True, cuts=True)


@dataclass(frozen=True)
class Seen:
    """The outcome of a call, the requests at the private and at the public address, and the states of both after it."""

    outcome: str
    reached: str
    states: str


@dataclass(frozen=True)
class Lab:
    """Makes one call on a broken path, and checks what is true for every call and every fault."""

    certificates: Certificates
    caplog: pytest.LogCaptureFixture
    monkeypatch: pytest.MonkeyPatch

    def run(
        self, fault: Fault, phase: Phase, operation: Operation, *, on_both: bool = False, **changes: object
    ) -> Seen:
        """Cold: the path is broken from the start; warm: the fault begins after the path has worked."""
        seen: list[Seen] = []

        def scenario(networks: Networks | None) -> None:
            seen.append(asyncio.run(self._run(fault, phase, operation, on_both, networks, changes)))

        if fault is BLACK_HOLE:
            in_networks(scenario)
        else:
            scenario(None)
        return seen[0]

    async def _run(
        self,
        fault: Fault,
        phase: Phase,
        operation: Operation,
        on_both: bool,
        networks: Networks | None,
        changes: dict[str, object],
    ) -> Seen:
        if fault.is_silent:
            changes = {"failover_delay_s": _HEAD_START_S} | changes
        if fault.is_tls:
            changes["ca_file"] = self.certificates.file
        tls = tls_server(self.certificates.trusted) if fault.is_tls else None
        async with (
            asyncio.timeout(_TIME_LIMIT_S),
            rigged(networks=networks, both=on_both, tls=tls, **changes) as rig,
        ):

            async def begin() -> None:
                for path in (rig.private, rig.public) if on_both else (rig.private,):
                    await fault.begin(rig, path, self.certificates)

            call = self._follow if operation in FOLLOWING else self._ask
            if operation == "tail":
                self.monkeypatch.setattr(tail, "_SHORT_CHARACTERS", -1)
            outcome = await call(rig, fault, phase, operation, begin)
            self._check(rig, fault, operation, outcome)
            # With so short a head start, a good path that is slow for a moment is probed again: how often is chance.
            reached = _each_probe_once(rig.reached) if fault.is_silent else rig.reached
            if operation in FOLLOWING:
                reached = _each_look_once(reached)
            seen = Seen(outcome, reached, rig.states)
            await rig.client.aclose()
            assert (left := rig.client_sockets() + client_tasks()) == [], left
        return seen

    async def _ask(
        self, rig: Rig, fault: Fault, phase: Phase, operation: Operation, begin: Callable[[], Awaitable[None]]
    ) -> str:
        if phase == "warm":
            await rig.job()
            rig.forget()
        await begin()
        if fault.cuts:
            rig.private.cut()
            await until(lambda: not rig.client_sockets())
        return await _outcome(getattr(rig, operation)())

    async def _follow(
        self, rig: Rig, fault: Fault, phase: Phase, operation: Operation, begin: Callable[[], Awaitable[None]]
    ) -> str:
        """Warm: the fault begins between two lines, and ends the open connection, with a reset or in silence."""
        if fault is BLACK_HOLE:
            # If no address answers, only TCP keep-alive notices that the connection is dead.
            soon = keepalive_options(idle_s=1, interval_s=1, probes=1)
            self.monkeypatch.setattr(transport, "_KEEPALIVE", soon)
        if phase == "cold":
            await begin()
        following = asyncio.create_task(_outcome(rig.follow()))
        if phase == "warm":
            await until(lambda: bool(rig.output))
            rig.forget()
            await begin()
        rig.ray.write(JOB, _LAST_LINE)
        if phase == "warm" and fault is not BLACK_HOLE:
            rig.private.cut()
        await until(lambda: following.done() or _LAST_LINE in "".join(rig.output))
        rig.ray.end(JOB)
        return await following

    def _check(self, rig: Rig, fault: Fault, operation: Operation, outcome: str) -> None:
        possible = {"submit_outcome_unknown": (0, 1), "private": (1,), "public": (1,)}.get(outcome, (0,))
        assert rig.runs in (possible if operation == "submit" else (0,)), f"{rig.runs} runs"
        lines = [record.levelname for record in self.caplog.records if record.name.startswith("raylane")]
        level = "ERROR" if fault is WRONG_CLUSTER else "WARNING"
        assert lines == [level] * rig.states.count("down"), f"not one line per transition: {lines}"
        assert TOKEN not in self.caplog.text
        assert not rig.is_elsewhere_known(), "a redirect was followed"
        if fault.is_tls:
            assert TOKEN.encode() not in rig.private.received, (
                "the token was sent to a server that could not prove its identity"
            )


def _each_probe_once(reached: str) -> str:
    sides = []
    for side in reached.split(" | "):
        words = side.split()
        sides.append(" ".join(word for at, word in enumerate(words) if word != "version" or word not in words[:at]))
    return " | ".join(sides)


def _each_look_once(reached: str) -> str:
    """Leaves out repeated looks at the job and repeated reads of its log: how many there are is chance."""
    return re.sub(r"\b(job logs|job|logs)(?: \1)+\b", r"\1", re.sub(r"\bjob(?: job)+\b", "job", reached))


async def _outcome(call: Awaitable[str]) -> str:
    try:
        return await call
    except RaylaneError as error:
        assert TOKEN not in repr((error, error.details))
        return error.code
