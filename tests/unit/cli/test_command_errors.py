"""How commands report errors, and their exit codes. No error prints a traceback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from raylane.cli.app import run_app
from raylane.cli.process import exit_code
from raylane_common.errors import (
    InvalidRequest,
    NotUnderstood,
    QueueUnavailable,
    RaylaneError,
    RunNotFound,
    StorageRejected,
    TableNotFound,
)
from tests.helpers.queue_keys import keys
from tests.unit.producer.samples import CSV_BYTES

if TYPE_CHECKING:
    from pathlib import Path

    from redis.asyncio import Redis
    from typer.testing import Result as CliResult

    from tests.unit.cli.conftest import Cli, ScriptedWorker


def _check(ran: CliResult, code: int, name: str) -> None:
    assert ran.exit_code == code, ran.output
    assert ran.stdout == ""
    [line] = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert line.endswith(f"[{name}]")
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageRejected("no such bucket"), 1),
        (InvalidRequest.field("prompt", "no"), 2),
        (RunNotFound("no rl-1"), 3),
        (TableNotFound("no table"), 3),
    ],
    ids=lambda value: value.code if isinstance(value, RaylaneError) else str(value),
)
async def test_a_failed_job_exits_by_its_error(
    cli: Cli, worker: ScriptedWorker, error: RaylaneError, code: int
) -> None:
    worker.outcomes["status"] = error
    _check(await cli("ray", "status", "--job-id", "j"), code, error.code)
    _check(await cli("result", "j"), code, error.code)
    as_json = await cli("result", "j", "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)) == (code, error.info().model_dump(mode="json"))


@pytest.mark.parametrize("command", ["status", "result", "follow", "restore", "rerun", "cancel", "retry"])
async def test_an_unknown_job_is_exit_code_3(cli: Cli, command: str) -> None:
    _check(await cli(command, "unknown"), 3, "job_not_found")


@pytest.mark.parametrize(
    "command",
    [
        ["sources"],
        ["reset"],
        ["remove", "a.csv"],
        ["history"],
        ["generate", "count"],
        ["tables", "select", "d.t"],
        ["run", "x.csv", "count"],
    ],
    ids=" ".join,
)
async def test_a_missing_session_is_an_error_and_none_is_invented(cli: Cli, command: list[str]) -> None:
    for env in ({}, {"RAYLANE_SESSION": ""}):
        ran = await cli(*command, **env)
        _check(ran, 2, "invalid_request")
        assert "pass --session ID or set RAYLANE_SESSION" in ran.stderr


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (["generate", " ", "-s", "s1"], "prompt"),
        (["generate", "count", "-s", "a/b"], "session_id"),
        (["generate", "count", "-s", "s1", "--max-versions", "6"], "max_versions"),
        (["generate", "count", "-s", "s1", "--job-id", "a/b"], "job_id"),
        (["upload", "missing.csv", "-s", "s1"], "FILE"),
        (["upload", ".", "-s", "s1"], "FILE"),
        (["tables", "select", "orders", "-s", "s1"], "tables"),
        (["ray", "run", "../x"], "submission_id"),
        (["ray", "runs", "--limit", "0"], "limit"),
        (["ray", "submit", "missing.py"], "file"),
        (["ray", "submit", "a.csv", "--file", "missing.py"], "files"),
        (["ray", "submit", "a.csv", "--env", "A=1", "--env", "A=2"], "env_vars"),
        (["history", "-s", "s1", "--limit", "0"], "limit"),
        (["status", "a/b"], "job_id"),
        (["cancel", "a/b"], "job_id"),
        (["upload", "a.csv", "-s", "s1", "--after", "a/b"], "after.0"),
        (["generate", "count", "-s", "s1", "--after", "unknown"], "after"),
        (["generate", "count", "-s", "s1", "--delay", "1e9"], "delay_s"),
        (["generate", "count", "-s", "s1", "--at", "tomorrow"], "at"),
        (["generate", "count", "-s", "s1", "--at", "2030-01-31", "--delay", "1"], "at"),
        (["tables", "select", "d.t", "-s", "s1", "--expires", "0"], "expires_s"),
        (["ray", "submit", "a.csv", "--unique", ""], "unique"),
        (["jobs", "--limit", "0"], "limit"),
        (["jobs", "--session", "a/b"], "session_id"),
        (["dead", "requeue"], "job"),
        (["dead", "requeue", "j", "--all"], "job"),
        (["follow", "j", "--after", "x"], "after"),
        (["status", "j", "--redis-url", "http://127.0.0.1"], "--redis-url"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value),
)
async def test_an_invalid_request_names_its_field(cli: Cli, tmp_path: Path, command: list[str], field: str) -> None:
    (tmp_path / "a.csv").write_bytes(CSV_BYTES)
    ran = await cli(*command)
    _check(ran, 2, "invalid_request")
    assert ran.stderr.startswith(f"error: {field}: ")
    as_json = await cli(*command, "--json")
    assert (as_json.exit_code, json.loads(as_json.stdout)["details"]) == (2, {"field": field})


async def test_a_run_with_an_invalid_prompt_leaves_no_upload_behind(cli: Cli, tmp_path: Path, redis: Redis) -> None:
    (tmp_path / "a.csv").write_bytes(CSV_BYTES)
    _check(await cli("run", "a.csv", " ", "-s", "s1"), 2, "invalid_request")
    _check(await cli("run", "a.csv", "count", "-s", "s1", "--max-versions", "6"), 2, "invalid_request")
    assert await redis.keys("*") == []


async def test_a_script_that_is_not_text_is_refused(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_bytes(b"\xff\xfe")
    _check(await cli("ray", "submit", str(tmp_path / "main.py")), 2, "invalid_request")


async def test_a_job_id_of_another_request_is_refused(cli: Cli) -> None:
    assert (await cli("ray", "status", "--no-wait", "--job-id", "j")).exit_code == 0
    _check(await cli("ray", "runs", "--no-wait", "--job-id", "j"), 2, "job_id_taken")


async def test_a_job_that_cannot_be_put_back_is_exit_code_2(cli: Cli) -> None:
    assert (await cli("ray", "status", "--no-wait", "--job-id", "j")).exit_code == 0
    for command in (["retry", "j"], ["dead", "requeue", "j"]):
        _check(await cli(*command), 2, "job_not_requeued")


async def test_a_timeout_is_exit_code_4_and_names_the_next_commands(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(CSV_BYTES)
    for command in (
        ["ray", "status", "--job-id", "j"],
        ["result", "j", "--wait"],
        ["follow", "j"],
        ["run", "a.csv", "count", "-s", "s1"],
    ):
        ran = await cli(*command, "--timeout", "0.01")
        assert ran.exit_code == 4, ran.output
        assert "continues: raylane follow" in ran.stderr.splitlines()[-1]
        assert ", raylane cancel " in ran.stderr.splitlines()[-1]
    pending = await cli("result", "j")
    _check(pending, 4, "wait_timeout")
    assert "job j is queued; use --wait" in pending.stderr


async def test_no_redis_is_exit_code_69(cli: Cli) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{holder.getsockname()[1]}/0"
        bounds = {
            "RAYLANE_REDIS__SOCKET_TIMEOUT_S": "1.5",
            "RAYLANE_REDIS__GIVE_UP_S": "1.5",
            "RAYLANE_LANES__POLL_S": "0.5",
        }
        _check(await cli("status", "j", "--redis-url", url, **bounds), 69, "queue_unavailable")
        as_json = await cli("status", "j", "--json", RAYLANE_REDIS__URL=url, **bounds)
    assert (as_json.exit_code, json.loads(as_json.stdout)["code"]) == (69, "queue_unavailable")


@pytest.mark.parametrize("kind", [QueueUnavailable, *QueueUnavailable.__subclasses__()])
def test_whatever_keeps_redis_away_is_exit_code_69(kind: type[QueueUnavailable]) -> None:
    assert exit_code(kind("no").info()) == 69


async def test_a_wrong_setting_is_named_by_its_variable_without_its_value(cli: Cli) -> None:
    ran = await cli("status", "j", RAYLANE_RAY__PRIVATE_URL="ftp://user:secret@127.0.0.1")
    _check(ran, 2, "invalid_request")
    assert "error: RAYLANE_RAY__PRIVATE_URL: must start with http:// or https://" in ran.stderr
    assert "secret" not in ran.output


async def test_misspelt_variables_are_named_with_the_nearest_setting(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAYLANE_RAY_TOKEN=t0ken\n")
    ran = await cli("jobs", "--json", RAYLANE_REDIS_URL="redis://:secret@x", RAYLANE_XYZZY="1", RAYLANE_SESSION="s1")
    assert (ran.exit_code, ran.stdout) == (0, "[]\n")
    assert sorted(ran.stderr.splitlines()) == [
        "warning: RAYLANE_RAY_TOKEN is not a setting; did you mean RAYLANE_RAY__TOKEN?",
        "warning: RAYLANE_REDIS_URL is not a setting; did you mean RAYLANE_REDIS__URL?",
        "warning: RAYLANE_XYZZY is not a setting",
    ]


@pytest.mark.parametrize("command", [["gateway"], ["mcp", "--http"]], ids=" ".join)
async def test_a_server_names_its_misspelt_and_wrong_variables(cli: Cli, command: list[str]) -> None:
    ran = await cli(*command, RAYLANE_GATEWAY_PORT="1", RAYLANE_GATEWAY__PORT="x")
    assert ran.exit_code == 2, ran.output
    warning, error = ran.stderr.splitlines()
    assert warning == "warning: RAYLANE_GATEWAY_PORT is not a setting; did you mean RAYLANE_GATEWAY__PORT?"
    assert error.startswith("error: RAYLANE_GATEWAY__PORT: ")
    wrong_url = await cli(*command, RAYLANE_REDIS__URL="redis://h?socket_timeout=1")
    assert wrong_url.stderr.startswith("error: RAYLANE_REDIS__URL: must not contain socket_timeout")
    wrong_option = await cli(*command, "--redis-url", "http://h")
    assert wrong_option.stderr.startswith("error: --redis-url: must start with")


async def test_a_dotenv_file_that_is_not_utf_8_is_a_wrong_setting(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAYLANE_STORAGE__BUCKET=b", encoding="utf-16")
    _check(await cli("jobs"), 2, "invalid_request")


async def test_a_variable_that_is_not_read_from_the_dotenv_file_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAYLANE_SESSION=s1\n")
    ran = await cli("history")
    assert ran.exit_code == 2
    assert "warning: RAYLANE_SESSION is not read from .env; set it in the environment\n" in ran.stderr
    assert (await cli("history", RAYLANE_SESSION="s1")).stderr == "no history\n"


async def test_a_misspelt_setting_of_a_section_is_an_error(cli: Cli) -> None:
    ran = await cli("jobs", RAYLANE_REDIS__ULR="redis://x")
    _check(ran, 2, "invalid_request")
    assert "error: RAYLANE_REDIS__ULR: is not a setting; did you mean RAYLANE_REDIS__URL?" in ran.stderr


async def test_an_error_is_printed_once_and_only_json_has_its_details(cli: Cli, worker: ScriptedWorker) -> None:
    error = NotUnderstood("no word of it", details={"unconsumed": ["coffee"], "supported": ["count rows"]})
    worker.outcomes["status"] = error
    ran = await cli("ray", "status")
    assert ran.stderr.splitlines()[-1] == "error: no word of it [not_understood]"
    as_json = await cli("ray", "status", "--json")
    assert json.loads(as_json.stdout)["details"] == error.details


@pytest.mark.parametrize(
    "arguments", [["stats", "--json"], ["status", "--json"], ["ray", "runs", "--limit", "x", "--json"]], ids=" ".join
)
def test_wrong_usage_with_json_is_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run_app(arguments) == 2
    assert json.loads(capsys.readouterr().out)["code"] == "invalid_request"


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run_app(["stats"])
    assert ended.value.code == 2
    assert "No such command" in capsys.readouterr().err


async def test_a_name_that_is_not_utf_8_is_an_error_in_json(cli: Cli) -> None:
    ran = await cli("generate", "caf\udce9", "-s", "s1", "--json")
    assert (ran.exit_code, json.loads(ran.stdout)["details"]) == (2, {"field": "prompt"})


async def test_a_time_that_no_calendar_has_hides_no_job(cli: Cli, redis: Redis) -> None:
    await cli("generate", "count", "-s", "s1", "--job-id", "j")
    latest_ms = str(2**53 - 1)
    await redis.hset(keys.job("j"), "enqueued_at", latest_ms)  # type: ignore[misc]  # redis-py's sync/async union
    for command in (["jobs"], ["status", "j"], ["history", "-s", "s1"]):
        ran = await cli(*command)
        assert ran.exit_code == 0
        assert latest_ms in ran.stdout


async def test_a_defect_is_one_sentence_and_not_a_traceback(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("raylane.history.HistoryEntry.from_record", broken)
    await cli("generate", "count", "-s", "s1")
    ran = await cli("history", "-s", "s1")
    _check(ran, 1, "internal_error")
    assert "ZeroDivisionError: oops" in ran.stderr


def test_a_line_of_the_file_that_is_no_variable_is_told_once(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAYLANE_REDIS__URL=redis://127.0.0.1:1\ngarbage line\n")
    code = "import sys; sys.argv[1:] = ['jobs']; from raylane.cli import main; main()"
    env = {name: value for name, value in os.environ.items() if not name.startswith("RAYLANE_")}
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path, env=env
    )
    warning, error = ran.stderr.splitlines()
    assert warning == "warning: .env, line 2: is not NAME=value with closed quotes, and is not read"
    assert "127.0.0.1:1" in error
