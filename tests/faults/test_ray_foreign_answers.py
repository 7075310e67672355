"""A proxy or firewall answers in place of Ray: such an answer ends no call while another path works."""

from __future__ import annotations

import asyncio
import gzip
import logging
from typing import TYPE_CHECKING, Final

import pytest

from raylane.testing import Address, Break, FakeRay
from raylane_common.errors import RayAuth, RayUnreachable, SubmitOutcomeUnknown
from raylane_common.ray import rounds, submission, tail
from tests.faults.ray_rig import JOB, NEW_JOB, rigged
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.faults.ray_rig import Rig

MIB: Final = 1024 * 1024
BOMB: Final = gzip.compress(bytes(64 * MIB), compresslevel=1)
HEAD: Final = "HTTP/1.1 {} Any\r\nContent-Type: application/json\r\n"
ASKS: Final[dict[str, Callable[[Rig], Awaitable[str]]]] = {
    "job": lambda rig: rig.job(),
    "stop": lambda rig: rig.stop(),
    "logs": lambda rig: rig.logs(),
}


@pytest.fixture(autouse=True)
def _nothing_is_left() -> None:
    """Replaces the check of the queue, which these tests do not use."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (submission, tail):
        monkeypatch.setattr(module, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(rounds, "_PAUSES_S", (0.01, 0.01, 0.01, 0.01))


@pytest.mark.parametrize("operation", ASKS)
@pytest.mark.parametrize("broken", [Break.UNAVAILABLE, Break.NO_BACKEND, Break.CUT_BEFORE])
async def test_a_call_has_another_round_when_the_paths_change_places_during_it(operation: str, broken: Break) -> None:
    async with rigged() as rig:
        await rig.job()
        # Private breaks first. By the time that public is asked, private works again and public is broken.
        rig.private.address.break_with(broken, times=2)
        rig.public.address.break_with(broken, times=2)
        assert await ASKS[operation](rig) in ("private", "public", "stopped")


async def test_a_cluster_that_has_never_answered_fails_a_call_in_one_round() -> None:
    async with rigged() as rig:
        for path in (rig.private, rig.public):
            path.address.break_with(Break.UNAVAILABLE)
        with pytest.raises(RayUnreachable):
            await rig.job()
        assert rig.reached == "version | version"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_that_both_paths_ask_for_is_kept_within_the_deadline(status: int) -> None:
    async with rigged() as rig:
        await rig.job()
        for path in (rig.private, rig.public):
            path.answer(f"{HEAD.format(status)}Retry-After: 1\r\nContent-Length: 0\r\n\r\n".encode())
        rig.forget()
        asking = asyncio.create_task(rig.job())
        await until(lambda: rig.reached == "job | version")
        for path in (rig.private, rig.public):
            path.lead_through()
        assert await asking == "private"


@pytest.mark.parametrize("status", [429, 503])
async def test_a_pause_that_is_too_long_for_the_call_is_passed_to_the_caller(status: int) -> None:
    async with rigged() as rig:
        await rig.job()
        for path in (rig.private, rig.public):
            path.answer(f"{HEAD.format(status)}Retry-After: 600\r\nContent-Length: 0\r\n\r\n".encode())
        rig.forget()
        with pytest.raises(RayUnreachable) as caught:
            await rig.job()
        assert caught.value.retry_after_s == 600
        assert rig.reached == "job | version"


@pytest.mark.parametrize("operation", ASKS)
async def test_another_cluster_at_the_address_does_not_say_that_a_run_is_gone(operation: str) -> None:
    async with rigged() as rig:
        await rig.job()
        rig.private.lead_to(rig.stranger)
        rig.private.cut()
        assert await ASKS[operation](rig) in ("public", "stopped")
        assert rig.states == "down up"


@pytest.mark.parametrize("operation", ASKS)
async def test_another_cluster_with_another_token_does_not_refuse_ours(operation: str) -> None:
    async with rigged() as rig, Address(FakeRay(token="another token")) as locked:
        await rig.job()
        rig.private.lead_to(locked)
        rig.private.cut()
        assert await ASKS[operation](rig) in ("public", "stopped")
        assert rig.states == "down up"


async def test_a_token_that_is_refused_everywhere_is_an_error_at_once() -> None:
    async with rigged() as rig:
        await rig.job()
        rig.ray.token = "another token"
        with pytest.raises(RayAuth):
            await rig.job()
        rig.public.address.break_with(Break.CUT_BEFORE)
        with pytest.raises(RayAuth):
            await rig.job()


async def test_a_submission_whose_look_up_is_refused_is_an_unknown_outcome() -> None:
    async with rigged() as rig:
        await rig.job()
        rig.private.address.break_with(Break.CUT_AFTER, only="POST")

        def refuse(_: str) -> None:
            rig.ray.token = "another token"

        rig.ray.on_start = refuse
        with pytest.raises(SubmitOutcomeUnknown) as caught:
            await rig.submit()
        assert (caught.value.details["submission_id"], rig.runs) == (NEW_JOB, 1)


async def test_what_is_compressed_is_not_decompressed() -> None:
    async with rigged() as rig:
        await rig.job()
        head = f"{HEAD.format(200)}Content-Encoding: gzip\r\nContent-Length: {len(BOMB)}\r\n\r\n"
        rig.private.answer(head.encode() + BOMB)
        assert b"Accept-Encoding: identity" in rig.private.received
        assert await rig.job() == "public"
        [report, _] = rig.client.endpoints()
        assert report.last_error == "not Ray: answered 200 in gzip, which was not asked for"


@pytest.mark.parametrize("status", [200, 404, 500])
async def test_an_endless_body_is_read_to_the_limit_and_no_further(status: int) -> None:
    async with rigged() as rig:
        await rig.job()
        rig.private.answer(f"{HEAD.format(status)}Connection: close\r\n\r\n".encode(), b"x" * 64 * 1024)
        assert await rig.job() == "public"
        # The limit is 4 MiB, and the buffers of the system hold some more.
        assert rig.private.sent_bytes < 16 * MIB


RAW: Final = {
    "another protocol": b"-ERR unknown command 'GET'\r\n",
    "HTTP/0.9": b"<html>It works!</html>\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n",
    "205": b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n",
    "304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "to https": b"HTTP/1.1 301 Moved Permanently\r\nLocation: https://ray.invalid/\r\nContent-Length: 0\r\n\r\n",
    "too short": b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"status": "RUNNING"}',
    "cut off": b'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{"status": "RUNN',
    "cut chunk": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"status": "RUN',
    "bad chunk": b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{"status": "RUNNING"}\r\n0\r\n\r\n',
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n[]]",
    "long header": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 10_000 + b"Content-Length: 2\r\n\r\n{}",
    "deep JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"[" * 100_000,
    "not UTF-8": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
    "missing in other words": b"HTTP/1.1 404 Not Found\r\nContent-Length: 30\r\n\r\nThe page Job a does not exist.",
    "denied in other words": b"HTTP/1.1 403 Forbidden\r\nContent-Length: 25\r\n\r\nForbidden: access denied.",
}


@pytest.mark.parametrize("name", RAW)
async def test_an_answer_that_is_not_rays_moves_the_call_to_the_other_path(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with rigged() as rig:
        await rig.job()
        rig.private.answer(RAW[name], closes=True)
        assert await rig.job() == "public"
        assert await rig.stop() == "stopped"
        assert rig.states == "down up"
    [line] = [record for record in caplog.records if record.name == "raylane.ray"]
    assert line.levelno == logging.WARNING
    assert line.message.isprintable(), "the other side's bytes are in the log"
    assert len(line.message) < 500


async def test_a_followed_run_survives_answers_that_are_not_rays() -> None:
    async with rigged(poll_interval_s=0.05) as rig:
        following = asyncio.create_task(rig.follow())
        await until(lambda: bool(rig.output))
        for number, name in enumerate(("another protocol", "cut off", "deep JSON", "missing in other words")):
            rig.private.answer(RAW[name], closes=True)
            rig.private.cut()
            rig.ray.write(JOB, f"{number}\n")
            await until(lambda number=number: f"{number}\n" in "".join(rig.output))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        rig.ray.end(JOB)
        assert await following == "all"
