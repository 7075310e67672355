"""The check of the settings in another process."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import InternalError, ModelMisconfigured, StorageRejected, StorageUnavailable
from raylane_common.settings import Settings
from raylane_common.wire.base import Lane
from raylane_worker import startup
from raylane_worker.app import run
from tests.helpers.aws import aws_settings, closed, own_bucket, s3, silent
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> list[asyncio.subprocess.Process]:
    """The processes that checks start."""
    started: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def noting(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await create(*arguments, **options)
        started.append(process)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noting)
    return started


async def test_lanes_that_use_neither_aws_nor_a_model_start_no_process(
    processes: list[asyncio.subprocess.Process],
) -> None:
    await startup.check(Settings(aws=aws_settings("nonsense")), [Lane.RAY, Lane.GENERATE])
    assert processes == []


async def test_all_settings_with_their_secrets_reach_the_other_process(moto: EmbeddedMoto) -> None:
    bucket = own_bucket()
    generation = {"model": "llamacpp:m", "model_api_key": "secret"}
    settings = Settings.model_validate({"storage": bucket, "aws": aws_settings(moto.url), "generation": generation})
    await startup.check(settings, list(Lane))
    async with s3(moto.url) as client:
        await client.head_bucket(Bucket=bucket.bucket)


async def test_a_model_without_its_key_is_refused_and_one_with_it_is_not() -> None:
    model = {"model": "gemini:m"}
    with pytest.raises(ModelMisconfigured, match="RAYLANE_GENERATION__MODEL_API_KEY"):
        await startup.check(Settings.model_validate({"generation": model}), [Lane.GENERATE])
    with pytest.raises(ModelMisconfigured, match=r"pip install 'strands-agents\[gemini\]'"):
        await startup.check(
            Settings.model_validate({"generation": model | {"model_api_key": "secret"}}), [Lane.GENERATE]
        )


async def test_an_error_keeps_its_type_and_details() -> None:
    with pytest.raises(StorageUnavailable) as caught:
        await startup.check(Settings(storage=own_bucket(), aws=aws_settings(closed())), [Lane.UPLOAD])
    assert caught.value.details["service"] == "s3"
    half = aws_settings(closed(), secret_access_key=None)
    with pytest.raises(StorageRejected, match="SECRET_ACCESS_KEY"):
        await startup.check(Settings(aws=half), [Lane.UPLOAD])


async def test_a_worker_that_is_stopped_meanwhile_leaves_no_process(
    processes: list[asyncio.subprocess.Process],
) -> None:
    async with silent() as url:
        checking = asyncio.create_task(
            startup.check(Settings(storage=own_bucket(), aws=aws_settings(url)), [Lane.UPLOAD])
        )
        await until(lambda: bool(processes))
        checking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await checking
    with pytest.raises(ProcessLookupError):
        os.kill(processes[0].pid, 0)


async def test_a_stop_ends_the_check_of_a_worker_that_starts(
    processes: list[asyncio.subprocess.Process], valkey: EmbeddedValkey
) -> None:
    stop, ready = asyncio.Event(), asyncio.Event()
    async with silent() as url:
        redis = {"url": valkey.url}
        settings = Settings.model_validate({"redis": redis, "storage": own_bucket(), "aws": aws_settings(url)})
        running = asyncio.create_task(run(settings, [Lane.UPLOAD], ready=ready, stop=stop))
        await until(lambda: bool(processes))
        stop.set()
        await running
    assert not ready.is_set()
    with pytest.raises(ProcessLookupError):
        os.kill(processes[0].pid, 0)


async def test_a_process_that_fails_is_an_error_and_not_a_passed_check(
    processes: list[asyncio.subprocess.Process],
) -> None:
    async with silent() as url:
        checking = asyncio.create_task(
            startup.check(Settings(storage=own_bucket(), aws=aws_settings(url)), [Lane.UPLOAD])
        )
        await until(lambda: bool(processes))
        processes[0].kill()
        with pytest.raises(InternalError, match="exit code -9"):
            await checking
