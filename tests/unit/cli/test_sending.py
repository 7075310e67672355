"""What `raylane upload` shows while parts are sent."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer

from raylane import QueueUnavailable, UploadProgress
from raylane.cli import process, sending
from raylane.cli.parameters import WaitOptions
from raylane.cli.runner import execute, exits
from raylane.cli.terminal import Terminal

if TYPE_CHECKING:
    from raylane import Producer

MIB = 2**20


@pytest.mark.parametrize(
    ("progress", "took_s", "text"),
    [
        (UploadProgress(3 * MIB, 12 * MIB), 1.0, "3.0 of 12.0 MiB, 3 MiB/s"),
        (UploadProgress(3 * MIB, None), 0.0, "3.0 MiB"),
        (UploadProgress(2**30, 5 * 2**30, 2**29), 4.0, "1.0 of 5.0 GiB, 128 MiB/s (0.5 GiB sent before)"),
    ],
)
def test_progress_says_how_much_and_how_fast(progress: UploadProgress, took_s: float, text: str) -> None:
    assert sending.progress_text(progress, took_s) == text


def test_an_interrupted_upload_says_that_it_continues(capsys: pytest.CaptureFixture[str]) -> None:
    async def command(_: Producer, terminal: Terminal) -> None:
        with sending.shown(terminal) as note:
            note(UploadProgress(MIB, 9 * MIB))
            raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        execute(command, WaitOptions())
    assert ended.value.exit_code == process.ExitCode.INTERRUPTED
    assert capsys.readouterr().err == "interrupted; the same command continues where it stopped\n"


@pytest.mark.parametrize(
    ("job_id", "message", "details"),
    [
        ("j", "interrupted; job j continues: raylane follow j, raylane cancel j", {"job_id": "j"}),
        (None, "interrupted", {}),
    ],
)
def test_with_json_ctrl_c_is_told_as_any_other_error(
    job_id: str | None, message: str, details: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = Terminal(as_json=True)
    terminal.job_id = job_id
    with pytest.raises(typer.Exit) as ended, exits(terminal):
        raise KeyboardInterrupt
    assert ended.value.exit_code == process.ExitCode.INTERRUPTED
    said = capsys.readouterr()
    assert json.loads(said.out) == {"code": "interrupted", "message": message, "retryable": False, "details": details}
    assert said.err == ""


@pytest.mark.parametrize("as_json", [False, True])
def test_a_command_that_loses_redis_while_it_waits_names_the_job_that_continues(
    as_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    async def command(_: Producer, terminal: Terminal) -> None:
        terminal.job_id = "j"
        raise QueueUnavailable("Redis did not answer")

    with pytest.raises(typer.Exit) as ended:
        execute(command, WaitOptions(as_json=as_json))
    assert ended.value.exit_code == process.ExitCode.UNAVAILABLE
    shown = capsys.readouterr()
    assert shown.err.endswith("job j continues: raylane follow j, raylane cancel j\n")
    assert len(shown.out.splitlines()) == as_json


def test_a_sent_upload_says_how_long_it_took(capsys: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal(as_json=False)
    with sending.shown(terminal) as note:
        note(UploadProgress(9 * MIB, 9 * MIB))
    assert capsys.readouterr().err.startswith("sent 9.0 of 9.0 MiB")
    with sending.shown(terminal):
        pass
    assert capsys.readouterr().err == "", "a small upload is not sent in parts"
