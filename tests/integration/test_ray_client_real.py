"""The client against a real Ray head."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ray.job_submission import JobSubmissionClient

from raylane_common.errors import RayAuth, RayRejected, RunExists, RunNotFound, SubmitOutcomeUnknown
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import RunStatus
from raylane_common.ray.observe import Happening
from raylane_common.ray.package import build_package
from raylane_common.ray.settings import RaySettings
from raylane_common.redis.source_store import SourceStore
from raylane_common.settings import Settings
from raylane_common.wire.ray import RaySubmitRequest
from raylane_worker.context import Resources
from raylane_worker.embedded import EmbeddedRay, guard
from raylane_worker.run_slots import RunSlots
from tests.helpers.handler_harness import Cut, Job
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

CODE = """\
import sys

def divide(value):
    return value / 0

print("before it breaks: ü")
divide(1)
"""

PROCESSES = """\
import json, os, ray
from pathlib import Path

def look():
    return {"nice": os.nice(0), "names": sorted(os.environ)}

def holders(text):
    found = []
    for file in [*Path("/proc").glob("[0-9]*/environ"), *Path("/proc").glob("[0-9]*/cmdline")]:
        try:
            if text in file.read_bytes():
                found.append(str(file))
        except OSError:
            pass
    return found

ray.init(log_to_driver=False)
token = Path(os.environ["RAY_AUTH_TOKEN_PATH"]).read_bytes()
task = ray.get(ray.remote(look).remote())
print(json.dumps({"driver": look(), "task": task, "holders": holders(token)}))
"""

BUSY = """\
import sys, time, ray

ray.init(log_to_driver=False)
seconds = float(sys.argv[1])
ray.get(ray.remote(num_cpus=2)(lambda: time.sleep(seconds)).remote())
"""


@pytest.fixture
def head(ray_head: EmbeddedRay) -> EmbeddedRay:
    return ray_head


@asynccontextmanager
async def connected(head: EmbeddedRay, **changes: str) -> AsyncIterator[RayClient]:
    settings = {"private_url": head.url, "token": head.token, "poll_interval_s": 0.2} | changes
    async with RayClient(RaySettings.model_validate(settings)) as client:
        yield client


async def has_status(client: RayClient, submission_id: str, *wanted: RunStatus) -> bool:
    return (await client.job(submission_id)).status in wanted


async def test_a_shipped_script_runs_and_its_traceback_shows_the_source(head: EmbeddedRay) -> None:
    package = build_package({"main.py": CODE})
    metadata = {"raylane_job_id": "a", "raylane_session_id": "s"}
    async with connected(head) as client:
        for _ in range(2):
            submission = await client.submit(
                submission_id="rl-a-1", entrypoint="python main.py", package=package, metadata=metadata
            )
            assert (submission.submission_id, submission.endpoint) == ("rl-a-1", "private")
        with pytest.raises(RunExists):
            await client.submit(submission_id="rl-a-1", entrypoint="python other.py", metadata=metadata)
        with pytest.raises(RunExists):
            await client.submit(submission_id="rl-a-1", entrypoint="python main.py", metadata={"raylane_job_id": "b"})

        await until(lambda: has_status(client, "rl-a-1", RunStatus.FAILED), timeout_s=60)
        job = await client.job("rl-a-1")
        assert (job.driver_exit_code, job.metadata, job.entrypoint) == (1, metadata, "python main.py")
        logs = await client.logs("rl-a-1")
        assert "before it breaks: ü" in logs.text
        assert 'main.py", line 4, in divide' in logs.text
        assert "return value / 0" in logs.text
        assert "ZeroDivisionError" in logs.text
        tail = await client.logs("rl-a-1", max_bytes=40)
        assert tail.truncated
        assert logs.text.endswith(tail.text)
        assert "rl-a-1" in [job.submission_id for job in await client.jobs()]


async def has_ended_before(client: RayClient, submission_id: str) -> bool:
    return await client.ask_to_stop(submission_id) is False


async def is_gone(client: RayClient, submission_id: str) -> bool:
    try:
        return not await client.delete(submission_id)
    except RunNotFound:
        return True


async def all_refuse_what_is_gone(client: RayClient, submission_id: str) -> bool:
    await until(lambda: is_gone(client, submission_id), timeout_s=60)
    for call in (client.job, client.logs, client.ask_to_stop, client.stop, client.delete):
        try:
            await call(submission_id)
        except RunNotFound as error:
            assert f"{submission_id} does not exist" in error.message
        else:
            return False
    return True


async def test_a_run_is_stopped_and_deleted(head: EmbeddedRay) -> None:
    async with connected(head) as client:
        await client.submit(submission_id="rl-b-1", entrypoint="sleep 120", env_vars={"A": "1"})
        await until(lambda: has_status(client, "rl-b-1", RunStatus.RUNNING), timeout_s=60)
        with pytest.raises(RayRejected, match="non-terminal"):
            await client.delete("rl-b-1")
        assert await client.ask_to_stop("rl-b-1") is True
        await until(lambda: has_status(client, "rl-b-1", RunStatus.STOPPED), timeout_s=60)
        # Ray says STOPPED a moment before the job's supervisor is gone, and "stopped" for as long as that is there.
        await until(lambda: has_ended_before(client, "rl-b-1"), timeout_s=60)
        assert await client.delete("rl-b-1") is True
        # Ray may write the last state of a run once more after it was deleted, at any moment.
        await until(lambda: all_refuse_what_is_gone(client, "rl-b-1"), timeout_s=60)


@pytest.mark.parametrize("token", ["", "wrong"])
async def test_a_missing_or_wrong_token_is_refused(head: EmbeddedRay, token: str) -> None:
    async with connected(head, token=token, public_url=head.url) as client:
        with pytest.raises(RayAuth, match="RAYLANE_RAY__TOKEN"):
            await client.version()
        with pytest.raises(RayAuth):
            await client.submit(submission_id="rl-c-1", entrypoint="true")
    async with connected(head) as client:
        assert (await client.version()).session_name
        with pytest.raises(RunNotFound):
            await client.job("rl-c-1")


def agent_of(head: EmbeddedRay) -> int:
    """The process that starts jobs and reads logs, among those of the head that we started."""
    for pid in guard.members([head.guard_pid]):
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"ray::DashboardAgent"):
            return pid
    raise AssertionError("the head has no agent")


async def test_a_submission_whose_answer_is_lost_runs_once(head: EmbeddedRay, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    agent = agent_of(head)
    async with connected(head, submit_timeout_s="12", request_timeout_s="3") as client:
        os.kill(agent, signal.SIGSTOP)
        try:
            submitting = asyncio.create_task(
                client.submit(submission_id="rl-lost-1", entrypoint=f"echo once >> {ran}", metadata={"a": "1"})
            )
            # The version, and what the head itself knows of the job, is still answered.
            lost = Happening("request", "private", "submit", "lost")
            await until(lambda: submitting.done() or client.counters.counts.get(lost, 0) >= 1)
            assert client.counters.counts.get(lost, 0) >= 1
        finally:
            os.kill(agent, signal.SIGCONT)
        with suppress(SubmitOutcomeUnknown):
            await submitting
        submission = await client.submit(
            submission_id="rl-lost-1", entrypoint=f"echo once >> {ran}", metadata={"a": "1"}
        )
        assert submission.submission_id == "rl-lost-1"
        job = await client.wait("rl-lost-1", accepted=True, timeout_s=60)
        assert job.status is RunStatus.SUCCEEDED
        assert ran.read_text() == "once\n"
        assert len([job for job in await client.jobs() if job.submission_id == "rl-lost-1"]) == 1


async def test_output_is_followed_while_it_is_printed(head: EmbeddedRay) -> None:
    code = "import time\nfor i in range(30):\n    print('line', i, 'ü', flush=True)\n    time.sleep(0.05)\n"
    async with connected(head) as client:
        await client.submit(
            submission_id="rl-tail-1", entrypoint="python main.py", package=build_package({"main.py": code})
        )
        text = ""
        async for piece in client.follow_logs("rl-tail-1"):
            text += piece.text
            assert piece.end == len(text)
        assert (await client.job("rl-tail-1")).status is RunStatus.SUCCEEDED
        assert text == (await client.logs("rl-tail-1")).text
        assert "line 29 ü" in text
        rest = [piece.text async for piece in client.follow_logs("rl-tail-1", after=len(text) - 5)]
        assert "".join(rest) == text[-5:]


async def test_a_run_is_not_niced_and_no_environment_holds_the_token_or_secrets_of_ours(head: EmbeddedRay) -> None:
    async with connected(head) as client:
        package = build_package({"main.py": PROCESSES})
        await client.submit(submission_id="rl-look-1", entrypoint="python main.py", package=package)
        assert (await client.wait("rl-look-1", timeout_s=60)).status is RunStatus.SUCCEEDED
        found = json.loads((await client.logs("rl-look-1")).text.splitlines()[-1])
    assert found["holders"] == []
    for process in (found["driver"], found["task"]):
        # On a busy machine a run with less priority would starve.
        assert process["nice"] == os.nice(0)
        assert "RAY_AUTH_TOKEN" not in process["names"]
        # Any variable of this process could hold a secret; pytest sets this one.
        assert "PYTEST_VERSION" in os.environ
        assert "PYTEST_VERSION" not in process["names"]


async def test_what_a_run_waits_for_is_known(head: EmbeddedRay) -> None:
    package = build_package({"main.py": BUSY})
    async with connected(head) as client:

        async def waits(submission_id: str) -> bool:
            return await client.waits_for(submission_id) == "CPU on the cluster: 0 of 2 free"

        await client.submit(submission_id="rl-busy-1", entrypoint="python main.py 600", package=package)
        await until(lambda: has_task(client, "rl-busy-1"), timeout_s=60)
        assert await client.waits_for("rl-busy-1") is None
        await client.submit(submission_id="rl-busy-2", entrypoint="python main.py 0", package=package)
        await until(lambda: waits("rl-busy-2"), timeout_s=60)
        await client.stop("rl-busy-1")
        assert (await client.wait("rl-busy-2", timeout_s=60)).status is RunStatus.SUCCEEDED
        assert await client.waits_for("rl-busy-2") is None


async def has_task(client: RayClient, submission_id: str) -> bool:
    job = await client.job(submission_id)
    return job.job_id is not None and await client._has_task(job.job_id, "RUNNING")


async def test_rays_own_client_sees_our_jobs_and_we_see_its(head: EmbeddedRay) -> None:
    headers = {"Authorization": f"Bearer {head.token}"}
    sdk = await asyncio.to_thread(JobSubmissionClient, head.url, headers=headers)
    async with connected(head) as client:
        await client.submit(submission_id="rl-ours-1", entrypoint="echo ours", metadata={"who": "raylane"})
        theirs = await asyncio.to_thread(sdk.submit_job, entrypoint="echo theirs", metadata={"who": "sdk"})
        for submission_id in ("rl-ours-1", theirs):
            assert (await client.wait(submission_id, timeout_s=60)).status is RunStatus.SUCCEEDED
        assert await asyncio.to_thread(sdk.get_job_status, "rl-ours-1") == "SUCCEEDED"
        assert "ours" in await asyncio.to_thread(sdk.get_job_logs, "rl-ours-1")
        seen = {job.submission_id: job for job in await asyncio.to_thread(sdk.list_jobs)}
        assert seen["rl-ours-1"].metadata == {"who": "raylane"}
        assert [job.submission_id for job in await client.jobs(metadata={"who": "sdk"})] == [theirs]
        assert "theirs" in (await client.logs(theirs)).text


async def test_health_nodes_and_status_of_a_real_cluster(head: EmbeddedRay) -> None:
    async with connected(head) as client:
        health = await client.health()
        assert (health.gcs_ok, health.endpoint) == (True, "private")
        [node] = await client.nodes()
        assert node.is_head_node
        assert node.resources_total["CPU"] == 2
        assert "ResourceUsage" in (await client.cluster_status()).text
        package = build_package({"main.py": "print('found again')"})
        assert not await client.has_package(package)
        await client.upload_package(package)
        assert await client.has_package(package)


@pytest.mark.parametrize("stage", ["submitting", "running"])
async def test_a_run_is_stopped_as_early_as_its_job_is_cancelled(head: EmbeddedRay, redis: Redis, stage: str) -> None:
    request = RaySubmitRequest(code="import time\ntime.sleep(600)\n")
    async with connected(head) as client:
        resources = Resources(Settings(), client, SourceStore(redis), RunSlots(client))
        job = Job(request, resources, Cut(), round=["submitting", "running"].index(stage))
        attempt = asyncio.create_task(job.run())
        await until(lambda: job.stage == stage)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await job.clean_up()
        runs = [run for run in await client.jobs() if (run.metadata or {}).get("raylane_job_id") == "job1"]
        assert [run.status for run in runs if not run.status.is_final] == []
        assert stage == "submitting" or RunStatus.STOPPED in [run.status for run in runs]
