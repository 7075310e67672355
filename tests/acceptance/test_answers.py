"""Questions and their typed answers on the whole stack: both engines, follow-ups, files, and scripts of one's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import pytest
from pyarrow import parquet

from raylane_common.errors import NoCode
from raylane_common.wire.answer import AnswerFile, AnswerTable, ChartKind
from raylane_common.wire.generate import Engine
from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.answer_parts import chart, numbers, rows, value

if TYPE_CHECKING:
    from pathlib import Path

    from raylane import JobHandle, Producer
    from raylane_common.wire.generate import GenerateResult

pytestmark = pytest.mark.timeout(300)


async def ask(
    producer: Producer,
    prompt: str,
    session_id: str,
    *,
    keep_sources: bool = True,
    engine: Engine | None = None,
    continues: JobHandle[GenerateResult] | str | None = None,
) -> JobHandle[GenerateResult]:
    return await producer.generate(
        prompt, session_id=session_id, execute=True, keep_sources=keep_sources, engine=engine, continues=continues
    )


async def test_both_engines_give_the_same_table_chart_and_value(producer: Producer, weather: Path) -> None:
    await (await producer.upload(weather, session_id="engines")).result(TIMEOUT_S)
    expected = pd.read_csv(weather).groupby("weather")["temp_max"].mean()
    for engine in Engine:
        grouped = await (await ask(producer, "average temp_max by weather", "engines", engine=engine)).result(TIMEOUT_S)
        assert grouped.engine is engine
        assert grouped.code.count("ray.init()") == 0
        assert [row[0] for row in rows(grouped)] == list(expected.index)
        assert numbers(grouped) == pytest.approx(expected.to_dict())
        drawn = chart(grouped)
        assert (drawn.kind, drawn.x, drawn.y) == (ChartKind.BAR, "weather", "mean(temp_max)")
        assert list(drawn.rows) == rows(grouped)
    counted = await ask(producer, "how many rows where weather = rain", "engines", engine=Engine.DISTRIBUTED)
    assert value(await counted.result(TIMEOUT_S)) == (pd.read_csv(weather)["weather"] == "rain").sum()


async def test_a_follow_up_of_a_follow_up_changes_one_part_of_the_question(producer: Producer, weather: Path) -> None:
    await (await producer.upload(weather, session_id="talk")).result(TIMEOUT_S)
    # Its sources leave the session, but the follow-ups read the same snapshot.
    first = await ask(producer, "average temp_max by weather", "talk", keep_sources=False)
    await first.result(TIMEOUT_S)
    assert await producer.sources("talk") == []
    second = await ask(producer, "now only where wind > 3", "talk", continues=first)
    frame = pd.read_csv(weather)
    windy = frame[frame["wind"] > 3].groupby("weather")["temp_max"].mean()
    assert numbers(await second.result(TIMEOUT_S)) == pytest.approx(windy.to_dict())
    third = await ask(producer, "as a line chart", "talk", continues=second.id)
    result = await third.result(TIMEOUT_S)
    assert numbers(result) == pytest.approx(windy.to_dict())
    assert chart(result).kind is ChartKind.LINE
    uploading = await producer.upload_bytes("a\n1\n", filename="x.csv", session_id="talk")
    await uploading.result(TIMEOUT_S)
    with pytest.raises(NoCode):
        await ask(producer, "only 2012", "talk", continues=uploading.id)


async def test_a_long_table_is_downloaded_whole(producer: Producer, weather: Path, tmp_path: Path) -> None:
    await (await producer.upload(weather, session_id="long")).result(TIMEOUT_S)
    job = await ask(producer, "max of temp_max by date", "long")
    answer = (await job.result(TIMEOUT_S)).answer
    assert answer is not None
    table = next(item for item in answer.items if isinstance(item, AnswerTable))
    assert (len(table.rows), table.total_rows) == (1000, 1461)
    assert table.file is not None
    saved = await producer.download(job.id, table.file.name, tmp_path / "all.parquet")
    assert saved is not None
    whole = parquet.read_table(saved)
    assert whole.num_rows == 1461
    assert whole.column("max(temp_max)").to_pylist()[:1000] == [row[1] for row in table.rows]


SCRIPT = """\
from raylane_run import answer, read

frame = read({uri!r})
answer.value("rows", len(frame), unit="days")
answer.file(frame.head(3), "first.csv")
answer.note("by hand")
"""


async def test_a_script_of_ones_own_reads_and_answers_with_the_kit(
    producer: Producer, weather: Path, tmp_path: Path
) -> None:
    uploaded = await (await producer.upload(weather, session_id="own")).result(TIMEOUT_S)
    job = await producer.cluster.submit(SCRIPT.format(uri=uploaded.s3_uri), session_id="own")
    result = await job.result(TIMEOUT_S)
    assert value(result) == 1461
    assert result.answer is not None
    assert result.answer.notes == ("by hand",)
    (file,) = [item for item in result.answer.items if isinstance(item, AnswerFile)]
    saved = await producer.download(job.id, file.name, tmp_path)
    assert saved is not None
    assert saved.name == "first.csv"
    assert len(pd.read_csv(saved)) == 3
