"""One embedded stack with Ray and one worker process for all acceptance tests; Ray's private address is silent."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane import Producer
from raylane_common.redis.connection import connect
from raylane_common.redis.queue.heartbeats import living_workers
from raylane_common.settings import RedisSettings
from raylane_worker.embedded import REGION, EmbeddedStack, SilentEndpoint
from tests.helpers import aws
from tests.helpers.bedrock import BedrockStub
from tests.helpers.bound import bound
from tests.helpers.collector import Collector
from tests.helpers.gateway_process import gateway_process
from tests.helpers.servers import LEAVE
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from redis.asyncio import Redis
    from types_aiobotocore_glue import GlueClient
    from types_aiobotocore_s3 import S3Client

    from tests.helpers.servers import Background

BIN = Path(sys.executable).parent
# A run on Ray takes some 10 s on an idle machine, and the tests share two cores.
TIMEOUT_S = 180


@dataclass(frozen=True)
class System:
    """The servers, the cluster and the worker that run, and how to reach them."""

    env: Mapping[str, str]
    worker_log: Path
    bedrock: BedrockStub
    collector: Collector

    def process_environment(self) -> dict[str, str]:
        """Returns the environment for a user's process: ours, with the settings of the system and no others."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "AWS_"))}
        return kept | dict(self.env)

    def traced_environment(self) -> dict[str, str]:
        """Returns the environment of a worker or a gateway, which send their spans to the collector."""
        return self.process_environment() | self.collector.env


@pytest.fixture(scope="session")
def system(background: Background, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> System:
    """Returns the running system, which all its tests share."""
    running, request.config.stash[LEAVE]["system"] = background.enter_closable(
        _system(tmp_path_factory.mktemp("system"))
    )
    return running


@asynccontextmanager
async def _system(directory: Path) -> AsyncIterator[System]:
    async with (
        SilentEndpoint() as silent,
        BedrockStub() as bedrock,
        Collector() as collector,
        EmbeddedStack(directory) as stack,
    ):
        env = stack.settings_env(private_ray_url=silent.url) | {
            "RAYLANE_GENERATION__MODEL_ENDPOINT_URL": bedrock.url,
            "RAYLANE_GENERATION__MODEL_REGION": REGION,
            # No probe during the tests, so that the log has one change of the endpoint.
            "RAYLANE_RAY__REPROBE_MIN_S": "600",
            "RAYLANE_RAY__REPROBE_MAX_S": "600",
        }
        system = System(env, directory / "worker.log", bedrock, collector)
        with system.worker_log.open("wb") as log:
            worker = await asyncio.create_subprocess_exec(
                *bound(BIN / "raylane-worker", "run"), stderr=log, stdout=log, env=system.traced_environment()
            )
        try:
            redis = connect(RedisSettings.model_validate({"url": stack.valkey.url}))
            try:
                await until(lambda: _all_lanes_alive(redis, worker), timeout_s=60)
            finally:
                await redis.aclose()
            yield system
        finally:
            if worker.returncode is None:
                worker.terminate()
            assert await asyncio.wait_for(worker.wait(), 60) == 0, system.worker_log.read_text()


async def _all_lanes_alive(redis: Redis, worker: asyncio.subprocess.Process) -> bool:
    assert worker.returncode is None, "the worker has ended; see its log"
    return sum(map(len, (await living_workers(redis, socket.gethostname())).values())) == 3


@pytest.fixture(scope="session")
def gateway(system: System, background: Background, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Returns the address of a gateway without tokens, which all tests of the system share."""
    log = tmp_path_factory.mktemp("gateway") / "gateway.log"
    return background.enter(gateway_process(system.traced_environment(), log))


@pytest.fixture
async def producer(system: System) -> AsyncIterator[Producer]:
    """A producer of the system's queue."""
    async with Producer(redis_url=system.env["RAYLANE_REDIS__URL"]) as opened:
        yield opened


@pytest.fixture
async def s3(system: System) -> AsyncIterator[S3Client]:
    """The system's object storage, without Raylane."""
    async with aws.s3(system.env["RAYLANE_AWS__ENDPOINT_URL"]) as client:
        yield client


@pytest.fixture
async def glue(system: System) -> AsyncIterator[GlueClient]:
    """The system's catalog, without Raylane."""
    async with aws.glue(system.env["RAYLANE_AWS__ENDPOINT_URL"]) as client:
        yield client
