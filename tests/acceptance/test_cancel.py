"""Cancelling what already runs on a real cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import JobCancelled
from raylane_common.ray.models import RunStatus
from raylane_common.wire.jobs import JobStatus
from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from raylane import Producer

pytestmark = pytest.mark.timeout(300)


async def test_a_cancelled_jobs_run_does_not_go_on_and_its_session_keeps_its_sources(producer: Producer) -> None:
    await (await producer.upload_bytes("a,b\n1,2\n", filename="x.csv", session_id="cancel")).result(60)
    submitting = await producer.cluster.submit("import time\nwhile True:\n    time.sleep(0.1)\n")
    generating = await producer.generate("how many rows", session_id="cancel", execute=True)
    for job in (submitting, generating):

        async def runs() -> bool:
            record = await job.record()  # noqa: B023  # called before the next turn only
            assert not record.status.is_final, record.error
            return record.progress is not None and record.progress.stage == "running"

        await until(runs, timeout_s=60)
        assert await job.cancel() is JobStatus.RUNNING
    for job in (submitting, generating):
        with pytest.raises(JobCancelled, match="cancelled"):
            await job.result(TIMEOUT_S)
        record = await job.record()
        assert record.status is JobStatus.CANCELLED
        assert record.error is not None
        # On a busy machine Ray needs longer to stop a run than the job waits for it. The error then names the run.
        run_id = f"rl-{job.id}-1"
        assert record.error.details == {} or record.error.details["submission_id"] == run_id

        async def is_stopped() -> bool:
            run = (await (await producer.cluster.run(run_id)).result(60)).run  # noqa: B023  # as above
            return run.status is RunStatus.STOPPED

        await until(is_stopped, timeout_s=60)
    assert [source.name for source in await producer.sources("cancel")] == ["x.csv"]
