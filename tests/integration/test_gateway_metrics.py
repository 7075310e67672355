"""A gateway process is scraped, and its log is read."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import aiohttp

from raylane import Producer
from raylane_common.telemetry.definitions import GATEWAY_METRICS
from tests.helpers.gateway_process import gateway_process
from tests.helpers.scrape import probe, scrape
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

# There are none before a job has run.
# There are none without a run, or without a job that has failed.
ABSENT = {"raylane_run_slots", "raylane_run_slots_taken", "raylane_run_slots_waiting", "raylane_jobs_failed_total"}


async def test_a_gateway_exposes_all_its_metrics_and_logs_each_request_with_its_id(
    redis: Redis, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "AWS_"))}
    log = tmp_path / "gateway.log"
    async with gateway_process(kept | {"RAYLANE_REDIS__URL": valkey.url}, log) as url:
        async with Producer(redis_url=valkey.url) as producer:
            await producer.cluster.delete("run")
        asked, headers = f"{url}/v1/jobs/none?prompt=secret", {"X-Request-ID": "mine-1"}
        async with aiohttp.ClientSession() as client, client.get(asked, headers=headers) as answer:
            assert (answer.status, answer.headers["X-Request-ID"]) == (422, "mine-1")
        assert await probe(url, "/readyz") == (200, {"ready": True, "checks": {"gateway": "ok", "redis": "ok"}})

        async def has_ticked() -> bool:
            return bool((await scrape(url))("raylane_loop_lag_seconds_count"))

        await until(has_ticked)
        found = await scrape(url)
    metrics = [metric for group in GATEWAY_METRICS.values() for metric in group if metric.name not in ABSENT]
    types = {metric.name.removesuffix("_total"): metric.kind for metric in metrics}
    assert {name: kind for name, kind in found.types.items() if name.startswith("raylane_")} == types
    for metric in metrics:
        name = f"{metric.name}_count" if metric.kind == "histogram" else metric.name
        assert found.labels()[name] == {frozenset(metric.labels)}, name
    assert found("raylane_queue_jobs", lane="ray", state="queued") == 1
    assert found("raylane_queue_workers", lane="ray") == 0
    assert found("raylane_queue_wanted_workers", lane="ray") == 1
    assert found("raylane_gateway_requests_total", route="/v1/jobs/{job_id}", method="GET", status="422") == 1

    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [line] = [line for line in lines if line.get("path") == "/v1/jobs/none"]
    assert (line["request_id"], line["status"], line["route"]) == ("mine-1", 422, "/v1/jobs/{job_id}")
    assert "secret" not in log.read_text()
    assert not [line for line in lines if line.get("path") in ("/metrics", "/readyz")]
