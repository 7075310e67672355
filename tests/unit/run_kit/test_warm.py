"""`python -m raylane_run.warm`: a run that waits for a script, and runs it as if it had been started with it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raylane_worker import run_kit
from raylane_worker.run_kit import WARM_LAUNCHER, WARM_UNUSED
from raylane_worker.run_kit.raylane_run.warm import script_of

if TYPE_CHECKING:
    from pathlib import Path

_KEY = "k" * 32
_READS = "from raylane_run import answer, read\nanswer.value('rows', len(read('s3://b/sessions/s/csv/a.csv')))\n"


def wait(directory: Path, *, idle_s: float) -> subprocess.CompletedProcess[str]:
    """Runs a warm run that looks for its script in the directory."""
    environment = os.environ | {
        "PYTHONPATH": os.path.dirname(run_kit.__file__),
        "RAYLANE_WARM_URI": f"{directory}/script.json",
        "RAYLANE_WARM_HASH": hashlib.sha256(_KEY.encode()).hexdigest(),
        "RAYLANE_WARM_S": str(idle_s),
    }
    environment.pop("RAYLANE_OUTPUT_URI", None)
    code = directory / "code"
    code.mkdir()
    return subprocess.run(
        [sys.executable, "-m", WARM_LAUNCHER], check=False, cwd=code, env=environment, capture_output=True, text=True
    )


def give(directory: Path, code: str, *, key: str = _KEY) -> None:
    """Puts a script, with one source, where the warm run looks for it."""
    (directory / "a.csv").write_text("n\n1\n2\n")
    source = {
        "kind": "file",
        "uri": "s3://b/sessions/s/csv/a.csv",
        "name": "a.csv",
        "format": "csv",
        "location": f"{directory}/a.csv",
        "rows": 2,
        "columns": [["n", "int64"]],
    }
    described = json.dumps({"engine": "local", "small": True, "sources": [source]})
    files = {"main.py": code, "sources.json": described}
    script = {"variables": {"RAYLANE_OUTPUT_URI": f"{directory}/output"}, "files": files}
    (directory / "script.json").write_text(f"{key}\n{json.dumps(script)}")


def test_runs_the_script_with_its_sources_and_its_environment(tmp_path: Path) -> None:
    give(tmp_path, _READS)
    ended = wait(tmp_path, idle_s=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "rows: 2\n", "")
    answer = json.loads((tmp_path / "output" / "answer.json").read_text())
    assert answer["items"][0]["value"] == 2
    assert not list((tmp_path / "code").iterdir())


def test_an_error_of_the_script_names_its_lines_and_leaves_no_answer(tmp_path: Path) -> None:
    give(tmp_path, f"{_READS}1 / 0\n")
    ended = wait(tmp_path, idle_s=60)
    assert ended.returncode == 1
    assert 'main.py", line 3, in <module>\n    1 / 0' in ended.stderr
    assert not (tmp_path / "output" / "answer.json").exists()
    assert not list((tmp_path / "code").iterdir())


def test_runs_nothing_that_somebody_else_wrote(tmp_path: Path) -> None:
    give(tmp_path, f"open({str(tmp_path / 'ran')!r}, 'w')\n", key="another")
    assert wait(tmp_path, idle_s=60).returncode == WARM_UNUSED
    assert not (tmp_path / "ran").exists()


@given(st.binary())
@example(f"{_KEY[:-1]}\n{{}}".encode())
@example(f"\n{_KEY}\n{{}}".encode())
@example(b"[" * 100_000)
def test_takes_no_other_bytes_for_a_script(data: bytes) -> None:
    assert script_of(data, hashlib.sha256(_KEY.encode()).hexdigest()) is None


def test_ends_by_itself_if_no_script_comes(tmp_path: Path) -> None:
    ended = wait(tmp_path, idle_s=0)
    assert ended.returncode == WARM_UNUSED
    assert "script.json" in ended.stdout


@pytest.mark.parametrize("code", [WARM_UNUSED, WARM_UNUSED + 256, WARM_UNUSED - 256])
def test_a_script_cannot_end_like_a_run_that_got_none(tmp_path: Path, code: int) -> None:
    # Systems keep only one byte of an exit code.
    give(tmp_path, f"raise SystemExit({code})\n")
    assert wait(tmp_path, idle_s=60).returncode == 1
