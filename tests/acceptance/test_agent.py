"""The generator `agent` on the whole stack; the model is a stub of Bedrock over real HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import VerificationFailed
from raylane_common.ray.models import RunStatus
from raylane_common.wire.answer import AnswerChart, AnswerFile, AnswerTable, AnswerValue
from raylane_common.wire.generate import Engine, GeneratorName
from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.bedrock import answer, tool_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from raylane import Producer
    from tests.acceptance.conftest import System

pytestmark = pytest.mark.timeout(400)

DATA = "city,year,n\nBonn,2023,1\nBonn,2024,2\nRome,2024,4\n,2024,8\n"
READ = 'from raylane_run import answer, read\n\nrows = read({uri!r})\nanswer.value("rows", {count}, unit="rows")\n'
LOCAL = READ.replace("{count}", "len(rows)")
DISTRIBUTED = f"""\
from ray.data.aggregate import Sum
{READ.replace("{count}", "rows.count()")}
by_city = rows.groupby("city").aggregate(Sum("n", alias_name="total")).sort("total", descending=True)
answer.table(by_city, title="By city")
answer.chart("bar", data=by_city, x="city", y="total")
answer.file(by_city, "cities.csv")
"""
CHANGED = f"""\
{LOCAL}
by_city = rows[rows["year"] == 2024].groupby("city", dropna=False, as_index=False).agg(total=("n", "sum"))
answer.table(by_city.sort_values("total", ascending=False), title="By city in 2024")
"""


def writes(code_for: Callable[[str, dict[str, Any]], str]) -> Callable[[dict[str, Any]], list[bytes]]:
    """A code agent that passes another session to its tool, and then writes code for the location in the answer."""

    def play(body: dict[str, Any]) -> list[bytes]:
        listed = tool_result(body)
        if listed is None:
            return answer(tool=("get_data_sources", {"session_id": "victim"}))
        (source,) = json.loads(listed)["sources"]
        code = code_for(source["location"], body)
        return answer(tool=("submit_code", {"code": code, "interpreted_as": "the rows are counted"}))

    return play


async def upload(producer: Producer, session_id: str, data: str = DATA) -> str:
    uploading = await producer.upload_bytes(data, filename="data.csv", session_id=session_id)
    return (await uploading.result(60)).s3_uri


def first_message(body: dict[str, Any]) -> list[str]:
    return [block["text"] for block in body["messages"][0]["content"]]


async def test_from_a_traceback_to_a_follow_up_of_a_follow_up_on_both_engines(
    producer: Producer, system: System
) -> None:
    theirs = await upload(producer, "victim", "n\n7\n")
    ours = await upload(producer, "mend")
    system.bedrock.requests.clear()
    feedback: list[str] = []

    def first_wrong_then_right(uri: str, body: dict[str, Any]) -> str:
        conversation = first_message(body)
        if "ZeroDivisionError" in conversation[-1]:
            feedback.append(conversation[-1])
            return LOCAL.format(uri=uri)
        return LOCAL.format(uri=uri) + 'answer.value("none", 1 / 0)\n'

    system.bedrock.code_agent = writes(first_wrong_then_right)
    asking = await producer.generate("how many?", session_id="mend", generator="agent", execute=True)
    result = await asking.result(TIMEOUT_S)
    assert (result.generator, result.model) == (GeneratorName.AGENT, "bedrock:global.anthropic.claude-sonnet-4-6")
    assert result.engine is Engine.LOCAL
    first, second = result.versions
    assert first.run is not None
    assert second.run is not None
    assert (first.run.status, second.run.status) == (RunStatus.FAILED, RunStatus.SUCCEEDED)
    assert first.run.submission_id != second.run.submission_id
    assert result.code == second.code
    assert feedback[0].endswith('in <module>: answer.value("none", 1 / 0)\nZeroDivisionError: division by zero')
    assert "rows: 4" in first.run.output_tail
    assert [part for part in ("job_manager", "raylane_run/", "rows: 4") if part in feedback[0]] == []
    assert result.answer is not None
    assert [(item.name, item.value) for item in result.answer.items if isinstance(item, AnswerValue)] == [("rows", 4)]
    assert await producer.sources("mend") == []
    assert ours in result.code
    assert result.usage is not None
    assert result.usage.input_tokens == 100 * len(system.bedrock.requests)

    system.bedrock.code_agent = writes(lambda uri, body: DISTRIBUTED.format(uri=uri))
    asking = await producer.generate(
        "by city, as a chart and a file",
        session_id="mend",
        generator="agent",
        execute=True,
        engine="distributed",
        continues=asking,
    )
    result = await asking.result(TIMEOUT_S)
    assert result.engine is Engine.DISTRIBUTED
    assert result.answer is not None
    value, table, chart, file = result.answer.items
    assert isinstance(value, AnswerValue)
    assert (value.value, value.unit) == (4, "rows")
    assert isinstance(table, AnswerTable)
    assert table.rows == ((None, 8), ("Rome", 4), ("Bonn", 3))
    assert isinstance(chart, AnswerChart)
    assert (chart.kind, chart.rows) == ("bar", table.rows)
    assert isinstance(file, AnswerFile)
    assert (file.name, file.rows) == ("cities.csv", 3)

    system.bedrock.requests.clear()
    system.bedrock.code_agent = writes(lambda uri, body: CHANGED.format(uri=uri))
    asking = await producer.generate(
        "now only 2024", session_id="mend", generator="agent", execute=True, continues=asking.id
    )
    result = await asking.result(TIMEOUT_S)
    history, prompt, *_ = first_message(system.bedrock.requests[-1])
    assert prompt == "now only 2024"
    assert '"prompts": ["how many?", "by city, as a chart and a file"]' in history
    assert history.endswith(DISTRIBUTED.format(uri=ours))
    assert result.engine is Engine.LOCAL
    assert result.answer is not None
    assert [item.rows for item in result.answer.items if isinstance(item, AnswerTable)] == [
        ((None, 8), ("Rome", 4), ("Bonn", 2))
    ]
    assert theirs not in json.dumps(system.bedrock.requests)
    assert len(await producer.sources("victim")) == 1


async def test_code_that_fails_verification_never_runs_and_never_succeeds(producer: Producer, system: System) -> None:
    await upload(producer, "placeholder")
    system.bedrock.code_agent = writes(lambda uri, body: LOCAL.format(uri="s3://your-bucket/data.csv"))
    asking = await producer.generate(
        "how many?", session_id="placeholder", generator="agent", execute=True, max_versions=2
    )
    with pytest.raises(VerificationFailed, match="version 2") as caught:
        await asking.result(TIMEOUT_S)
    assert caught.value.details["versions"] == 2
    record = await asking.record()
    assert record.checkpoint is not None
    assert [(version.run, bool(version.findings)) for version in record.checkpoint.versions] == [(None, True)] * 2
    assert len(await producer.sources("placeholder")) == 1
    runs = (await (await producer.cluster.runs()).result(60)).runs
    assert not [run for run in runs if asking.id in str(run.submission_id)]
