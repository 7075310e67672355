"""`raylane gateway` as a process: it says where it listens, and ends when it is told to, with streams open."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from typer.testing import CliRunner

from raylane import Producer
from raylane.cli.app import app
from raylane_common.settings import Settings
from tests.helpers.bound import bound
from tests.helpers.gateway_process import gateway_process

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey


RAYLANE = Path(sys.executable).parent / "raylane"


async def test_a_gateway_that_is_told_to_stop_ends_its_streams_and_has_not_failed(
    valkey: EmbeddedValkey, redis: Redis, tmp_path: Path
) -> None:
    environment = os.environ | {"RAYLANE_REDIS__URL": valkey.url}
    async with (
        Producer(Settings.model_validate({"redis": {"url": valkey.url}})) as producer,
        httpx.AsyncClient() as http,
    ):
        job = await producer.generate("?", session_id="ada")
        async with gateway_process(environment, tmp_path / "log") as url:
            assert (await http.get(f"{url}/openapi.json")).json()["openapi"].startswith("3.1")
            request = http.build_request("GET", f"{url}/v1/jobs/{job.id}/events")
            streaming = await http.send(request, stream=True)
            lines = streaming.aiter_lines()
            while not (await anext(lines)).startswith("event: status"):
                pass
        # The process has ended with exit code 0, and the stream as a whole one.
        rest = [line async for line in lines]
        assert all(not line.startswith("event:") for line in rest)
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_an_address_that_cannot_be_listened_at_is_an_error_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = CliRunner().invoke(app, ["gateway", "--port", str(port)])
    assert outcome.exit_code == 2
    assert f"gateway.port: 127.0.0.1:{port} cannot be listened at" in outcome.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--host", "0.0.0.0"], "gateway.host: must be a loopback address"),
        (["--host", "::"], "gateway.host: must be a loopback address"),
        (["--port", "65536"], "port: must be at most 65535"),
        (["--redis", "nonsense://x"], "redis"),
    ],
)
def test_what_would_serve_everybody_or_nobody_is_refused(
    arguments: list[str], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAYLANE_GATEWAY__TOKENS_FILE", raising=False)
    outcome = CliRunner().invoke(app, ["gateway", "--port", "0", *arguments])
    assert outcome.exit_code == 2, outcome.stderr
    assert problem in outcome.stderr


def test_a_stdout_that_is_full_is_one_line_and_no_traceback(valkey: EmbeddedValkey) -> None:
    environment = os.environ | {"RAYLANE_REDIS__URL": valkey.url}
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            bound(RAYLANE, "gateway", "--port", "0"),
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            timeout=60,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (1, b"error: cannot write the output: No space left on device\n")
