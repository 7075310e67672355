"""What each command enqueues and prints, and what it exits with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from raylane_common.errors import RunFailed
from raylane_common.ray.models import EndpointReport, EndpointState, RayRun, RayVersion, RunStatus
from raylane_common.redis.source_store import SourceStore
from raylane_common.wire.generate import GenerateResult
from raylane_common.wire.jobs import EventType, JobEvent
from raylane_common.wire.ray import (
    RayDeleteResult,
    RayLogsResult,
    RayRunResult,
    RayRunsResult,
    RayStatusResult,
    RayStopResult,
    RaySubmitResult,
)
from raylane_common.wire.reading import ReadingOptions
from raylane_common.wire.sources import ColumnProfile, ColumnType, Shape
from raylane_common.wire.tables import (
    DatabasesResult,
    DeselectedTablesResult,
    SelectedTablesResult,
    TableRef,
    TablesResult,
    TableSummary,
)
from raylane_common.wire.upload import PurgeResult, UploadResult
from tests.unit.producer.samples import COLUMNS, CSV, CSV_BYTES, FAILED_RUN, GENERATED, PREVIEWED, RUN, TABLE, UPLOADED

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis

    from tests.unit.cli.conftest import Cli, ScriptedWorker

LONG_ID = "l" + "o" * 54 + "g"
RAY_JOB = RayRun(submission_id="rl-1", status=RunStatus.RUNNING, entrypoint="python main.py", start_time=1795334676336)


@pytest.fixture
def csv(tmp_path: Path) -> str:
    path = tmp_path / "temps.csv"
    path.write_bytes(CSV_BYTES)
    return str(path)


async def test_upload_prints_the_id_of_the_job_and_nothing_else(cli: Cli, worker: ScriptedWorker, csv: str) -> None:
    ran = await cli("upload", csv, "--session", "s1", "--job-id", LONG_ID)
    assert (ran.exit_code, ran.stdout) == (0, f"{LONG_ID}\n")
    assert f"raylane follow {LONG_ID}" in ran.stderr


async def test_upload_and_wait_prints_the_preview(cli: Cli, worker: ScriptedWorker, csv: str) -> None:
    worker.outcomes["upload"] = UPLOADED.model_copy(update={"warnings": ("odd quotes",)})
    ran = await cli("upload", csv, "-s", "s1", "--wait", "--filename", "other.csv")
    assert ran.exit_code == 0, ran.output
    assert worker.claimed[0].payload["filename"] == "other.csv"
    assert ran.stdout.splitlines() == [
        f"{UPLOADED.s3_uri}  1 row, {len(CSV_BYTES)} bytes",
        "read as csv, utf-8, delimiter ',', header on line 1",
        "city string, temp integer",
        "",
        "city  temp",
        "Oslo  3",
    ]
    assert "running" in ran.stderr
    assert "working: on it 1/3 rows" in ran.stderr
    assert "warning: odd quotes" in ran.stderr


async def test_what_a_user_says_about_a_file_reaches_the_worker(cli: Cli, worker: ScriptedWorker, csv: str) -> None:
    worker.outcomes["preview"] = PREVIEWED
    said: tuple[str, ...] = (
        "--delimiter",
        "tab",
        "--header-line",
        "0",
        "--null",
        "x",
        "--null",
        "y",
        "--type",
        "a=b=string",
    )
    said += ("--delimiter", "tab", "--type", "a=b=string")  # the same once more contradicts nothing
    ran = await cli("upload", csv, "--dry-run", *said)
    assert ran.exit_code == 0, ran.output
    assert ran.stdout.startswith("temps.csv  1 row, 17 bytes; nothing was stored\n")
    assert worker.claimed[0].payload["action"] == "preview"
    expected = ReadingOptions(delimiter="\t", header_line=0, null_markers=("x", "y"), types={"a=b": ColumnType.STRING})
    assert worker.claimed[0].payload["reading"] == expected.model_dump(mode="json")


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (("--type", "zip"), "type"),
        (("--type", "zip=string", "--type", "zip=integer"), "type: 'zip' has two types"),
        (("--type", "zip=postcode"), "types.zip"),
        (("--delimiter", ",", "--delimiter", "tab"), "delimiter: was given as ',' and 'tab'; give one"),
        (("--header-line", "1", "--header-line", "0"), "header_line: was given as 1 and 0; give one"),
        (("--decimal", ";"), "decimal: must be '.' or ','"),
        (("--delimiter", "::"), "delimiter"),
        (("--header-line", "-1"), "header_line"),
    ],
)
async def test_a_wrong_word_about_a_file_is_refused_by_name(
    cli: Cli, csv: str, said: tuple[str, ...], problem: str
) -> None:
    ran = await cli("upload", csv, "-s", "s1", *said)
    assert ran.exit_code != 0
    assert problem in ran.stderr


async def test_run_shows_the_warnings_about_the_file(cli: Cli, worker: ScriptedWorker, csv: str) -> None:
    worker.outcomes |= {"upload": UPLOADED.model_copy(update={"warnings": ("odd quotes",)}), "generate": GENERATED}
    ran = await cli("run", csv, "mean of temp", "-s", "s1")
    assert "warning: odd quotes" in ran.stderr


SHOWN = [
    "city | mean(temp)",
    "-----+-----------",
    "Oslo |          3",
    "(1 row)",
    "",
    "rows: 1",
    "",
    "note: One row has no city.",
    "",
    "bar chart: mean(temp) by city (1 row)",
    "",
    "read as: mean of temp",
    "written by template (engine local, version 1, run rl-gen-1, 3.1 s on Ray)",
]
CODE = ["", "--- code", "print('mean')"]
LOG = ["", "--- rl-gen-1: SUCCEEDED on public, exit code 0", "mean 3.0"]
BARS = ["mean(temp) by city", f"Oslo | {'█' * 91} 3"]


async def test_run_uploads_generates_and_shows_the_answer(cli: Cli, worker: ScriptedWorker, csv: str) -> None:
    worker.outcomes |= {"upload": UPLOADED, "generate": GENERATED}
    ran = await cli("run", csv, "mean of temp", "--job-id", "mine", RAYLANE_SESSION="s1")
    assert ran.exit_code == 0, ran.output
    uploading, generating = worker.claimed
    assert (uploading.id, uploading.session_id) == ("mine-upload", "s1")
    assert (generating.id, generating.session_id) == ("mine", "s1")
    assert (generating.payload["prompt"], generating.payload["execute"]) == ("mean of temp", True)
    assert ran.stdout.splitlines() == SHOWN
    assert "raylane result mine --chart FILE.svg draws it" in ran.stderr


async def test_run_without_waiting_prints_the_id_of_the_generate_job(
    cli: Cli, worker: ScriptedWorker, csv: str
) -> None:
    ran = await cli("run", csv, "mean of temp", "-s", "s1", "--job-id", "mine", "--no-wait")
    assert (ran.exit_code, ran.stdout) == (0, "mine\n")
    waiting = json.loads((await cli("status", "mine", "--json")).stdout)
    assert (waiting["status"], waiting["after"]) == ("waiting", ["mine-upload"])


async def test_run_does_not_generate_when_the_upload_failed(cli: Cli, worker: ScriptedWorker, csv: str) -> None:
    worker.outcomes["upload"] = RunFailed("nothing works")
    ran = await cli("run", csv, "mean of temp", "-s", "s1")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "error: nothing works [run_failed]" in ran.stderr
    assert [job.kind for job in worker.claimed] == ["upload"]


async def test_generate_sends_its_options(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes["generate"] = GENERATED
    options = ["--run", "--generator", "agent", "--max-versions", "2", "--keep-sources", "--wait"]
    ran = await cli("generate", "mean of temp", "-s", "s1", *options)
    assert ran.exit_code == 0, ran.output
    assert worker.claimed[0].payload == {
        "prompt": "mean of temp",
        "execute": True,
        "generator": "agent",
        "max_versions": 2,
        "keep_sources": True,
    }


async def test_tables_commands(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes |= {
        "databases": DatabasesResult(databases=("shop", "zoo"), next_cursor="more=="),
        "list": TablesResult(
            tables=(
                TableSummary(database="shop", table="orders", location="s3://w/o/", columns=COLUMNS, supported=True),
                TableSummary(
                    database="shop", table="view", location=None, columns=(), supported=False, reason="a view"
                ),
            )
        ),
        "select": SelectedTablesResult(sources=(TABLE,)),
        "deselect": DeselectedTablesResult(tables=(TableRef(database="shop", table="orders"),)),
    }
    listing = await cli("tables", "databases", "--pattern", "*o*", "--limit", "2", "--cursor", "more=")
    assert (listing.stdout, "--cursor more==" in listing.stderr) == ("shop\nzoo\n", True)
    assert worker.claimed[-1].payload == {"action": "databases", "pattern": "*o*", "limit": 2, "cursor": "more="}
    listed = (await cli("tables", "list", "shop")).stdout.splitlines()
    assert [line.split() for line in listed] == [
        ["table", "columns", "location", "selectable"],
        ["orders", "city", "string,", "temp", "integer", "s3://w/o/", "yes"],
        ["view", "a", "view"],
    ]
    selected = await cli("tables", "select", "shop.orders", "shop.a.b", "-s", "s1", "--wait")
    assert worker.claimed[-1].payload["tables"] == [
        {"database": "shop", "table": "orders"},
        {"database": "shop", "table": "a.b"},
    ]
    assert "shop.orders" in selected.stdout
    assert "s3://warehouse/orders/" in selected.stdout
    enqueued = await cli("tables", "select", "shop.orders", "-s", "s1", "--job-id", "sel")
    assert enqueued.stdout == "sel\n"
    removed = await cli("tables", "deselect", "shop.orders", "-s", "s1", "--wait")
    assert removed.stdout == "shop.orders removed\n"


async def test_ray_commands(cli: Cli, worker: ScriptedWorker, tmp_path: Path) -> None:
    script = tmp_path / "main.py"
    script.write_text("print('größe')\n", encoding="utf-8")
    private = EndpointReport(name="private", url="http://127.0.0.1:1", state=EndpointState.DOWN, last_error="silent")
    worker.outcomes |= {
        "status": RayStatusResult(version=RayVersion(ray_version="2.60.0"), endpoint="public", endpoints=(private,)),
        "runs": RayRunsResult(runs=(RAY_JOB,), total=7),
        "run": RayRunResult(run=RAY_JOB),
        "logs": RayLogsResult(submission_id="rl-1", logs="one\ntwo\n", truncated=True),
        "stop": RayStopResult(stopped=True, run=RAY_JOB.model_copy(update={"status": RunStatus.STOPPED})),
        "delete": RayDeleteResult(deleted=True),
        "submit": RaySubmitResult(run=RUN),
    }
    status = await cli("ray", "status")
    assert status.stdout.splitlines()[0] == "Ray 2.60.0, answered by public"
    assert status.stdout.splitlines()[-1].split() == ["private", "http://127.0.0.1:1", "down", "silent"]
    jobs = await cli("ray", "runs", "--limit", "1")
    assert "rl-1  RUNNING" in jobs.stdout
    assert "1 of 7 runs" in jobs.stderr
    assert worker.claimed[-1].payload == {"action": "runs", "limit": 1}
    assert "rl-1  RUNNING" in (await cli("ray", "run", "rl-1")).stdout
    logs = await cli("ray", "logs", "rl-1")
    assert logs.stdout == "one\ntwo\n"
    assert "only the last part" in logs.stderr
    assert (await cli("ray", "stop", "rl-1")).stdout == "rl-1 stopped: STOPPED\n"
    assert (await cli("ray", "delete", "rl-1")).stdout == "deleted\n"
    submitted = await cli("ray", "submit", str(script), "-s", "s1")
    assert submitted.stdout == "--- rl-gen-1: SUCCEEDED on public, exit code 0\nmean 3.0\n"
    assert (worker.claimed[-1].payload["code"], worker.claimed[-1].session_id) == ("print('größe')\n", "s1")
    assert (await cli("ray", "status", "--no-wait", "--job-id", "later")).stdout == "later\n"


async def test_status_result_and_follow_show_a_job(cli: Cli, worker: ScriptedWorker, csv: str) -> None:
    worker.outcomes["generate"] = GENERATED
    await cli("generate", "mean of temp", "-s", "s1", "--job-id", "gen", "--wait")
    status = await cli("status", "gen")
    facts = dict(line.split(maxsplit=1) for line in status.stdout.split("\n\n")[0].splitlines())
    assert (facts["job"], facts["session"], facts["status"], facts["attempt"]) == ("gen", "s1", "succeeded", "1 of 3")
    assert status.stdout.endswith("\n".join(["", *SHOWN, ""]))
    assert (await cli("result", "gen")).stdout.splitlines() == SHOWN
    for command in ("status", "result"):
        assert (await cli(command, "gen", "--code")).stdout.endswith("\n".join(["", *SHOWN, *CODE, ""])[1:])
        assert (await cli(command, "gen", "--log")).stdout.endswith("\n".join(["", *SHOWN, *LOG, ""])[1:])
    assert (await cli("result", "gen", "--no-chart")).stderr == ""
    assert (await cli("result", "gen", "--chart", "-")).stdout.splitlines() == [*SHOWN[:9], *BARS, *SHOWN[10:]]
    followed = await cli("follow", "gen")
    assert followed.exit_code == 0
    events = [line.split(maxsplit=1) for line in followed.stdout.splitlines()]
    assert [text for _, text in events] == ["queued", "running", "working: on it 1/3 rows", "succeeded"]
    resumed = await cli("follow", "gen", "--after", events[1][0])
    assert resumed.stdout.splitlines() == followed.stdout.splitlines()[2:]


async def test_follow_ends_as_the_job_does(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes["status"] = RunFailed("it broke", details={"run": FAILED_RUN.model_dump(mode="json")})
    await cli("ray", "status", "--no-wait", "--job-id", "j")
    followed = await cli("follow", "j")
    assert followed.exit_code == 1
    assert followed.stdout.splitlines()[-1].endswith("failed run_failed")
    assert followed.stderr.splitlines() == [
        "error: it broke [run_failed]",
        "  run rl-gen-1 on public: FAILED, its output ends with:",
        "    Traceback",
        "    KeyError: 'tmp'",
    ]


async def test_sources_are_listed_removed_and_restored(cli: Cli, worker: ScriptedWorker, redis: Redis) -> None:
    worker.outcomes["generate"] = GENERATED
    empty = await cli("sources", "-s", "s1")
    assert (empty.exit_code, empty.stdout) == (0, "")
    assert "no sources" in empty.stderr
    await SourceStore(redis).put("s1", [CSV, TABLE])
    rows = (await cli("sources", "-s", "s1")).stdout.splitlines()
    assert [row.split()[:2] for row in rows] == [["source", "type"], ["temps.csv", "file"], ["shop.orders", "table"]]
    await cli("generate", "mean", "-s", "s1", "--job-id", "gen", "--wait")
    assert (await cli("reset", "-s", "s1")).stdout == "2 sources removed\n"
    assert "temps.csv" in (await cli("restore", "gen")).stdout
    assert await SourceStore(redis).all("s1") == [CSV]
    assert "mean of temp" in (await cli("rerun", "gen", "--wait")).stdout
    assert "mean (again, as in gen)" in (await cli("history", "-s", "s1")).stdout
    assert (await cli("remove", "temps.csv", "-s", "s1")).stdout == "temps.csv removed\n"
    gone = await cli("remove", "temps.csv", "-s", "s1")
    assert (gone.exit_code, gone.stdout) == (3, "")
    assert gone.stderr.startswith("error: session s1 has no source 'temps.csv'; it has ")
    assert await SourceStore(redis).all("s1") == []


async def test_a_profile_says_what_is_known_of_each_column(cli: Cli, redis: Redis) -> None:
    shapes = (Shape(shape="Aaaa", count=2),)
    known = (
        ColumnProfile(nulls=1, distinct=2, unique=True, longest=4, shapes=shapes),
        ColumnProfile(nulls=0, distinct=12345, distinct_is_exact=False, min=-3, max=9, mean=1.25, order="ascending"),
    )
    columns = tuple(
        column.model_copy(update={"profile": profile, "written": "percent"})
        for column, profile in zip(CSV.columns, known, strict=True)
    )
    await SourceStore(redis).put("s1", [CSV.model_copy(update={"columns": columns}), TABLE])
    ran = await cli("sources", "-s", "s1", "--profile")
    city, temp = (line for line in ran.stdout.splitlines() if line.startswith(("city ", "temp ")))
    assert [each.strip() for each in city.split("  ") if each.strip()] == [
        "city", "string", "1", "2, unique", "up to 4 characters; Aaaa (2)", "percent",
    ]  # fmt: skip
    assert [each.strip() for each in temp.split("  ") if each.strip()] == [
        "temp", "integer", "0", "about 12,345", "-3", "9", "1.25", "ascending", "percent",
    ]  # fmt: skip


async def test_a_session_is_purged(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes["purge"] = PurgeResult(sources=1, objects=2, bytes=2048, uploads=0)
    assert (await cli("reset", "-s", "s1", "--purge", "--wait")).stdout == "2 objects deleted, 2,048 bytes\n"
    asked = json.loads((await cli("reset", "-s", "s1", "--purge", "--json")).stdout)
    assert list(asked) == ["job_id"]


async def test_history_is_a_table_and_full_adds_the_code(cli: Cli, worker: ScriptedWorker, csv: str) -> None:
    worker.outcomes |= {"upload": UPLOADED, "generate": GENERATED}
    assert "no history" in (await cli("history", "-s", "s1")).stderr
    await cli("run", csv, "mean of\n temp", "-s", "s1", "--job-id", "gen")
    _, generated, uploaded = (await cli("history", "-s", "s1")).stdout.splitlines()
    assert generated.split()[2:] == ["gen", "generate", "succeeded", "public", "0", "mean", "of", "temp"]
    assert uploaded.split()[2:] == ["gen-upload", "upload", "succeeded", "temps.csv"]
    assert len((await cli("history", "-s", "s1", "--limit", "1")).stdout.splitlines()) == 2
    full = await cli("history", "-s", "s1", "--full")
    assert "\n".join([*SHOWN[:10], *CODE, *LOG]) in full.stdout
    assert full.stderr == ""


async def test_json_is_one_document_that_reads_back_as_the_same_value(
    cli: Cli, worker: ScriptedWorker, csv: str
) -> None:
    worker.outcomes |= {"upload": UPLOADED, "generate": GENERATED}
    ran = await cli("run", csv, "mean of temp", "-s", "s1", "--job-id", "gen", "--json")
    assert GenerateResult.model_validate_json(ran.stdout) == GENERATED
    uploaded = await cli("upload", csv, "-s", "s1", "--wait", "--json")
    assert UploadResult.model_validate_json(uploaded.stdout) == UPLOADED
    assert json.loads((await cli("upload", csv, "-s", "s1", "--job-id", "up", "--json")).stdout) == {"job_id": "up"}
    assert GenerateResult.model_validate_json((await cli("result", "gen", "--json")).stdout) == GENERATED
    assert json.loads((await cli("status", "gen", "--json")).stdout)["status"] == "succeeded"
    assert [entry["job_id"] for entry in json.loads((await cli("history", "-s", "s1", "--json")).stdout)][-2:] == [
        "gen",
        "gen-upload",
    ]
    assert json.loads((await cli("sources", "-s", "s1", "--json")).stdout)[0]["filename"] == "temps.csv"
    assert json.loads((await cli("restore", "gen", "--json")).stdout)[0]["filename"] == "temps.csv"
    assert json.loads((await cli("remove", "temps.csv", "-s", "s1", "--json")).stdout) == {"removed": "temps.csv"}
    assert json.loads((await cli("restore", "gen", "--json")).stdout)[0]["filename"] == "temps.csv"
    assert json.loads((await cli("reset", "-s", "s1", "--json")).stdout) == {"removed": 1}
    assert json.loads((await cli("sources", "-s", "s1", "--json")).stdout) == []
    followed = await cli("follow", "gen", "--json")
    events = [JobEvent.model_validate_json(line) for line in followed.stdout.splitlines()]
    assert [event.type for event in events] == [*[EventType.STATUS] * 3, EventType.PROGRESS, EventType.STATUS]


async def test_foreign_text_cannot_control_the_terminal(cli: Cli, worker: ScriptedWorker) -> None:
    evil = "\x1b]0;owned\x07[bold]x[/bold]\x9b2J\u202e\x1b[1;31mred\x1b[0m"
    worker.outcomes["logs"] = RayLogsResult(submission_id="rl-1", logs=f"{evil}\t1%\r2%\r\n", truncated=False)
    logs = await cli("ray", "logs", "rl-1")
    assert logs.stdout == "\\x1b]0;owned\\x07[bold]x[/bold]\\x9b2J\\u202ered\t1%\n2%\n"
    worker.outcomes["status"] = RunFailed(evil)
    assert "\x1b" not in (await cli("ray", "status")).output
