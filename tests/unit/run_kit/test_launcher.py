"""The kit beside a script, in a process of its own: what it imports, and how a run ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from raylane_worker.run_kit import LAUNCHER, kit_files
from tests.helpers.files import uploaded
from tests.helpers.kit import described, place

if TYPE_CHECKING:
    from pathlib import Path

SOURCE, OBJECTS = uploaded("people.csv", b"name,age\nAnn,38\nBob,\n", bucket="lake", session_id="s")
READ = f"from raylane_run import answer, read\nframe = read({SOURCE.location!r})\n"
COUNT = f"{READ}answer.value('ages', frame['age'].count())\n"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The working directory of a run, with the kit."""
    for name, text in kit_files().items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    place(tmp_path / "objects", {f"s3://lake/{key}": body for key, body in OBJECTS.items()})
    (tmp_path / "sources.json").write_text(described(tmp_path / "objects", [SOURCE]), "utf-8")
    return tmp_path


def run(directory: Path, code: str, *command: str, **env: str) -> subprocess.CompletedProcess[str]:
    (directory / "main.py").write_text(code, "utf-8")
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAYLANE_LOCAL")}
    return subprocess.run(
        [sys.executable, *(command or ("-m", LAUNCHER))],
        cwd=directory,
        env={**own, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def answer_of(directory: Path) -> Any:
    return json.loads((directory / "out" / "answer.json").read_text("utf-8"))


def test_a_script_that_ends_well_leaves_its_answer(directory: Path) -> None:
    ran = run(directory, COUNT, RAYLANE_OUTPUT_URI=str(directory / "out"))
    assert (ran.stdout, ran.stderr, ran.returncode) == ("ages: 1\n", "", 0)
    assert [item["value"] for item in answer_of(directory)["items"]] == [1]


@pytest.mark.parametrize("command", [(), ("main.py",)], ids=["launcher", "script"])
def test_a_script_whose_answer_cannot_be_written_does_not_end_well(directory: Path, command: tuple[str, ...]) -> None:
    (directory / "file").touch()
    ran = run(directory, COUNT, *command, RAYLANE_OUTPUT_URI=str(directory / "file" / "out"))
    assert (ran.stdout, ran.returncode) == ("ages: 1\n", 1)
    assert "NotADirectoryError" in ran.stderr


def test_a_script_with_nothing_to_say_leaves_an_empty_answer(directory: Path) -> None:
    ran = run(directory, "raise SystemExit\n", RAYLANE_OUTPUT_URI=str(directory / "out"))
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)
    assert answer_of(directory) == {"items": [], "notes": []}


@pytest.mark.parametrize(("end", "status"), [("1 / 0", 1), ("raise SystemExit(3)", 3), ("raise SystemExit('no')", 1)])
def test_a_script_that_fails_keeps_its_status(directory: Path, end: str, status: int) -> None:
    ran = run(directory, f"print('so far')\n{end}\n", RAYLANE_OUTPUT_URI=str(directory / "out"))
    assert (ran.stdout, ran.returncode) == ("so far\n", status)
    assert not (directory / "out").exists()


def test_a_local_script_runs_anywhere_without_the_launcher(directory: Path, tmp_path_factory: Any) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (directory / "main.py").write_text(COUNT, "utf-8")
    ran = subprocess.run(
        [sys.executable, str(directory / "main.py")],
        cwd=elsewhere,
        env={**os.environ, "RAYLANE_LOCAL": "1", "RAYLANE_OUTPUT_URI": str(directory / "out")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("ages: 1\n", "", 0)
    assert [*elsewhere.iterdir()] == []
    assert not (directory / "out").exists()


def test_only_reading_imports_what_is_slow_to_import(directory: Path) -> None:
    shows = "import sys\nprint(sorted({'pandas', 'pyarrow', 'numpy', 'ray'} & sys.modules.keys()))\n"
    ran = run(directory, f"import raylane_run\n{shows}{READ}{shows}import gc\nprint(gc.isenabled())\n")
    assert ran.stdout.splitlines() == ["[]", "['numpy', 'pandas', 'pyarrow']", "True"]


def test_a_kit_without_its_list_of_sources_says_so(directory: Path) -> None:
    (directory / "sources.json").unlink()
    ran = run(directory, READ)
    assert ran.returncode == 1
    assert ran.stderr.endswith("sources.json is missing: it lists the sources, and belongs beside main.py\n")


def test_a_ray_without_a_switch_for_plain_pandas_ends_the_run(directory: Path) -> None:
    text = json.loads((directory / "sources.json").read_text("utf-8")) | {"engine": "distributed"}
    (directory / "sources.json").write_text(json.dumps(text), "utf-8")
    ran = run(directory, f"import ray\nray.__version__ = '2.56.0'\n{READ}")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.endswith("upgrade the cluster to 2.56.1 or newer\n")


@pytest.mark.parametrize(
    ("engine", "old"),
    [
        ("local", "import pandas\npandas.__version__ = '1.5.3'\n"),
        ("distributed", "from importlib import metadata\nmetadata.version = lambda name: '1.5.3'\n"),
    ],
)
def test_a_pandas_that_holds_other_times_ends_the_run(directory: Path, engine: str, old: str) -> None:
    text = json.loads((directory / "sources.json").read_text("utf-8")) | {"engine": engine}
    (directory / "sources.json").write_text(json.dumps(text), "utf-8")
    ran = run(directory, f"{old}{READ}")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.endswith("the cluster needs pandas 2.2 or newer\n")


def test_everything_that_was_printed_arrives_and_no_thread_is_waited_for(directory: Path) -> None:
    waiting = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
    code = f"{COUNT}{waiting}import sys\nsys.stderr.write('e')\nprint('x' * 100_000, end='')\n"
    ran = run(directory, code, RAYLANE_OUTPUT_URI=str(directory / "out"))
    assert (ran.stdout, ran.stderr, ran.returncode) == (f"ages: 1\n{'x' * 100_000}", "e", 0)
    assert answer_of(directory)["items"]
