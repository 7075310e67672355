"""Runs that wait for a script: one script gets one run, whatever happens on the way."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from raylane_common.errors import RunFailed, StorageUnavailable
from raylane_common.wire.generate import GenerateRequest, GenerateResult
from raylane_common.wire.ray import RaySubmitRequest
from raylane_worker.context import CurrentSettings
from raylane_worker.run_kit import WARM_LAUNCHER, WARM_UNUSED
from raylane_worker.runs import run as runs
from raylane_worker.runs import warm
from raylane_worker.runs.warm import WarmRuns
from tests.helpers.handler_harness import Harness, a_source, open_harness
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pydantic import JsonValue
    from redis.asyncio import Redis

    from tests.helpers.handler_harness import Cut, Job

OWN = "rl-job1-1"
QUESTION = GenerateRequest(prompt="average temp_max by weather", execute=True, generator="template")


@dataclass
class Scripts:
    """The scripts on S3, by run. Each write and each deletion is a step at which an attempt can be cut."""

    cut: Cut
    found: dict[str, bytes] = field(default_factory=dict)
    error: StorageUnavailable | None = None
    """Raised by a write after it has had its effect, as if the answer was lost."""

    async def put(self, key: str, data: bytes) -> None:
        await self.cut.point()
        self.found[_run_of(key)] = data
        await self.cut.point()
        if self.error is not None:
            raise self.error

    async def delete(self, key: str) -> None:
        self.found.pop(_run_of(key), None)

    async def get(self) -> Any:
        """As the storage of a worker, with which these are all that a warm run uses."""
        return SimpleNamespace(at=lambda bucket: SimpleNamespace(scripts=self))


def _run_of(key: str) -> str:
    return key.removeprefix("warm/").removesuffix(".json")


@dataclass
class Rig:
    """A cluster whose warm runs take their scripts when they are looked at, and a worker that keeps one of them."""

    harness: Harness
    scripts: Scripts
    warm: WarmRuns
    current: CurrentSettings
    gives_up: bool = False
    """Warm runs that have no script when they are looked at end."""
    is_deaf: bool = False
    """They do not see their scripts."""

    def job(self, request: GenerateRequest | RaySubmitRequest = QUESTION) -> Job:
        return self.harness.job(request)

    def look(self, run_id: str) -> None:
        """What a warm run does, and when another run ends."""
        is_warm = self.harness.ray.jobs[run_id]["entrypoint"] == f"python -m {WARM_LAUNCHER}"
        has_script = run_id in self.scripts.found and not self.is_deaf
        if has_script or not is_warm:
            self.harness.ray.finish(run_id, self.harness.ray.exit_code)
        elif self.gives_up:
            self.harness.ray.finish(run_id, WARM_UNUSED)

    def ran(self) -> list[str]:
        """Returns the runs in which a script has run."""
        jobs = self.harness.ray.jobs
        return [
            run_id
            for run_id, job in jobs.items()
            if (job["entrypoint"] == f"python -m {WARM_LAUNCHER}") <= (run_id in self.scripts.found)
            and job["driver_exit_code"] != WARM_UNUSED
            and job["status"] != "STOPPED"
        ]

    def waiting(self) -> list[str]:
        """Returns the warm runs that have no script and have not ended."""
        jobs = self.harness.ray.jobs
        return [
            run_id for run_id, job in jobs.items() if job["status"] == "RUNNING" and run_id not in self.scripts.found
        ]

    async def afresh(self) -> Job:
        """Resets the cluster and the session, starts a warm run, and returns another job."""
        ray = self.harness.ray
        for kept in (ray.jobs, ray.logs, ray.polls, self.scripts.found):
            kept.clear()
        ray.submissions = 0
        self.gives_up = False
        await self.harness.sources.reset("s1")
        await self.harness.sources.put("s1", [a_source()])
        await self.warm.fill()
        return self.job()


@pytest.fixture
async def rig(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rig]:
    monkeypatch.setattr(runs, "_LATE_RUN_S", 0.1)
    async with open_harness(redis, warm_runs=1) as harness:
        scripts, current = Scripts(harness.cut), CurrentSettings(harness.resources.settings)
        pool = WarmRuns(harness.resources.ray, current, cast("Any", scripts))
        opened = Rig(replace(harness, resources=replace(harness.resources, warm=pool)), scripts, pool, current)
        harness.ray.on_poll = opened.look
        await pool.fill()
        yield opened


def result_of(result: object) -> GenerateResult:
    assert isinstance(result, GenerateResult)
    assert result.run is not None
    assert result.run.status == "SUCCEEDED"
    return result


async def test_a_small_local_script_is_given_to_a_waiting_run(rig: Rig) -> None:
    (waiting,) = rig.harness.ray.jobs
    job = rig.job()
    result = result_of(await job.run())
    assert result.run is not None
    assert (result.run.submission_id, rig.harness.ray.submissions) == (waiting, 1)
    _, script = rig.scripts.found[waiting].split(b"\n", 1)
    given: dict[str, dict[str, JsonValue]] = json.loads(script)
    assert given["files"].keys() == {"main.py", "sources.json"}
    assert given["files"]["main.py"] == result.code
    assert given["variables"] == {"RAYLANE_OUTPUT_URI": result.run.output_uri}
    assert result.run.output_uri == f"s3://raylane/sessions/s1/runs/{waiting}/"
    # Before the script was handed over.
    assert [each.message for each in job.progress_updates if each.stage == "submitting"] == [f"{waiting} for {OWN}"]


async def test_after_an_attempt_is_cut_at_any_step_the_script_has_run_once(rig: Rig) -> None:
    at, was_cut = 0, True
    while was_cut:
        at += 1
        job = await rig.afresh()
        was_cut = await job.run_cut(at)
        rig.gives_up = True
        if was_cut:
            result_of(await job.run())
        rig.harness.cut.at = 0
        assert len(rig.ran()) == 1, f"cut at step {at}"
    assert at > 15


@pytest.mark.parametrize("ends", [False, True], ids=["runs", "ends"])
async def test_a_job_cancelled_at_any_step_leaves_no_script_running(rig: Rig, ends: bool) -> None:
    at, was_cut = 0, True
    while was_cut:
        at += 1
        job = await rig.afresh()
        was_cut = await job.run_cut(at)
        if was_cut:
            rig.is_deaf, rig.gives_up = not ends, ends
            await job.clean_up()
            rig.is_deaf = False
            running = [run_id for run_id, job in rig.harness.ray.jobs.items() if job["status"] == "RUNNING"]
            assert running == rig.waiting(), f"cut at step {at}"
            used_up = "SUCCEEDED" in rig.harness.ray.statuses().values()
            assert await rig.harness.source_job_ids() == ([] if used_up else ["up1"]), f"cut at step {at}"
    assert at > 15


async def test_a_run_that_did_not_get_its_script_is_replaced_and_no_other_is_started(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.is_deaf = rig.gives_up = True
    result = result_of(await rig.job().run())
    assert result.run is not None
    assert result.run.submission_id == OWN
    assert rig.ran() == [OWN]
    assert "s3:GetObject" in caplog.text
    await rig.warm.fill()
    assert rig.harness.ray.submissions == 2


async def test_a_lost_answer_of_s3_does_not_start_a_second_run(rig: Rig) -> None:
    rig.scripts.error = StorageUnavailable("S3 does not answer")
    result = result_of(await rig.job().run())
    assert result.run is not None
    assert rig.ran() == [result.run.submission_id] != [OWN]


async def test_a_script_that_fails_in_a_warm_run_has_failed(rig: Rig) -> None:
    rig.harness.ray.exit_code = 1
    with pytest.raises(RunFailed):
        await rig.job().run()
    assert rig.harness.ray.submissions == 1


@pytest.mark.parametrize(
    "request_",
    [QUESTION.model_copy(update={"engine": "distributed"}), RaySubmitRequest(code="print(1)")],
    ids=["distributed", "ray submit"],
)
async def test_other_scripts_get_runs_of_their_own(rig: Rig, request_: GenerateRequest | RaySubmitRequest) -> None:
    await rig.job(request_).run()
    assert rig.ran() == [OWN]


async def test_a_script_that_needs_more_memory_gets_a_run_of_its_own(rig: Rig) -> None:
    large = a_source().model_copy(update={"size_bytes": 128 * 1024**2})
    await rig.harness.sources.put("s1", [large])
    await rig.job().run()
    assert rig.ran() == [OWN]


async def test_a_run_that_may_soon_end_gets_no_script_and_is_replaced(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(warm, "_OFFERED_S", 0.0)
    await rig.job().run()
    assert rig.ran() == [OWN]
    monkeypatch.undo()
    await rig.warm.fill()
    assert len(rig.waiting()) == 2


async def test_a_run_on_another_cluster_gets_no_script(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def another() -> str:
        return "another"

    monkeypatch.setattr(rig.harness.resources.ray, "cluster_name", another)
    assert await rig.warm.take(None, None) is None


async def test_runs_that_have_ended_are_replaced(rig: Rig) -> None:
    (first,) = rig.waiting()
    rig.harness.ray.finish(first, WARM_UNUSED)
    await rig.warm.fill()
    (second,) = rig.waiting()
    assert second != first


async def test_the_number_of_runs_follows_the_setting_and_leaves_cpus_for_tasks(rig: Rig) -> None:
    async def use(number: int) -> int:
        ray = rig.current.settings.ray.model_copy(update={"warm_runs": number})
        rig.current.settings = rig.current.settings.model_copy(update={"ray": ray})
        await rig.warm.fill()
        return len(rig.waiting())

    assert await use(5) == 1
    rig.harness.ray.nodes[0]["resources_total"] = {"CPU": 7.0}
    assert [await use(5), await use(2), await use(0)] == [3, 2, 0]


async def test_a_worker_stops_the_runs_that_wait_and_deletes_the_scripts_of_those_that_ended(rig: Rig) -> None:
    async with rig.warm:
        result = result_of(await rig.job().run())
        assert result.run is not None
    assert not rig.waiting()
    assert not rig.scripts.found


async def test_a_worker_keeps_runs_waiting(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "_REFILL_AFTER_S", 0.0)
    async with rig.warm:
        for _ in range(2):
            await until(lambda: len(rig.waiting()) == 1)
            await rig.job().run()
            await rig.harness.sources.put("s1", [a_source()])
