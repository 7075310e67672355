"""The operator's commands, commands for one job, and the options of a job that all enqueuing commands take."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane.cli.parameters import JobsOptions
from raylane.cli.times import duration_text
from raylane_common.errors import RunFailed, StorageUnavailable
from raylane_common.wire.jobs import JobRecord
from tests.helpers.queue_keys import keys
from tests.helpers.waiting import until
from tests.unit.producer.samples import CSV_BYTES, GENERATED, UPLOADED

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.unit.cli.conftest import Cli, ScriptedWorker

OPTIONS = ["--delay", "60", "--expires", "90", "--priority", "high", "--unique", "k"]


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "main.py"
    path.write_bytes(CSV_BYTES)
    return str(path)


async def test_every_command_that_enqueues_work_takes_the_options_of_a_job(cli: Cli, script: str) -> None:
    await cli("ray", "status", "--no-wait", "--job-id", "first")
    await cli("ray", "runs", "--no-wait", "--job-id", "second")
    for number, command in enumerate(
        (
            ["upload", script, "-s", "s1"],
            ["generate", "count", "-s", "s1"],
            ["tables", "select", "d.t", "-s", "s1"],
            ["ray", "submit", script, "--no-wait"],
        )
    ):
        ran = await cli(*command, *OPTIONS, "--job-id", f"j{number}", "--after", "first", "--after", "second")
        assert ran.exit_code == 0, ran.output
        record = await _record(cli, f"j{number}")
        assert (record.status, record.after) == ("waiting", ("first", "second"))
        assert (record.priority, record.unique) == ("high", "k")
        assert record.at == record.enqueued_at + 60_000
        assert record.expires_at == record.enqueued_at + 90_000
        again = await cli(*command, *OPTIONS)
        assert again.stdout == f"j{number}\n"


async def test_run_gives_its_options_to_both_of_its_jobs(cli: Cli, script: str) -> None:
    await cli("ray", "status", "--no-wait", "--job-id", "first")
    given = ["--after", "first", "--delay", "60", "--expires", "90", "--priority", "low"]
    ran = await cli("run", script, "count", "-s", "s1", "--job-id", "mine", "--no-wait", *given)
    assert ran.exit_code == 0, ran.output
    upload, generate = await _record(cli, "mine-upload"), await _record(cli, "mine")
    assert (upload.after, generate.after) == (("first",), ("mine-upload",))
    assert (upload.at is None, generate.at) == (False, None)
    assert (upload.priority, generate.priority) == ("low", "low")
    assert None not in (upload.expires_at, generate.expires_at)


async def test_status_shows_the_options_that_were_given(cli: Cli, script: str) -> None:
    await cli("ray", "status", "--no-wait", "--job-id", "first")
    await cli("upload", script, "-s", "s1", "--job-id", "j", "--after", "first", *OPTIONS)
    facts = _facts((await cli("status", "j")).stdout)
    assert (facts["status"], facts["after"], facts["priority"], facts["unique"]) == ("waiting", "first", "high", "k")
    assert facts["enqueued"] < facts["due"] < facts["expires"]


async def test_cancel_ends_a_job_that_is_not_running(cli: Cli) -> None:
    await cli("ray", "status", "--no-wait", "--job-id", "j")
    for _ in range(2):
        ran = await cli("cancel", "j")
        assert (ran.exit_code, ran.stdout) == (0, "j cancelled\n")
    result = await cli("result", "j")
    assert (result.exit_code, "[job_cancelled]" in result.stderr) == (1, True)
    assert json.loads((await cli("cancel", "j", "--json")).stdout) == {"job_id": "j", "status": "cancelled"}


async def test_cancel_waits_for_the_end_of_a_running_job(cli: Cli, worker: ScriptedWorker) -> None:
    await cli("ray", "status", "--job-id", "j", "--no-wait")
    await until(lambda: bool(worker.claimed))
    ran = await cli("cancel", "j", "--wait")
    assert (ran.exit_code, ran.stdout) == (0, "j cancelled\n")


async def test_cancel_says_that_a_running_job_is_being_stopped(cli: Cli, worker: ScriptedWorker) -> None:
    worker.ignores_cancels = True
    await cli("ray", "status", "--job-id", "j", "--no-wait")
    await until(lambda: bool(worker.claimed))
    assert (await cli("cancel", "j")).stdout == "j is being stopped\n"
    assert "cancelled" in _facts((await cli("status", "j")).stdout)
    timed_out = await cli("cancel", "j", "--wait", "--timeout", "0.01")
    assert (timed_out.exit_code, "[wait_timeout]" in timed_out.stderr) == (4, True)


async def test_retry_puts_a_failed_job_back(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes["generate"] = RunFailed("it broke")
    await cli("generate", "count", "-s", "s1", "--job-id", "j", "--wait")
    worker.outcomes["generate"] = GENERATED
    retried = await cli("retry", "j")
    assert (retried.exit_code, retried.stdout) == (0, "j\n")
    assert "raylane follow j" in retried.stderr
    assert (await cli("result", "j", "--wait")).exit_code == 0


async def test_dead_letters_are_listed_shown_and_put_back(cli: Cli, worker: ScriptedWorker, script: str) -> None:
    worker.outcomes["upload"] = StorageUnavailable("no answer")
    assert "no such jobs" in (await cli("dead", "list")).stderr
    await cli("run", script, "count", "-s", "s1", "--job-id", "j")
    await cli("upload", script, "-s", "s2", "--job-id", "other", "--wait")

    listed = (await cli("dead", "list")).stdout.splitlines()
    assert listed[0].split() == ["failed", "job", "kind", "session", "attempts", "error"]
    assert {line.split()[2] for line in listed[1:]} == {"j", "j-upload", "other"}
    found = json.loads((await cli("dead", "list", "--kind", "upload", "-s", "s1", "--json")).stdout)
    assert [record["id"] for record in found] == ["j-upload"]

    shown = (await cli("dead", "show", "j-upload")).stdout
    assert '"filename": "main.py"' in shown
    assert "no answer [storage_unavailable]" in shown.split("--- failed attempts")[1]
    document = json.loads((await cli("dead", "show", "j-upload", "--json")).stdout)
    assert (document["record"]["id"], document["attempts"][0]["number"]) == ("j-upload", 1)

    early = await cli("dead", "requeue", "--code", "dependency_failed", "--json")
    [outcome] = json.loads(early.stdout)
    assert (early.exit_code, outcome["job_id"], outcome["error"]["code"]) == (1, "j", "job_not_requeued")
    worker.outcomes |= {"upload": UPLOADED, "generate": GENERATED}
    one = await cli("dead", "requeue", "other")
    assert (one.exit_code, one.stdout) == (0, "other\n")
    rest = await cli("dead", "requeue", "--all")
    assert rest.exit_code == 0, rest.output
    assert [line.split() for line in rest.stdout.splitlines()[1:]] == [["j-upload", "requeued"], ["j", "requeued"]]
    assert (await cli("result", "j", "--wait")).exit_code == 0
    assert "no such jobs" in (await cli("dead", "requeue", "--all")).stderr
    assert json.loads((await cli("dead", "requeue", "--all", "--json")).stdout) == []


async def test_lanes_are_a_table_of_three(cli: Cli) -> None:
    await cli("generate", "count", "-s", "s1")
    head, *lanes = (await cli("lanes")).stdout.splitlines()
    assert head.split()[:7] == ["lane", "waiting", "scheduled", "queued", "parked", "running", "dead"]
    assert [line.split()[0] for line in lanes] == ["upload", "generate", "ray"]
    assert lanes[1].split()[1:7] == ["0", "0", "1", "0", "0", "0"]
    assert lanes[1].split()[-3:] == ["s", "0.0", "none"]
    _, generate, _ = json.loads((await cli("lanes", "--json")).stdout)
    assert (generate["lane"], generate["queued"], generate["workers"]) == ("generate", 1, [])


async def test_lanes_end_with_the_runs_of_each_cluster(cli: Cli, redis: Redis) -> None:
    await redis.hset(keys.run_limits, "session_1", "4")  # type: ignore[misc]  # redis-py's sync/async union
    await redis.zadd(keys.run_slots("session_1"), {"j1": 1})
    await redis.zadd(keys.run_line("session_1"), {"j2": 1, "j3": 2})
    for key in (keys.run_limits, keys.run_slots("session_1"), keys.run_line("session_1")):
        await redis.expire(key, 60)
    assert (await cli("lanes")).stdout.splitlines()[-1] == "runs on session_1: 1 of 4, 2 waiting"


async def test_jobs_of_all_sessions_are_listed(cli: Cli, script: str) -> None:
    assert "no such jobs" in (await cli("jobs")).stderr
    await cli("upload", script, "-s", "s1", "--job-id", "up")
    await cli("generate", "count", "-s", "s2", "--job-id", "gen", "--delay", "60")
    head, *jobs = (await cli("jobs", RAYLANE_SESSION="s1")).stdout.splitlines()
    assert head.split() == ["enqueued", "job", "kind", "session", "status", "attempt", "what"]
    assert {tuple(line.split()[2:]) for line in jobs} == {
        ("up", "upload", "s1", "queued", "0", "main.py"),
        ("gen", "generate", "s2", "scheduled", "0", "count"),
    }
    for filters in (["--state", "scheduled"], ["--session", "s2"], ["--kind", "generate"]):
        assert [record["id"] for record in json.loads((await cli("jobs", *filters, "--json")).stdout)] == ["gen"]
    assert len(json.loads((await cli("jobs", "--limit", "1", "--json")).stdout)) == 1


async def test_a_search_that_ended_at_its_limit_says_so(cli: Cli, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raylane_common.redis.queue.overview._MOST_SEARCHED", 0)
    await cli("upload", script, "-s", "s1", "--job-id", "up")
    ran = await cli("jobs", "--json")
    assert json.loads(ran.stdout) == []
    assert "only the newest jobs of each lane were searched" in ran.stderr


async def test_follow_prints_generated_text_as_it_arrives(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes["generate"] = GENERATED
    worker.texts = ["import", " ray\n", "print(\x1b[1m1", ")"]
    ran = await cli("generate", "count", "-s", "s1", "--job-id", "j", "--wait", "--no-chart")
    assert [line.split(maxsplit=1)[1] for line in ran.stderr.splitlines()] == [
        "queued",
        "running",
        "working: on it 1/3 rows",
        "succeeded",
    ]
    followed = (await cli("follow", "j")).stdout.splitlines()
    assert followed[3:5] == ["import ray", "print(1)"]
    assert followed[5].endswith("succeeded")
    events = [json.loads(line) for line in (await cli("follow", "j", "--json")).stdout.splitlines()]
    assert [event["text"] for event in events if event["type"] == "text"] == worker.texts


async def test_follow_says_how_many_events_are_no_longer_kept(
    cli: Cli, worker: ScriptedWorker, redis: Redis, script: str
) -> None:
    worker.outcomes["upload"] = UPLOADED
    await cli("upload", script, "-s", "s1", "--job-id", "j", "--wait")
    await redis.xtrim(keys.job_events("j"), maxlen=1, approximate=False)
    first, last = [line.split(maxsplit=1)[1] for line in (await cli("follow", "j")).stdout.splitlines()]
    assert first.startswith("… ")
    assert first.endswith(" earlier events are no longer kept")
    assert last == "succeeded"
    gap, _ = [json.loads(line) for line in (await cli("follow", "j", "--json")).stdout.splitlines()]
    assert gap["type"] == "gap"
    assert f"… {gap['missing']} earlier" in first
    waited = await cli("result", "j", "--wait")
    assert "… " in waited.stderr
    resumed = (await cli("follow", "j", "--after", "1-0")).stdout
    assert "… some earlier events are no longer kept" in resumed


@given(st.datetimes(min_value=datetime(1970, 1, 3), max_value=datetime(2200, 1, 1)))
def test_a_time_without_a_zone_is_local_time(moment: datetime) -> None:
    at = JobsOptions(at=moment.isoformat()).options().get("at")
    assert at is not None
    assert at.tzinfo is not None
    assert at.timestamp() == moment.timestamp()
    assert JobsOptions(at=at.isoformat()).options().get("at") == at


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (120, "2 min"), (7200, "2.0 h"), (172_800, "2.0 d")],
)
def test_a_duration_is_printed_in_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


async def _record(cli: Cli, job_id: str) -> JobRecord:
    return JobRecord.model_validate_json((await cli("status", job_id, "--json")).stdout)


def _facts(text: str) -> dict[str, str]:
    return dict(line.split(maxsplit=1) for line in text.split("\n\n")[0].splitlines())
