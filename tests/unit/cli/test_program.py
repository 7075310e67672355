"""The `raylane` program as the system sees it: signals, terminals, pipes, missing packages."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from raylane import new_job
from raylane.cli import modules
from raylane.cli.app import assembled
from raylane_common.redis.queue import JobQueue
from raylane_common.wire.generate import GenerateRequest
from raylane_common.wire.jobs import JobStatus
from raylane_common.wire.names import JobKind
from raylane_common.wire.tables import SelectTablesRequest, TableRef
from tests.unit.producer.samples import CSV_BYTES, GENERATED, UPLOADED

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.cli.conftest import ScriptedWorker

RAYLANE = str(Path(sys.executable).parent / "raylane")
STYLE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TIMEOUT_S = 60


async def test_ctrl_c_leaves_the_job_and_names_the_next_commands(redis: Redis, valkey: EmbeddedValkey) -> None:
    process = await asyncio.create_subprocess_exec(
        *[RAYLANE, "generate", "count", "-s", "s1", "--wait", "--job-id", "j", "--redis-url", valkey.url],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    async with asyncio.timeout(TIMEOUT_S):
        assert await process.stderr.readline() == b"j  queued\n"
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert (process.returncode, out) == (130, b"")
    assert err.decode() == "interrupted; job j continues: raylane follow j, raylane cancel j\n"
    assert (await JobQueue(redis).record("j")).status is JobStatus.QUEUED


async def test_ctrl_c_before_the_command_has_begun_shows_no_traceback() -> None:
    code = "import sys; sys.modules['raylane.cli.app'] = type(sys)('app'); import raylane.cli\n"
    code += "def run_app(_): raise KeyboardInterrupt\n"
    code += "sys.modules['raylane.cli.app'].run_app = run_app; raylane.cli.main()"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE)
    _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert (process.returncode, err) == (130, b"interrupted\n")


def test_ctrl_c_while_arguments_are_read_or_help_is_printed_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for place in ("typer.core.TyperGroup.parse_args", "typer.echo"):
        monkeypatch.setattr(place, interrupted)
        with pytest.raises(SystemExit) as ended:
            assembled(["job_commands"])(["--version"], prog_name="raylane")
        assert (ended.value.code, capsys.readouterr().err) == (130, "interrupted\n")
        monkeypatch.undo()


async def test_on_a_terminal_the_program_shows_its_progress_and_the_result(
    redis: Redis, valkey: EmbeddedValkey, worker: ScriptedWorker, tmp_path: Path
) -> None:
    worker.outcomes |= {"upload": UPLOADED, "generate": GENERATED}
    (tmp_path / "temps.csv").write_bytes(CSV_BYTES)
    master, slave = pty.openpty()
    try:
        process = await asyncio.create_subprocess_exec(
            *[RAYLANE, "upload", "temps.csv", "-s", "s1", "--job-id", "up", "--wait", "--redis-url", valkey.url],
            stdout=slave,
            stderr=slave,
            cwd=tmp_path,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "60"},
        )
        os.close(slave)
        shown, code = await asyncio.wait_for(
            asyncio.gather(asyncio.to_thread(_drain, master), process.wait()), TIMEOUT_S
        )
    finally:
        os.close(master)
    assert code == 0, shown
    plain = STYLE.sub("", shown)
    assert plain != shown
    assert "up  " in plain
    assert UPLOADED.s3_uri in plain
    assert "city  temp\r\nOslo  3" in plain


async def test_a_closed_pipe_causes_no_traceback(redis: Redis, valkey: EmbeddedValkey) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    process = await asyncio.create_subprocess_exec(
        *[RAYLANE, "ray", "status", "--no-wait", "--redis-url", valkey.url],
        stdout=write_end,
        stderr=asyncio.subprocess.PIPE,
    )
    os.close(write_end)
    _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 1
    assert b"Traceback" not in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
@pytest.mark.parametrize("options", [[], ["--json"]])
async def test_a_full_disk_is_an_error_and_not_a_traceback(
    redis: Redis, valkey: EmbeddedValkey, options: list[str]
) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        *[RAYLANE, "jobs", *options, "--redis-url", valkey.url], stdout=full, stderr=asyncio.subprocess.PIPE
    )
    os.close(full)
    _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    if options:
        assert (process.returncode, err) == (1, b"error: cannot write the output: No space left on device\n")
    else:
        assert (process.returncode, err) == (0, b"no such jobs\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["--help", "--version", "lanes", "status j --json", "context show"])
async def test_a_full_disk_is_said_once(valkey: EmbeddedValkey, command: str, unbuffered: str) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        *[RAYLANE, *command.split()],
        stdout=full,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"RAYLANE_REDIS__URL": valkey.url, "PYTHONUNBUFFERED": unbuffered},
    )
    os.close(full)
    _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert (process.returncode, err) == (1, b"error: cannot write the output: No space left on device\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has it")
@pytest.mark.parametrize(
    "command", ["doctor", "gateway --port 0", "mcp --http --port 0", "gateway token ada --right ask --session a"]
)
async def test_a_full_disk_is_no_traceback_of_other_commands(valkey: EmbeddedValkey, command: str) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    process = await asyncio.create_subprocess_exec(
        *[RAYLANE, *command.split()],
        stdout=full,
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | {"RAYLANE_REDIS__URL": valkey.url},
    )
    os.close(full)
    _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert process.returncode == 1
    assert err.endswith(b"error: cannot write the output: No space left on device\n")  # a traceback would be last


async def test_output_can_be_closed_and_its_encoding_narrow(redis: Redis, valkey: EmbeddedValkey) -> None:
    await JobQueue(redis).enqueue(new_job(GenerateRequest(prompt="☃ & é"), session_id="s1", job_id="j"))
    command = "import sys; from raylane.cli import main; {}; main()"
    for prepare, encoding, shown in (("sys.stdout = None", "utf-8", ""), ("pass", "latin-1", "? & é")):
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", command.format(prepare), "jobs", "--redis-url", valkey.url],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"PYTHONIOENCODING": encoding},
        )
        out, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        assert (process.returncode, err) == (0, b"")
        assert shown in out.decode(encoding)


async def test_without_its_packages_the_program_says_what_to_install() -> None:
    code = "import sys; sys.modules['typer'] = None; from raylane.cli import main; main()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert (process.returncode, out) == (1, b"")
    assert err == b"The raylane command needs more packages: pip install 'raylane[cli]'\n"


def test_each_command_is_found_in_its_module_alone() -> None:
    assert list(modules.COMMANDS) == modules.every()
    for module, commands in modules.COMMANDS.items():
        assert sorted(typer.main.get_group(assembled([module])).commands) == sorted(commands)


@pytest.mark.parametrize(
    ("arguments", "needed"),
    [
        (["status", "j"], ["job_commands"]),
        (["--context", "jobs", "status", "--json"], ["job_commands"]),
        (["--context=jobs", "dead", "list"], ["operator_commands"]),
        (["stats"], None),
        (["--help"], None),
        (["--context"], None),
        ([], None),
    ],
)
def test_a_command_loads_its_own_module(arguments: list[str], needed: list[str] | None) -> None:
    assert modules.needed_for(arguments) == (needed or modules.every())


TABLE = TableRef(database="db", table="t")
# What no command needs that looks at one job, a list or a session.
HEAVY = {
    *("aiohttp", "jwt.algorithms", "pydantic_settings", "rich", "raylane.answers", "raylane.doctor.examination"),
    *("raylane.cluster", "raylane.tables", "raylane.transfer.upload", "raylane.transfer.received"),
    *("raylane_common.redis.queue.lanes", "raylane_common.settings.root", "raylane_common.wire.kinds"),
}
KINDS = {f"raylane_common.wire.{kind}" for kind in JobKind}
OF_RUNS = {"raylane.history", "raylane_common.ray.models", "raylane_common.wire.answer"}
SOURCES = {"raylane_common.redis.source_store", "raylane_common.wire.sources"}


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--version"], {"pydantic", "redis", "rich", "typer.rich_utils"}),
        (["--help"], {"pydantic", "pydantic_core", "redis", "raylane_common.wire.jobs"}),
        (["status", "generate"], {*HEAVY, *KINDS} - {"raylane_common.wire.generate"}),
        (["status", "tables"], {*HEAVY, *OF_RUNS, *KINDS} - {"raylane_common.wire.tables"}),
        (["cancel", "tables"], {*HEAVY, *OF_RUNS, *SOURCES, *KINDS} - {"raylane_common.wire.tables"}),
        (["jobs", "--kind", "tables"], {*HEAVY, *OF_RUNS, *KINDS} - {"raylane_common.wire.tables"}),
        (["lanes"], {*HEAVY, *OF_RUNS, *SOURCES, *KINDS}),
        (["sources", "--session", "s1"], {*HEAVY, *OF_RUNS, *KINDS}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
async def test_a_command_loads_only_what_it_needs(
    arguments: list[str], unneeded: set[str], redis: Redis, valkey: EmbeddedValkey
) -> None:
    queue = JobQueue(redis)
    await queue.enqueue(new_job(GenerateRequest(prompt="count"), session_id="s1", job_id="generate"))
    await queue.enqueue(new_job(SelectTablesRequest(tables=(TABLE,)), session_id="s1", job_id="tables"))
    code = (
        f"import sys\nfrom raylane.cli import main\nsys.argv = ['raylane', *{arguments!r}]\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        f"print(sorted({unneeded!r} & set(sys.modules)), file=sys.__stderr__)\n"
    )
    process = await asyncio.create_subprocess_exec(
        *[sys.executable, "-c", code],
        env={
            "HOME": "/nonexistent",
            "RAYLANE_REDIS__URL": valkey.url,
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        },
        cwd="/",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert (process.returncode, err.splitlines()[-1]) == (0, b"[]")


async def test_a_module_that_is_loaded_when_used_can_be_used() -> None:
    code = "import sys; from raylane.cli import _load_less; _load_less(); import jwt; print(jwt.encode.__name__)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert out == b"encode\n"


async def test_a_shell_offers_the_ids_of_jobs_and_the_names_of_contexts(
    redis: Redis, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    for job_id in ("count-1", "count-2", "other"):
        await JobQueue(redis).enqueue(new_job(GenerateRequest(prompt="count"), session_id="s1", job_id=job_id))
    (tmp_path / "raylane").mkdir()
    (tmp_path / "raylane" / "contexts.toml").write_text("[contexts.prod]\n[contexts.dev]\n")

    async def offered(line: str, url: str = valkey.url) -> list[str]:
        complete = {"_RAYLANE_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        process = await asyncio.create_subprocess_exec(
            RAYLANE,
            env=os.environ | complete | {"RAYLANE_REDIS__URL": url, "XDG_CONFIG_HOME": str(tmp_path)},
            stdout=asyncio.subprocess.PIPE,
        )
        out, _ = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
        return sorted(out.decode().split())

    assert await offered("raylane status count") == ["count-1", "count-2"]
    assert await offered("raylane status count", "redis://127.0.0.1:1") == []
    assert await offered("raylane --context p") == ["prod"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["run", "--help"], ["result", "--help"], ["ray", "--help"], ["--version"]], ids=" ".join
)
async def test_help_and_version_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom raylane.cli.app import run_app\n"
        f"try: run_app({arguments!r})\nexcept SystemExit as end: assert not end.code\n"
        "heavy = {'pydantic_settings', 'redis', 'arq', 'pyarrow', 'vl_convert', 'raylane.answers'}\n"
        "heavy |= {'raylane_common.wire.base', 'raylane_common.settings'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert (process.returncode, err) == (0, b"[]\n")
    if arguments == ["--help"]:
        assert "Exit codes: 0 success" in out.decode()


def _drain(descriptor: int) -> str:
    """Everything that was written to a terminal until its last writer closed it."""
    parts: list[bytes] = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # Linux: EIO once the other side is closed
            part = b""
        if not part:
            return b"".join(parts).decode()
        parts.append(part)


@pytest.mark.parametrize("command", ["follow", "gateway", "mcp", "top"])
async def test_a_command_that_may_run_for_days_collects_its_garbage_as_usual(command: str) -> None:
    code = (
        "import gc, sys\nusual = gc.get_threshold()\nfrom raylane.cli import main\n"
        f"sys.argv = ['raylane', {command!r}, '--help']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(gc.get_threshold() == usual, file=sys.stderr)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    _, err = await asyncio.wait_for(process.communicate(), TIMEOUT_S)
    assert err == b"True\n"
