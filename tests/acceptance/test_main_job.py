"""A user's whole way on real parts: a file, a sentence, an answer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from raylane_common.errors import NoSources, NotUnderstood, RunFailed
from raylane_common.ray.models import EndpointState, RunStatus
from raylane_common.wire.generate import Engine, GeneratorName
from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.answer_parts import numbers, value

if TYPE_CHECKING:
    from pathlib import Path

    from types_aiobotocore_glue import GlueClient
    from types_aiobotocore_s3 import S3Client

    from raylane import Producer
    from raylane_common.wire.generate import GenerateResult
    from tests.acceptance.conftest import System

pytestmark = pytest.mark.timeout(300)


async def test_a_csv_and_a_sentence_become_a_run_whose_answer_is_right(
    producer: Producer, s3: S3Client, weather: Path, system: System
) -> None:
    uploaded = await (await producer.upload(weather, session_id="main")).result(TIMEOUT_S)
    assert uploaded.s3_uri == "s3://raylane/sessions/main/csv/seattle-weather.csv"
    assert (uploaded.rows, uploaded.bytes) == (1461, weather.stat().st_size)
    stored = await s3.get_object(Bucket=uploaded.bucket, Key=uploaded.key)
    assert await stored["Body"].read() == weather.read_bytes()

    generating = await producer.generate(
        "average temp_max by weather", session_id="main", execute=True, keep_sources=True
    )
    # A busy cluster adds "running" events that say what the run waits for.
    stages = list(dict.fromkeys([event.progress.stage async for event in generating.follow() if event.progress]))
    result = await generating.result(TIMEOUT_S)
    assert stages == ["generating", "verifying", "submitting", "running"]
    # Its dates are written as 2012/01/31, which Ray takes for text, but code names the file that was uploaded.
    assert uploaded.prepared is not None
    assert f'read("{uploaded.s3_uri}")' in result.code
    assert len(result.code.splitlines()) < 25
    assert result.engine is Engine.LOCAL
    assert (result.generator, result.model, result.usage) == (GeneratorName.TEMPLATE, None, None)
    assert result.run is not None
    assert (result.run.status, result.run.exit_code, result.run.endpoint) == (RunStatus.SUCCEEDED, 0, "public")

    expected = pd.read_csv(weather).groupby("weather")["temp_max"].mean()
    assert numbers(result) == pytest.approx(expected.to_dict())

    assert [source.name for source in await producer.sources("main")] == ["seattle-weather.csv"]
    (generated, upload) = await producer.history("main")
    assert (upload.what, generated.what) == ("seattle-weather.csv", "average temp_max by weather")
    assert generated.code == result.code
    assert generated.output_tail == result.run.output_tail
    assert generated.endpoint == "public"


async def test_a_silent_private_endpoint_is_noticed_once_and_not_waited_for_again(
    producer: Producer, system: System
) -> None:
    for _ in range(3):
        status = await (await producer.cluster.status()).result(TIMEOUT_S)
        assert status.endpoint == "public"
    states = {endpoint.name: endpoint.state for endpoint in status.endpoints}
    assert states == {"private": EndpointState.DOWN, "public": EndpointState.UP}
    lines = [json.loads(line) for line in system.worker_log.read_text().splitlines()]
    warnings = [line for line in lines if line["level"] == "warning" and "private" in line["message"]]
    assert len(warnings) == 1, warnings
    assert "job_id" not in warnings[0]


async def test_runs_of_two_sessions_read_and_clear_their_own_file_of_the_same_name_and_restore_puts_it_back(
    producer: Producer, s3: S3Client
) -> None:
    async def ask(session_id: str) -> GenerateResult:
        asking = await producer.generate("how many rows", session_id=session_id, execute=True)
        result = await asking.result(TIMEOUT_S)
        assert f"s3://raylane/sessions/{session_id}/csv/same.csv" in result.code
        assert await producer.sources(session_id) == []
        return result

    data = {"left": "n\n" + "1\n" * 11, "right": "n\n" + "1\n" * 22}
    left, _ = [
        await (await producer.upload_bytes(text, filename="same.csv", session_id=session_id)).result(60)
        for session_id, text in data.items()
    ]
    await s3.delete_object(Bucket=left.bucket, Key=left.key)
    failing = await producer.generate("how many rows", session_id="left", execute=True)
    right = await ask("right")
    with pytest.raises(RunFailed) as caught:
        await failing.result(TIMEOUT_S)
    assert value(right) == 22
    run = caught.value.details["run"]
    assert isinstance(run, dict)
    assert "Traceback" in str(run["output_tail"])
    assert await producer.sources("left") == []
    record = await failing.record()
    assert record.checkpoint is not None
    assert [version.number for version in record.checkpoint.versions] == [1]
    assert (await producer.history("left"))[0].output_tail == run["output_tail"]

    await producer.restore(failing.id)
    assert [source.name for source in await producer.sources("left")] == ["same.csv"]
    await s3.put_object(Bucket=left.bucket, Key=left.key, Body=data["left"].encode())
    assert value(await ask("left")) == 11


async def test_reset_forgets_the_session_and_a_prompt_without_sources_is_refused(producer: Producer) -> None:
    await (await producer.upload_bytes("a\n1\n", filename="r.csv", session_id="reset")).result(60)
    assert await producer.reset("reset") == 1
    assert await producer.sources("reset") == []
    assert await producer.history("reset") == []
    with pytest.raises(NoSources, match="session reset has no sources"):
        await (await producer.generate("how many rows", session_id="reset")).result(60)


async def test_what_the_template_does_not_understand_is_refused_and_keeps_the_sources(producer: Producer) -> None:
    await (await producer.upload_bytes("a\n1\n", filename="n.csv", session_id="refused")).result(60)
    asking = await producer.generate("make the numbers sing", session_id="refused", execute=True)
    with pytest.raises(NotUnderstood) as caught:
        await asking.result(60)
    assert caught.value.details["supported"]
    assert len(await producer.sources("refused")) == 1


async def test_a_selected_glue_table_is_read_by_a_run(
    producer: Producer, s3: S3Client, glue: GlueClient, weather: Path
) -> None:
    await s3.put_object(Bucket="raylane", Key="lake/weather/part-0.csv", Body=weather.read_bytes())
    await glue.create_database(DatabaseInput={"Name": "station"})
    frame = pd.read_csv(weather, nrows=1)
    kinds = {"date": "string", "weather": "string"}
    await glue.create_table(
        DatabaseName="station",
        TableInput={
            "Name": "weather",
            "Parameters": {"classification": "csv", "skip.header.line.count": "1"},
            "StorageDescriptor": {
                "Location": "s3://raylane/lake/weather",
                "Columns": [{"Name": name, "Type": kinds.get(name, "double")} for name in frame.columns],
                "InputFormat": "org.apache.hadoop.mapred.TextInputFormat",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                    "Parameters": {"field.delim": ","},
                },
            },
        },
    )
    assert "station" in (await (await producer.tables.databases()).result(60)).databases
    listed = await (await producer.tables.list("station")).result(60)
    assert [(found.table, found.supported) for found in listed.tables] == [("weather", True)]
    selected = await (await producer.tables.select("glue", [("station", "weather")])).result(60)
    assert [source.name for source in selected.sources] == ["station.weather"]

    asking = await producer.generate("max of temp_max by weather", session_id="glue", execute=True)
    result = await asking.result(TIMEOUT_S)
    assert "s3://raylane/lake/weather/" in result.code
    assert numbers(result) == pytest.approx(pd.read_csv(weather).groupby("weather")["temp_max"].max().to_dict())
