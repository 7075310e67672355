"""A client hears the same of a job that ended before its call arrived, and of one that ends during the call."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from raylane_common.errors import NotUnderstood
from raylane_common.wire.jobs import JobStatus, Progress
from tests.helpers.mcp_results import call, said
from tests.helpers.waiting import until
from tests.unit.producer.samples import GENERATED, UPLOADED

if TYPE_CHECKING:
    from mcp.client import Client

    from raylane.testing import MemoryProducer
    from tests.unit.mcp.conftest import Answers, Connect

pytestmark = pytest.mark.timeout(60)

ASKED = {"session_id": "ada", "question": "count", "idempotency_key": "k"}
ENDS = ["succeeded", "failed", "cancelled"]


class Heard:
    """What a call was told, in order."""

    def __init__(self) -> None:
        self.stages: list[str | None] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.stages.append(message)

    async def calling(self, client: Client, tool: str, **given: Any) -> str:
        """Returns what the result says of the job."""
        result = await client.call_tool(tool, given, progress_callback=self)
        # A result may arrive before the last thing that was told ahead of it.
        await until(lambda: bool(self.stages))
        return said(result)


async def end(producer: MemoryProducer, job_id: str, how: str) -> None:
    if how == "succeeded":
        await producer.succeed(job_id, GENERATED)
    elif how == "failed":
        await producer.fail(job_id, NotUnderstood("which column?"))
    else:
        assert await producer.cancel(job_id) is JobStatus.CANCELLED


@pytest.mark.parametrize("how", ENDS)
@pytest.mark.parametrize("wait_s", [0, 30])
async def test_a_wait_for_a_job_that_has_ended_tells_its_end_once(
    connect: Connect, producer: MemoryProducer, how: str, wait_s: int
) -> None:
    before, heard = Heard(), Heard()
    async with connect() as client:
        asking = asyncio.create_task(before.calling(client, "ask", **ASKED, wait_s=30))
        await until(lambda: bool(producer.enqueued))
        job_id = producer.enqueued[0].id
        await until(lambda: before.stages == ["queued"])
        await end(producer, job_id, how)
        await asking
        await heard.calling(client, "wait", job_id=job_id, wait_s=wait_s)
        assert heard.stages == [how]


@pytest.mark.parametrize("how", ["succeeded", "failed"])
async def test_a_wait_for_a_job_that_ends_meanwhile_tells_its_end_once(
    connect: Connect, producer: MemoryProducer, how: str
) -> None:
    heard = Heard()
    async with connect() as client:
        job_id = (await call(client, "ask", **ASKED, wait_s=0))["job_id"]
        waiting = asyncio.create_task(heard.calling(client, "wait", job_id=job_id, wait_s=30))

        async def is_heard() -> bool:
            await producer.tell(job_id, progress=Progress(stage="computing"))
            return "computing" in heard.stages

        await until(is_heard)
        await end(producer, job_id, how)
        await waiting
        await until(lambda: how in heard.stages)
        assert heard.stages.count(how) == 1
        assert heard.stages[-1] == how


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("ask", ASKED),
        ("upload_text", {"session_id": "ada", "filename": "a.csv", "content": "x\n1\n", "idempotency_key": "k"}),
    ],
)
async def test_a_call_that_is_repeated_after_the_end_of_its_job_tells_the_same_stages(
    connect: Connect, answers: Answers, tool: str, given: dict[str, Any]
) -> None:
    answers.by_kind = {"upload": UPLOADED, "generate": GENERATED}
    first, again = Heard(), Heard()
    async with connect() as client:
        result = await first.calling(client, tool, **given, wait_s=30)
        assert await again.calling(client, tool, **given, wait_s=30) == result
        await until(lambda: again.stages == first.stages)
    assert first.stages[-1] == "succeeded"
