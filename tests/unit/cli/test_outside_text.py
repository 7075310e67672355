"""Every place where a command prints outside text, with a text that tries to control the terminal or to forge a line.

What is printed under a heading and has lines of its own (code, output) is tested with `HOSTILE_LINES`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from raylane.cli.app import run_app
from raylane_common.errors import RunFailed, StorageUnavailable
from raylane_common.ray.models import EndpointReport, EndpointState, RayHealth, RayNode, RayRun, RayVersion, RunStatus
from raylane_common.wire.base import Lane
from raylane_common.wire.ray import (
    RayClusterResult,
    RayDeleteResult,
    RayEndpointsResult,
    RayLogsResult,
    RayRunResult,
    RayRunsResult,
    RayStatusResult,
    RayStopResult,
    RaySubmitResult,
)
from raylane_common.wire.sources import Column, ColumnType
from raylane_common.wire.tables import DatabasesResult, SelectedTablesResult, TablesResult, TableSummary
from raylane_worker.cli.commands import app as worker_app
from tests.helpers.hostile_text import HOSTILE, HOSTILE_LINES, is_safe
from tests.helpers.queue_keys import keys
from tests.unit.producer.samples import CSV, CSV_BYTES, GENERATED, RUN, TABLE, UPLOADED

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis
    from typer.testing import Result

    from raylane_common.wire.kinds import Result as JobResult
    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.cli.conftest import Cli, ScriptedWorker

COLUMN = Column(name=HOSTILE, type=ColumnType.STRING, native_type=HOSTILE)
RAN = RUN.model_copy(
    update=dict.fromkeys(("submission_id", "endpoint"), HOSTILE)
    | dict.fromkeys(("message", "output_tail"), HOSTILE_LINES)
)
RAY_RUN = RayRun(submission_id=HOSTILE, status=RunStatus.FAILED, entrypoint=HOSTILE, message=HOSTILE, endpoint=HOSTILE)
ENDPOINTS = (EndpointReport(name=HOSTILE, url=HOSTILE, state=EndpointState.DOWN, last_error=HOSTILE),)
NODE = RayNode(
    node_id="a\x9b\u202e\nFORGED", node_ip=HOSTILE, state=HOSTILE, resources_total={HOSTILE.replace(":", ""): 1}
)
SOURCE = CSV.model_copy(update={"filename": HOSTILE, "s3_uri": HOSTILE, "columns": (COLUMN,)})
UPLOAD = UPLOADED.model_copy(
    update={"s3_uri": HOSTILE, "columns": (COLUMN,), "preview": ((HOSTILE,),), "warnings": (HOSTILE,)}
)
GENERATE = GENERATED.model_copy(
    update={"code": HOSTILE_LINES, "interpreted_as": HOSTILE, "model": HOSTILE, "run": RAN, "sources_used": (SOURCE,)}
)
TABLES = TablesResult(
    tables=(
        TableSummary(
            database=HOSTILE, table=HOSTILE, location=HOSTILE, columns=(COLUMN,), supported=False, reason=HOSTILE
        ),
    )
)
SELECTED = SelectedTablesResult(
    sources=(
        TABLE.model_copy(update={"database": HOSTILE, "table": HOSTILE, "location": HOSTILE, "columns": (COLUMN,)}),
    )
)
SCRIPT = "script.py"
RESULTS: dict[str, tuple[list[str], JobResult]] = {
    "upload": (["upload", SCRIPT, "-s", "s1", "--wait"], UPLOAD),
    "generate": (["generate", "count", "-s", "s1", "--wait"], GENERATE),
    "databases": (["tables", "databases"], DatabasesResult(databases=(HOSTILE, HOSTILE))),
    "list": (["tables", "list", "d"], TABLES),
    "select": (["tables", "select", "d.t", "-s", "s1", "--wait"], SELECTED),
    "status": (
        ["ray", "status"],
        RayStatusResult(version=RayVersion(ray_version=HOSTILE), endpoint=HOSTILE, endpoints=ENDPOINTS),
    ),
    "endpoints": (["ray", "endpoints"], RayEndpointsResult(endpoints=ENDPOINTS, problem=HOSTILE)),
    "cluster": (
        ["ray", "cluster"],
        RayClusterResult(
            health=RayHealth(ray_version=HOSTILE, gcs_ok=False, said=HOSTILE, endpoint=HOSTILE),
            nodes=(NODE,),
            status=HOSTILE_LINES,
        ),
    ),
    "runs": (["ray", "runs"], RayRunsResult(runs=(RAY_RUN,), total=2)),
    "run": (["ray", "run", "rl-1"], RayRunResult(run=RAY_RUN)),
    "logs": (["ray", "logs", "rl-1"], RayLogsResult(submission_id="rl-1", logs=HOSTILE_LINES, truncated=True)),
    "stop": (["ray", "stop", "rl-1"], RayStopResult(stopped=False, run=RAY_RUN)),
    "delete": (["ray", "delete", "rl-1"], RayDeleteResult(deleted=True)),
    "submit": (["ray", "submit", SCRIPT], RaySubmitResult(run=RAN)),
}


@pytest.fixture(autouse=True)
def _script(tmp_path: Path) -> None:
    (tmp_path / SCRIPT).write_bytes(CSV_BYTES)


def check(ran: Result, *, quotes: bool = True) -> Result:
    """Both streams are safe, and at least one quotes the text."""
    assert is_safe(ran.stdout), ran.stdout
    assert is_safe(ran.stderr), ran.stderr
    assert "Traceback" not in ran.output
    assert not quotes or "[red]b[/red]" in ran.output, ran.output
    return ran


@pytest.mark.parametrize(
    ("action", "on_terminal"), [*((action, False) for action in RESULTS), ("upload", True), ("generate", True)]
)
async def test_a_result_and_the_events_before_it(
    cli: Cli, worker: ScriptedWorker, action: str, on_terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if on_terminal:
        monkeypatch.setattr("raylane.cli.terminal._is_terminal", lambda _stream: True)
    arguments, worker.outcomes[action] = RESULTS[action]
    worker.message, worker.texts, worker.log_lines = HOSTILE, [HOSTILE_LINES], [HOSTILE, "\r".join(["a", "b\tc"])]
    check(await cli(*arguments))


@pytest.mark.parametrize("action", ["upload", "generate", "list", "cluster"])
async def test_a_result_in_json_means_the_same(cli: Cli, worker: ScriptedWorker, action: str) -> None:
    arguments, result = RESULTS[action]
    worker.outcomes[action] = result
    ran = check(await cli(*arguments, "--json"))
    assert json.loads(ran.stdout) == result.model_dump(mode="json")


@pytest.fixture
async def failed(cli: Cli, worker: ScriptedWorker) -> None:
    """Jobs that failed with the text in message and details: `j` for good, `up` as a dead letter."""
    run = RAN.model_copy(update={"status": RunStatus.FAILED})
    worker.message, worker.texts, worker.log_lines = HOSTILE, [HOSTILE_LINES], [HOSTILE]
    worker.outcomes |= {
        "generate": RunFailed(HOSTILE, details={"run": run.model_dump(mode="json"), HOSTILE: HOSTILE}),
        "upload": StorageUnavailable(HOSTILE),
    }
    name = "".join(character for character in HOSTILE if character > "\x9f" and character not in "\u2028\u2029") + "x"
    assert (await cli("upload", SCRIPT, "--filename", name, "-s", "s1", "--job-id", "up", "--wait")).exit_code == 1
    assert (await cli("generate", HOSTILE, "-s", "s1", "--job-id", "j", "--wait")).exit_code == 1


@pytest.mark.usefixtures("failed")
async def test_a_failed_job_wherever_it_is_shown(cli: Cli) -> None:
    for arguments in (
        *(
            ["status", "j"],
            ["result", "j"],
            ["follow", "j"],
            ["status", "up"],
            ["follow", "up"],
            ["jobs"],
            ["dead", "list"],
        ),
        *(["history", "-s", "s1"], ["history", "-s", "s1", "--full"], ["dead", "show", "j"], ["dead", "show", "up"]),
        ["retry", "j"],
        ["result", "j", "--wait"],
    ):
        check(await cli(*arguments), quotes=arguments[0] != "retry")
    for arguments in (["status", "j"], ["result", "j"], ["jobs"], ["history", "-s", "s1"], ["dead", "show", "up"]):
        ran = check(await cli(*arguments, "--json"))
        assert HOSTILE in _texts(json.loads(ran.stdout))
    for line in check(await cli("follow", "j", "--json")).stdout.splitlines():
        json.loads(line)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for pair in value.items() for each in pair for text in _texts(each)]
    return [text for each in value for text in _texts(each)] if isinstance(value, list) else [str(value)]


async def test_what_other_programs_wrote_to_redis(cli: Cli, redis: Redis, valkey: EmbeddedValkey) -> None:
    worker = f"{socket.gethostname()}-{HOSTILE.replace('-', '')}"
    hashes = {
        keys.settings: {"ray.public_url": HOSTILE},
        keys.run_limits: {HOSTILE: "4"},
        keys.session_sources("s1"): {f"csv:{HOSTILE}": SOURCE.model_dump_json()},
    }
    for key, fields in hashes.items():
        await redis.hset(key, mapping=fields)  # type: ignore[misc]  # redis-py's sync/async union
        await redis.expire(key, 60)
    await redis.zadd(keys.workers(Lane.RAY), {worker: 1e14})
    await redis.expire(keys.workers(Lane.RAY), 60)
    for arguments in (["lanes"], ["settings", "show"], ["sources", "-s", "s1"]):
        check(await cli(*arguments))
        json.loads(check(await cli(*arguments, "--json")).stdout)
    for arguments in (["check"], ["drain", "--timeout", "0"], ["drain", worker, "--timeout", "0"]):
        ran = await asyncio.to_thread(CliRunner().invoke, worker_app, arguments, env={"RAYLANE_REDIS__URL": valkey.url})
        check(ran)


# Arguments that are not UTF-8 arrive as lone surrogates.
ARGUMENT = HOSTILE.replace("\x00", "") + "\udcff\ud800"
WRONG = [
    *(["status", ARGUMENT], ["result", ARGUMENT], ["follow", ARGUMENT], ["cancel", ARGUMENT], ["restore", ARGUMENT]),
    *(["sources", "-s", ARGUMENT], ["history", "-s", ARGUMENT], ["jobs", "-s", ARGUMENT], ["jobs", "--kind", ARGUMENT]),
    *(["upload", ARGUMENT, "-s", "s1"], ["upload", SCRIPT, "-s", "s1", "--filename", ARGUMENT]),
    *(["upload", SCRIPT, "-s", "s1", "--at", ARGUMENT], ["upload", SCRIPT, "-s", "s1", "--delay", ARGUMENT]),
    *(["upload", SCRIPT, "-s", "s1", "--job-id", ARGUMENT], ["upload", SCRIPT, "-s", "s1", "--after", ARGUMENT]),
    *(["generate", ARGUMENT, "-s", "s1"], ["tables", "select", ARGUMENT, "-s", "s1"], ["tables", "list", ARGUMENT]),
    *(["ray", "submit", SCRIPT, "--env", ARGUMENT], ["ray", "submit", SCRIPT, "--env", f"{ARGUMENT}=x"]),
    *(
        ["ray", "submit", SCRIPT, "--pip", ARGUMENT],
        ["ray", "submit", SCRIPT, "--file", ARGUMENT],
        ["ray", "run", ARGUMENT],
    ),
    *(
        ["settings", "set", ARGUMENT, "x"],
        ["settings", "set", "ray.public_url", ARGUMENT],
        ["settings", "unset", ARGUMENT],
    ),
    *(["dead", "requeue", ARGUMENT], ["dead", "list", "--code", ARGUMENT], [ARGUMENT], [f"--{ARGUMENT}"]),
    *(["jobs", ARGUMENT], ["jobs", f"--{ARGUMENT}"], ["jobs", "--limit", ARGUMENT], ["jobs", "--redis-url", ARGUMENT]),
]


@pytest.mark.parametrize("arguments", WRONG, ids=lambda arguments: " ".join(arguments).replace(ARGUMENT, "X")[:40])
async def test_wrong_arguments(
    arguments: list[str], valkey: EmbeddedValkey, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLANE_REDIS__URL", valkey.url)
    for options in ([], ["--json"]) if arguments[0] in ("status", "upload", "settings") else ([],):
        with contextlib.suppress(SystemExit):
            await asyncio.to_thread(run_app, [*arguments, *options])
        printed = capsys.readouterr()
        assert is_safe(printed.out + printed.err), printed
        assert "Traceback" not in printed.err
        if options:
            json.loads(printed.out)


async def test_wrong_variables(cli: Cli) -> None:
    variable = ARGUMENT.replace("\ud800", "")
    check(await cli("settings", "show", **{f"RAYLANE_{variable.replace('=', '')}": "x"}))
    check(await cli("settings", "show", RAYLANE_REDIS__PREFIX=variable), quotes=False)


def test_wrong_arguments_of_the_worker() -> None:
    for arguments in (
        [ARGUMENT],
        ["run", "--lanes", ARGUMENT],
        ["run", "--log-level", ARGUMENT],
        ["drain", f"--{ARGUMENT}"],
    ):
        check(CliRunner().invoke(worker_app, arguments))
