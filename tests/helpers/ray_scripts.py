"""Runs many scripts of the distributed engine as one run on a real Ray: starting a driver takes longest."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from raylane_common.ray.client import RayClient
from raylane_common.redis.connection import connect
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.answer import Answer
from raylane_common.wire.names import Engine
from raylane_common.wire.ray import RaySubmitRequest
from raylane_worker.context import Resources
from raylane_worker.embedded import aws_environment, embedded_ray
from raylane_worker.run_kit import source_file
from raylane_worker.run_slots import RunSlots
from raylane_worker.runs.run import RunOrder, run_to_end
from tests.helpers.handler_harness import Cut, Job
from tests.helpers.kit import Ran

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from raylane_common.wire.sources import Partition, Source

RUN_TIMEOUT_S = 600.0
_RUNNER = Path(__file__).with_name("ray_script_runner.py")
_RESULTS = "RESULTS "


@dataclass(frozen=True)
class Batch:
    """Scripts, and the sources that they read."""

    codes: Sequence[str]
    sources: Sequence[Source] = ()
    partitions: Mapping[str, Sequence[Partition]] = field(default_factory=dict)


async def run_batches(batches: Sequence[Batch], s3_url: str, *, timeout_s: float = RUN_TIMEOUT_S) -> list[list[Ran]]:
    """Returns for each batch how each script ended.

    The scripts get the environment that generated code gets for small data.
    """
    code = _RUNNER.read_text("utf-8")
    described = source_file(
        _unique(batches),
        {name: found for batch in batches for name, found in batch.partitions.items()},
        Engine.DISTRIBUTED,
        small=True,
    )
    codes = json.dumps([script for batch in batches for script in batch.codes])
    order = RunOrder(code, 1, generated=True, small=True, files={"scripts.json": codes}, described=described)
    async with embedded_ray(env=aws_environment(s3_url)) as head:
        ray = {"private_url": head.url, "token": head.token, "run_timeout_s": timeout_s}
        settings = Settings.model_validate({"ray": ray})
        redis = connect(settings.redis)  # never used, so it never connects
        async with RayClient(settings.ray) as client:
            resources = Resources(settings, client, SourceStore(redis), RunSlots(client))
            job = Job(RaySubmitRequest(code=code), resources, Cut())
            run = await run_to_end(order, job.context())
            logs = (await client.logs(run.submission_id, max_bytes=8 * 1024 * 1024)).text
        await redis.aclose()
    lines = [line for line in logs.splitlines() if line.startswith(_RESULTS)]
    assert len(lines) == 1, logs[-3000:]
    results = iter(json.loads(lines[0].removeprefix(_RESULTS)))
    return [[_ran(*one) for one in islice(results, len(batch.codes))] for batch in batches]


def _unique(batches: Sequence[Batch]) -> list[Source]:
    found: dict[str, Source] = {}
    for source in (source for batch in batches for source in batch.sources):
        other = found.setdefault(source.location, source)
        assert other == source, f"two sources are at {source.location}"
    return [*found.values()]


def _ran(output: str, error: str | None, answer: str | None) -> Ran:
    return Ran(output, None if answer is None else Answer.model_validate_json(answer), error, {})
