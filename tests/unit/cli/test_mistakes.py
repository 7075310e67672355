"""What newcomers type wrong, and what they are told: each text says what to do.

The table has the text of the first version beside the one of today, so that a change is made on purpose.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from raylane.cli.app import run_app

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.cli.conftest import Cli


class Mistake(NamedTuple):
    """What was typed, what it said before, and what it says now. `…` in a text matches anything."""

    typed: list[str]
    before: str
    now: str


NO_SESSION = "session_id: missing; pass --session ID or set RAYLANE_SESSION"
MISTAKES = [
    # --- a wrong command
    Mistake(
        ["stauts", "j"],
        "No such command 'stauts'. Did you mean 'status'?",
        "No such command 'stauts'. Did you mean 'status'?",
    ),
    Mistake(
        ["list"],
        "No such command 'list'.",
        "No such command 'list'; raylane jobs lists jobs, raylane sources sources, raylane tables list tables",
    ),
    Mistake(
        ["help", "status"],
        "No such command 'help'.",
        "No such command 'help'; write raylane --help, or raylane COMMAND --help",
    ),
    Mistake(["version"], "No such command 'version'.", "No such command 'version'; write raylane --version"),
    Mistake(
        ["worker"],
        "No such command 'worker'.",
        "No such command 'worker'; workers are started with raylane-worker run, and all on one machine with "
        "raylane-worker dev",
    ),
    Mistake(
        ["ray", "xyzzy"],
        "No such command 'xyzzy'.",
        "No such command 'xyzzy'; there are cluster, delete, endpoints, logs, run, runs, status, stop, submit",
    ),
    # --- arguments that are missing, too many or swapped
    Mistake(["status"], "Missing argument 'JOB'.", "Missing argument 'JOB'. raylane jobs lists the ids"),
    Mistake(
        ["run", "temps.csv", "-s", "s1"],
        "Missing argument 'PROMPT'.",
        "Missing argument 'PROMPT'. Write what to compute in quotes, as in 'sum of amount by region'",
    ),
    Mistake(
        ["generate", "mean", "of", "temp", "-s", "s1"],
        "Got unexpected extra argument(s) (of temp)",
        "Got unexpected extra argument(s) (of temp). Put quotes around the prompt, as in 'sum of amount by region'",
    ),
    Mistake(
        ["run", "mean of temp", "temps.csv", "-s", "s1"],
        "data: 'mean of temp' does not exist",
        "FILE: the file comes first, and then the prompt: raylane run temps.csv 'mean of temp'",
    ),
    Mistake(
        ["upload", "temps.csv", "other.csv", "-s", "s1"],
        "Got unexpected extra argument(s) (other.csv)",
        "Got unexpected extra argument(s) (other.csv). It takes one file; write the command once for each",
    ),
    Mistake(
        ["tables", "list"],
        "Missing argument 'DATABASE'.",
        "Missing argument 'DATABASE'. raylane tables databases lists them",
    ),
    Mistake(
        ["tables", "select", "shop", "orders", "-s", "s1"],
        "tables: shop must be written as DATABASE.TABLE",
        "tables: shop must be written as DATABASE.TABLE; did you mean shop.orders?",
    ),
    Mistake(
        ["settings", "set", "ray.max_runs=3"],
        "Missing argument 'VALUE'.",
        "Missing argument 'VALUE'. The name and the value are two words, as in ray.max_runs 3",
    ),
    Mistake(
        ["settings", "set", "max_runs", "3"],
        "name: 'max_runs' is not one of ray.private_url, …, uploads.part_bytes",
        "name: 'max_runs' is not one of ray.private_url, …, uploads.part_bytes; did you mean ray.max_runs?",
    ),
    # --- a session, a job or a file that is not there
    Mistake(["generate", "count"], NO_SESSION, f"{NO_SESSION}, or use a context that has one"),
    Mistake(
        ["status", "s1/x"],
        "job_id: must be 1 to 56 letters, digits, '_' or '-', and begin with a letter or digit",
        "job_id: must be 1 to 56 letters, digits, '_' or '-', and begin with a letter or digit",
    ),
    Mistake(["upload", "empty.csv", "-s", "s1"], "data: must not be empty", "FILE: must not be empty"),
    Mistake(
        ["run", "temsp.csv", "mean of temp", "-s", "s1"],
        "data: 'temsp.csv' does not exist",
        "FILE: 'temsp.csv' does not exist; did you mean 'temps.csv'?",
    ),
    Mistake(
        ["upload", "nowhere/temps.csv", "-s", "s1"],
        "data: 'nowhere/temps.csv' does not exist",
        "FILE: 'nowhere/temps.csv' does not exist, and neither does 'nowhere'",
    ),
    Mistake(
        ["upload", "folder", "-s", "s1"],
        "data: 'folder' is not a regular file",
        "FILE: 'folder' is a directory; name a file in it",
    ),
    Mistake(
        ["ray", "submit", "folder"],
        "file: 'folder' is not a regular file",
        "file: 'folder' is a directory; name a file in it",
    ),
    Mistake(
        ["upload", "https://example.org/a.csv", "-s", "s1"],
        "data: 'https:/example.org/a.csv' does not exist",
        "FILE: https:// addresses are not read; download the file, or name an object as s3://BUCKET/KEY",
    ),
    # --- options
    Mistake(
        ["generate", "count", "--sesion", "s1"],
        "No such option: --sesion (Possible options: --json, --max-versions, --session)",
        "No such option: --sesion. Did you mean --session?",
    ),
    Mistake(
        ["generate", "count", "-s", "s1", "--engine", "distibuted"],
        "Invalid value for '--engine': Value error, 'distibuted' is not one of 'local', 'distributed'.",
        "Invalid value for '--engine': 'distibuted' is not one of 'local', 'distributed'; did you mean distributed?",
    ),
    Mistake(
        ["generate", "count", "-s", "s1", "--wait", "--timeout", "5m"],
        "Invalid value for '--timeout': Input should be a valid number, unable to parse string as a number",
        "Invalid value for '--timeout': must be a number of seconds, such as 90",
    ),
    Mistake(
        ["result", "j", "--timeout", "-1"],
        "Invalid value for '--timeout': Input should be greater than or equal to 0",
        "Invalid value for '--timeout': must be at least 0",
    ),
    Mistake(
        ["jobs", "--limit", "all"],
        "Invalid value for '--limit': Input should be a valid integer, unable to parse string as an integer",
        "Invalid value for '--limit': must be a whole number",
    ),
    Mistake(["-v"], "No such option: -v", "No such option: -v. Did you mean --version?"),
    Mistake(["jobs", "-h"], "No such option: -h", "No such option: -h. Did you mean --help?"),
    Mistake(
        ["jobs", "--context", "prod"],
        "No such option: --context",
        "No such option: --context. It comes before the command: raylane --context … jobs",
    ),
    Mistake(
        ["--redis-url", "redis://h", "jobs"],
        "No such option: --redis-url",
        "No such option: --redis-url. Options of a command come after it: raylane COMMAND --redis-url …",
    ),
    Mistake(
        ["generate", "-1 as the limit", "-s", "s1"],
        "No such option: -1",
        "No such option: -1. A prompt that begins with - comes after --, as in raylane generate -- '-1 as the limit'",
    ),
    Mistake(
        ["jobs", "--redis-url", "127.0.0.1:6379"],
        "redis.url: must start with one of the schemes redis://, …, rediss+cluster://",
        "--redis-url: must start with one of the schemes redis://, …, rediss+cluster://, as in redis://127.0.0.1:6379/0",
    ),
    Mistake(
        ["jobs", "--redis-url", "redis://127.0.0.1:1"],
        "Redis did not answer while trying to look for jobs: Error 111 connecting to 127.0.0.1:1. … (gave up after 8 …",
        "cannot look for jobs: Redis cannot be reached at 127.0.0.1:1: nothing listens there; start it there, or set "
        "--redis-url to the address of Redis",
    ),
]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "temps.csv").write_text("city,temp\nOslo,3\n")
    (tmp_path / "empty.csv").touch()
    (tmp_path / "folder").mkdir()


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: " ".join(mistake.typed))
def test_a_mistake_is_told_with_what_to_do(
    mistake: Mistake, valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RAYLANE_REDIS__URL", valkey.url)
    try:
        code = run_app([*mistake.typed, "--json"])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code in (2, 69)
    message = json.loads(capsys.readouterr().out)["message"]
    assert re.fullmatch(".*".join(map(re.escape, mistake.now.split("…"))), message), message


async def test_a_job_that_is_not_there_comes_with_the_command_that_lists_those_that_are(cli: Cli) -> None:
    ran = await cli("status", "12345")
    assert ran.stderr.splitlines() == [
        "error: no job 12345: it was never enqueued, or its record has expired [job_not_found]",
        "raylane jobs lists the jobs that are there",
    ]


async def test_the_start_of_the_events_may_be_written_as_on_the_page_of_the_wire_format(cli: Cli) -> None:
    await cli("ray", "stop", "rl-1", "--no-wait", "--job-id", "j")
    await cli("cancel", "j")
    for start in ("0", "0-0"):
        followed: Result = await cli("follow", "j", "--after", start)
        assert [line.split()[1] for line in followed.stdout.splitlines()] == ["queued", "cancelled"]


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may read everything")
async def test_a_directory_that_cannot_be_read_gives_no_hint_and_no_traceback(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "folder").chmod(0)
    ran = await cli("upload", "folder/x.csv", "-s", "s1")
    assert ran.exit_code == 2
    assert "Traceback" not in ran.output
