"""Every command that prints a table, in real pseudo-terminals of 60, 80 and 120 columns."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Final

import pytest

from raylane import Producer
from raylane.backend import RedisBackend
from raylane_common.errors import StorageUnavailable
from raylane_common.ray.models import EndpointReport, EndpointState, RayHealth, RayNode, RayRun, RayVersion, RunStatus
from raylane_common.redis.source_store import SourceStore
from raylane_common.wire.ray import RayClusterResult, RayEndpointsResult, RayRunResult, RayRunsResult, RayStatusResult
from raylane_common.wire.tables import TablesResult, TableSummary
from tests.helpers.screens import on_a_terminal
from tests.unit.producer.samples import COLUMNS, CSV, GENERATED, TABLE, UPLOADED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.cli.conftest import ScriptedWorker

JOB: Final = "0123456789abcdef0123456789abcdef"
LONGEST: Final = "longest-" + "x" * 48
DEAD: Final = "dead" + "0" * 28
RUN: Final = f"rl-{JOB}-1"
HOST: Final = "ray-head-of-the-private-cluster.internal.example.org"
ENDPOINT = EndpointReport(
    name="private", url=f"http://{HOST}:8265", state=EndpointState.DOWN, last_error="no answer within 3 s " * 5
)
RUNS: Final = RayRun(
    submission_id=RUN, status=RunStatus.SUCCEEDED, entrypoint="python main.py " * 9, start_time=1795334676336
)
NODE: Final = RayNode.model_validate(
    {"node_id": "a" * 56, "node_ip": "10.100.200.30", "is_head_node": True, "state": "ALIVE"}
    | {"resources_total": {"CPU": 128, "memory": 2.0**38, "object_store_memory": 2.0**36}}
)
# Each command, and what must be on one line of what it prints.
COMMANDS: Final[dict[str, list[str]]] = {
    "jobs": [JOB, LONGEST, DEAD, "succeeded", "failed"],
    "jobs --all": [JOB, "succeeded"],
    "lanes": ["generate", "upload"],
    "top --once": [JOB, LONGEST, "succeeded"],
    "dead list": [DEAD],
    "history --session ada": [JOB, LONGEST],
    "sources --session ada": [CSV.filename, TABLE.name],
    "sources --session ada --profile": [CSV.filename],
    "settings show": ["ray.private_url"],
    "ray runs": [RUN, "SUCCEEDED"],
    "ray run r": [RUN, "SUCCEEDED"],
    "ray status": ["private", "down"],
    "ray endpoints": ["private", "down"],
    "ray cluster": ["a" * 12, "10.100.200.30", "ALIVE"],
    "tables list shop": ["orders_of_all_shops_since_the_beginning"],
    f"result {JOB}-upload": [],
    "dead requeue --code storage_unavailable": [DEAD, "requeued"],
}
_RUN_ALL: Final = """
import json, os, sys
from raylane.cli.app import run_app
os.environ["RAYLANE_REDIS__URL"] = sys.argv[1]
for line in json.loads(sys.argv[2]):
    print(f"$ {line}", flush=True)
    try:
        run_app(line.split())
    except SystemExit as ended:
        assert not ended.code, (line, ended.code)
"""


@pytest.fixture
async def filled(redis: Redis, valkey: EmbeddedValkey, worker: ScriptedWorker) -> str:
    """The URL of a server with something for every table."""
    worker.outcomes |= {
        "upload": UPLOADED,
        "generate": GENERATED,
        "status": RayStatusResult(version=RayVersion(ray_version="2.60.0"), endpoint="public", endpoints=(ENDPOINT,)),
        "endpoints": RayEndpointsResult(endpoints=(ENDPOINT,), problem=None),
        "runs": RayRunsResult(runs=(RUNS,), total=1),
        "run": RayRunResult(run=RUNS),
        "cluster": RayClusterResult(
            health=RayHealth(ray_version="2.60.0", endpoint="private", gcs_ok=True, said=""), nodes=(NODE,), status=""
        ),
        "list": TablesResult(
            tables=(
                TableSummary(
                    database="shop",
                    table="orders_of_all_shops_since_the_beginning",
                    location="s3://warehouse/" + "x" * 60,
                    columns=COLUMNS * 9,
                    supported=False,
                    reason="a view, which has no files of its own",
                ),
            )
        ),
    }
    async with Producer(backend=RedisBackend(redis)) as producer:
        await producer.upload_bytes(b"a,b\n1,2\n", filename="temps.csv", session_id="ada", job_id=f"{JOB}-upload")
        for job_id in (JOB, LONGEST):
            job = await producer.generate("sum of amount by region and year " * 3, session_id="ada", job_id=job_id)
            await job.wait(30)
        worker.outcomes["upload"] = StorageUnavailable("S3 does not answer " * 9)
        dead = await producer.upload_bytes(b"a\n1\n", filename="a.csv", session_id="bob" * 9, job_id=DEAD)
        await dead.wait(30)
        await SourceStore(redis).put("ada", [CSV, TABLE])
        await producer.settings.set("ray.max_runs", "3")
        await redis.hset("raylane:settings", "ray.private_url", f"http://{HOST}:8265")  # type: ignore[misc]  # redis-py
    return valkey.url


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_ids_and_states_are_whole_and_nothing_is_folded(filled: str, width: int, redis: Redis) -> None:
    shown = await _shown(filled, list(COMMANDS), width)
    await redis.delete("raylane:settings")
    assert [line.removeprefix("$ ") for line in shown if line.startswith("$ ")] == list(COMMANDS)
    for command, parts in zip(COMMANDS, _parts(shown), strict=True):
        for value in COMMANDS[command]:
            assert any(value in line.split() for line in parts), (command, value, parts)
        if width == 120:
            assert not any(line.startswith("  ") for line in parts), "a table of which nothing had to be stacked"


def _parts(lines: Sequence[str]) -> list[list[str]]:
    starts = [index for index, line in enumerate(lines) if line.startswith("$ ")]
    return [list(lines[start + 1 : end]) for start, end in zip(starts, [*starts[1:], len(lines)], strict=True)]


async def _shown(url: str, commands: list[str], width: int) -> list[str]:
    """Runs the commands in one process on a terminal of this width. Returns what is on the screen."""
    command = (sys.executable, "-c", _RUN_ALL, url, json.dumps(commands))
    async with on_a_terminal(*command, env={}, width=width, height=500, stderr=asyncio.subprocess.PIPE) as screen:
        assert screen.process.stderr is not None
        errors = await screen.process.stderr.read()
        assert await screen.process.wait() == 0, errors.decode()
        await screen.ended()
        return screen.lines
