"""`raylane doctor` as a command: its exit codes, and what it says when not even the settings are right."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from raylane.cli import traced
from raylane.cli.doctor_commands import show_checks
from raylane.cli.terminal import Terminal
from raylane_common.redis.queue import LaneQueue
from raylane_common.telemetry import sending
from raylane_common.wire.base import Lane, OpaqueResult
from raylane_common.wire.checks import ChecksResult, ok, problem
from raylane_common.wire.jobs import JobRecord
from tests.helpers.screens import on_a_terminal

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.cli.conftest import Cli


async def test_a_problem_is_exit_code_1_and_says_what_to_do(cli: Cli) -> None:
    result = await cli("doctor")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].split() == ["ok", "settings", "every", "RAYLANE_", "variable", "here", "is", "known"]
    [found] = [number for number, line in enumerate(lines) if "no worker runs" in line]
    assert lines[found].startswith("problem    workers")
    assert lines[found + 1].strip() == "-> start one: raylane-worker run"


async def test_json_is_one_document_with_all_checks(cli: Cli) -> None:
    result = await cli("doctor", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["ok"] is False
    assert {"area": "workers", "state": "problem"}.items() <= document["checks"][-1].items()
    assert result.stderr == ""


async def test_warnings_alone_are_exit_code_0(cli: Cli, redis: Redis) -> None:
    for lane in Lane:
        queue = LaneQueue(redis, lane, worker="host-1", lease_s=2, max_attempts={}, result_ttl_s=3600)
        await queue.beat(60)
    result = await cli("doctor", "--timeout", "1", RAYLANE_REDIS_URL="redis://nowhere")
    assert result.exit_code == 0, result.stdout
    assert "warning    settings  RAYLANE_REDIS_URL is not a setting; did you mean RAYLANE_REDIS__URL?" in result.stdout
    assert "are busy, so what its jobs use was not checked" in result.stdout


async def test_a_wrong_setting_is_told_once_and_nothing_else_is_tried(cli: Cli) -> None:
    for wrong in ({"RAYLANE_REDIS__ULR": "x"}, {"RAYLANE_RAY__PRIVATE_URL": "ray:8265"}):
        result = await cli("doctor", **wrong)
        assert result.exit_code == 1
        [name] = wrong
        assert result.stdout.count(name) == 1
        assert "problem    settings" in result.stdout
        assert "not tried  Redis" in result.stdout


async def test_a_redis_that_is_away_is_told_with_its_address_setting(cli: Cli) -> None:
    result = await cli("doctor", "--timeout", "1", "--redis-url", "redis://127.0.0.1:1/0")
    assert result.exit_code == 1
    assert "problem    Redis" in result.stdout
    assert "RAYLANE_REDIS__URL" in result.stdout
    assert "not tried  workers" in result.stdout


@pytest.mark.parametrize(
    ("exporter", "protocol", "absent", "install"),
    [
        ("otlp", "", "opentelemetry.exporter.otlp.proto.http", "'raylane[tracing]'"),
        ("otlp", "grpc", "opentelemetry.exporter.otlp.proto.grpc", "opentelemetry-exporter-otlp-proto-grpc"),
        ("console", "", "opentelemetry.sdk", "'raylane[tracing]'"),
        ("console", "", "opentelemetry.exporter.otlp.proto.http", None),
    ],
)
async def test_an_exporter_without_its_package_is_a_warning(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, exporter: str, protocol: str, absent: str, install: str | None
) -> None:
    monkeypatch.setattr(sending, "find_spec", lambda name: None if name == absent else object())
    # It would set up OpenTelemetry for all tests of this process.
    monkeypatch.setattr(traced, "spans_sent", lambda _: nullcontext())
    result = await cli("doctor", OTEL_TRACES_EXPORTER=exporter, OTEL_EXPORTER_OTLP_PROTOCOL=protocol)
    assert ("warning    traces" in result.stdout) == (install is not None)
    if install is not None:
        assert f"{absent} is missing" in result.stdout
        assert f"-> pip install {install}" in result.stdout
    assert "traces" not in (await cli("doctor")).stdout


def test_what_a_worker_writes_cannot_forge_lines_or_fill_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = problem("S3\nok  S3" + "x" * 100_000, "no\x1b[2J answer\nok  Redis  fine", "do\nthis")
    show_checks(
        ChecksResult(worker="w\n", version="0", at_ms=1, checks=(hostile, ok("Glue", "fine"))), Terminal(as_json=False)
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["problem", "->", "ok"]
    assert len(lines[-1]) < 100
    assert "\x1b" not in "".join(lines)


@pytest.mark.parametrize("at_ms", [-1, 2**53, 10**400, 1.5, "x"])
def test_a_result_with_an_impossible_clock_is_not_known(at_ms: object) -> None:
    fields = {"v": "1", "kind": "ray", "lane": "ray", "status": "succeeded", "enqueued_at": "1", "payload": "{}"}
    result = {"type": "checks", "worker": "w", "version": "0", "at_ms": at_ms, "checks": []}
    assert isinstance(JobRecord.from_hash("j", fields | {"result": json.dumps(result)}).result, OpaqueResult)


async def test_no_word_is_broken_on_a_narrow_terminal(redis: Redis, valkey: EmbeddedValkey) -> None:
    command = (sys.executable, "-c", "from raylane.cli import main; main()", "doctor")
    async with on_a_terminal(*command, env={"RAYLANE_REDIS__URL": valkey.url}, width=60) as screen:
        await asyncio.wait_for(screen.ended(), 60)
    assert screen.lines[0] == "ok         settings  every RAYLANE_ variable here is known"
    at = next(number for number, line in enumerate(screen.lines) if "clocks of this machine" in line)
    assert screen.lines[at].endswith("and of Redis")
    assert screen.lines[at + 1] == "agree to within 2 s".rjust(len("ok         settings  agree to within 2 s"))


async def test_a_wrong_limit_is_a_usage_error(cli: Cli) -> None:
    assert (await cli("doctor", "--timeout", "0")).exit_code == 2
