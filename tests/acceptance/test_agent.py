"""The generator `agent` on the whole stack; the model is a stub of Bedrock over real HTTP."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import VerificationFailed
from raylane_common.ray.models import RunStatus
from raylane_common.wire.generate import GeneratorName
from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.bedrock import answer, tool_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from raylane import Producer
    from tests.acceptance.conftest import System

pytestmark = pytest.mark.timeout(300)

COUNT = "import ray\n\nray.init()\nprint('rows:', ray.data.read_csv({uri!r}, override_num_blocks=1).count())\n"


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


async def upload(producer: Producer, session_id: str, rows: int) -> str:
    data = "n\n" + "7\n" * rows
    uploading = await producer.upload_bytes(data, filename="data.csv", session_id=session_id)
    return (await uploading.result(60)).s3_uri


async def test_the_next_version_is_written_from_a_traceback_and_of_a_session_only_its_own_sources_are_seen(
    producer: Producer, system: System
) -> None:
    theirs = await upload(producer, "victim", 5)
    ours = await upload(producer, "mend", 4)
    system.bedrock.requests.clear()
    feedback: list[str] = []

    def first_wrong_then_right(uri: str, body: dict[str, Any]) -> str:
        conversation = json.dumps(body["messages"])
        if "ZeroDivisionError" in conversation:
            feedback.append(body["messages"][0]["content"][1]["text"])
            return COUNT.format(uri=uri)
        return COUNT.format(uri=uri) + "print(1 / 0)\n"

    system.bedrock.code_agent = writes(first_wrong_then_right)
    asking = await producer.generate("how many?", session_id="mend", generator="agent", execute=True)
    result = await asking.result(TIMEOUT_S)
    assert (result.generator, result.model) == (GeneratorName.AGENT, "bedrock:global.anthropic.claude-sonnet-4-6")
    first, second = result.versions
    assert first.run is not None
    assert second.run is not None
    assert (first.run.status, second.run.status) == (RunStatus.FAILED, RunStatus.SUCCEEDED)
    assert first.run.submission_id != second.run.submission_id
    assert re.search(r"line \d+.*print\(1 / 0\)", first.run.output_tail, re.DOTALL)
    assert result.code == second.code
    assert feedback[0].endswith("in <module>: print(1 / 0)\nZeroDivisionError: division by zero")
    assert "job_manager" not in feedback[0]
    assert "rows: 4" in second.run.output_tail
    assert await producer.sources("mend") == []
    assert ours in result.code
    assert result.usage is not None
    assert result.usage.input_tokens == 100 * len(system.bedrock.requests)
    assert theirs not in json.dumps(system.bedrock.requests)
    assert len(await producer.sources("victim")) == 1


async def test_code_that_fails_verification_never_runs_and_never_succeeds(producer: Producer, system: System) -> None:
    await upload(producer, "placeholder", 4)
    system.bedrock.code_agent = writes(lambda uri, body: COUNT.format(uri="s3://your-bucket/data.csv"))
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
