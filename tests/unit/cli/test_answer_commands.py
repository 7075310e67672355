"""What commands do with an answer: print it for the terminal at hand, draw charts, and write tables and files."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane.cli.pictures import picture_protocol
from raylane_common.errors import RunFailed
from raylane_common.wire.answer import Answer, CellType
from raylane_common.wire.generate import CodeVersion
from raylane_common.wire.ray import RaySubmitResult
from tests.helpers.hostile_text import HOSTILE, is_safe
from tests.unit.answers.samples import ANSWER, BAR, PIE, table
from tests.unit.answers.test_answer_text import GOLDEN
from tests.unit.producer.samples import CSV_BYTES, FAILED_RUN, GENERATED, RUN, UPLOADED

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.errors import RaylaneError
    from raylane_common.wire.kinds import Result
    from tests.unit.cli.conftest import Cli, ScriptedWorker

ALL_KINDS = GENERATED.model_copy(update={"answer": ANSWER})


@pytest.fixture(autouse=True)
def _plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KITTY_WINDOW_ID", "TERM", "TERM_PROGRAM", "TMUX", "STY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def on_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stdout is a terminal; stderr, where progress is shown, is none."""
    monkeypatch.setattr("raylane.cli.terminal._is_terminal", lambda stream: stream is sys.stdout)


async def generated(cli: Cli, worker: ScriptedWorker, result: Result | RaylaneError = ALL_KINDS) -> None:
    """Makes the job `j` with this result."""
    worker.outcomes["generate"] = result
    await cli("generate", "mean", "-s", "s1", "--run", "--wait", "--no-chart", "--job-id", "j")


@pytest.mark.usefixtures("on_terminal")
@pytest.mark.parametrize("width", [60, 80, 120])
async def test_an_answer_fits_the_terminal(cli: Cli, worker: ScriptedWorker, width: int) -> None:
    await generated(cli, worker)
    ran = await cli("result", "j", COLUMNS=str(width))
    assert ran.exit_code == 0, ran.output
    golden = (GOLDEN / f"answer-{width}.txt").read_text(encoding="utf-8").split("\n\nrows by year\n")[0]
    facts = "read as: mean of temp\nwritten by template (engine local, version 1, run rl-gen-1, 3.1 s on Ray)\n"
    assert ran.stdout == f"{golden}\n\nline chart: n by at (72 rows)\n\n{facts}"
    assert ran.stderr == "raylane result j --chart FILE.svg draws it\n"


async def test_an_answer_may_be_a_chart_alone(cli: Cli, worker: ScriptedWorker) -> None:
    await generated(cli, worker, GENERATED.model_copy(update={"answer": Answer(items=(PIE,))}))
    assert (await cli("result", "j")).stdout.startswith("pie chart: rows by weather (5 rows)\n\nread as: ")
    assert (await cli("result", "j", "--chart", "-")).stdout.startswith("rows by weather\nrain    | █")
    assert (await cli("result", "j", "--no-chart")).stdout.startswith("read as: ")


async def test_code_comes_only_when_asked_for_or_when_it_was_not_run(cli: Cli, worker: ScriptedWorker) -> None:
    await generated(cli, worker, GENERATED.model_copy(update={"answer": None, "run": None}))
    assert (await cli("result", "j")).stdout.splitlines() == [
        "read as: mean of temp",
        "written by template (engine local, version 1, not run)",
        *("", "--- code", "print('mean')"),
    ]
    worker.outcomes["generate"] = GENERATED
    await cli("generate", "mean", "-s", "s1", "--run", "--wait", "--job-id", "k")
    assert "print('mean')" not in (await cli("result", "k")).stdout
    assert "print('mean')" in (await cli("result", "k", "--code")).stdout


async def test_a_job_of_an_older_worker_shows_the_output_of_its_run(cli: Cli, worker: ScriptedWorker) -> None:
    await generated(cli, worker, GENERATED.model_copy(update={"answer": None}))
    assert (await cli("result", "j")).stdout.splitlines()[:3] == [
        "--- rl-gen-1: SUCCEEDED on public, exit code 0",
        "mean 3.0",
        "",
    ]


async def test_the_output_of_a_run_is_shown_only_when_asked_for(cli: Cli, worker: ScriptedWorker) -> None:
    worker.outcomes["generate"] = GENERATED
    worker.log_lines = ["(raylet) a line of Ray"]
    ran = await cli("generate", "mean", "-s", "s1", "--run", "--wait", "--job-id", "j")
    waited = await cli("result", "j", "--wait")
    for each in (ran, waited):
        assert "succeeded" in each.stderr
        assert "a line of Ray" not in each.output
        assert "mean 3.0" not in each.output
    assert "mean 3.0" in (await cli("rerun", "j", "--wait", "--log")).stdout
    assert "a line of Ray" in (await cli("follow", "j")).stdout


async def test_a_failed_run_shows_the_end_of_its_output(cli: Cli, worker: ScriptedWorker) -> None:
    await generated(cli, worker, RunFailed("it broke", details={"run": FAILED_RUN.model_dump(mode="json")}))
    for command in ("result", "status"):
        ran = await cli(command, "j")
        assert "KeyError: 'tmp'" in ran.output
        assert "--- code" not in ran.output
    assert (await cli("result", "j")).exit_code == 1


async def test_a_doubt_about_an_answer_is_noted(cli: Cli, worker: ScriptedWorker) -> None:
    version = CodeVersion(number=1, code="print()", run=RUN, doubt="The answer has no rows.")
    await generated(cli, worker, GENERATED.model_copy(update={"versions": (version,), "answer": Answer()}))
    ran = await cli("result", "j")
    assert ran.stdout.startswith("no answer\n\nread as")
    assert "note: The answer has no rows." in ran.stderr


async def test_a_submitted_script_shows_its_answer_before_its_output(
    cli: Cli, worker: ScriptedWorker, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text("print(1)")
    worker.outcomes["submit"] = RaySubmitResult(run=RUN, answer=Answer(items=(BAR, table({}, []))))
    await cli("ray", "submit", "main.py", "--job-id", "j", "--no-wait")
    for command in (["result", "j", "--wait"], ["status", "j"]):
        shown = (await cli(*command)).stdout
        assert shown.index("(0 rows)") < shown.index("--- rl-gen-1: SUCCEEDED")


async def test_how_to_compute_and_what_to_draw_reach_the_worker(cli: Cli, worker: ScriptedWorker) -> None:
    await generated(cli, worker, GENERATED)
    ran = await cli(
        "generate", "mean", "-s", "s1", "--engine", "distributed", "--no-chart", "--continues", "j", "--run"
    )
    assert ran.exit_code == 0, ran.output
    await cli("result", ran.stdout.strip(), "--wait")
    assert {name: worker.claimed[-1].payload[name] for name in ("engine", "chart")} == {
        "engine": "distributed",
        "chart": False,
    }
    continued = worker.claimed[-1].payload["continues"]
    assert isinstance(continued, dict)
    assert (continued["job_id"], continued["code"]) == ("j", "print('mean')\n")


async def test_run_writes_the_chart_after_the_answer(cli: Cli, worker: ScriptedWorker, tmp_path: Path) -> None:
    (tmp_path / "temps.csv").write_bytes(CSV_BYTES)
    worker.outcomes |= {"upload": UPLOADED, "generate": GENERATED}
    options = ("--chart", "chart.svg", "--engine", "local")
    ran = await cli("run", "temps.csv", "mean of temp", "-s", "s1", *options)
    assert ran.exit_code == 0, ran.output
    assert worker.claimed[-1].payload["engine"] == "local"
    assert "chart" not in worker.claimed[-1].payload
    assert "Oslo |          3" in ran.stdout
    assert ran.stderr.endswith("chart written to chart.svg\n")
    assert "mean(temp) by city" in (tmp_path / "chart.svg").read_text()


async def test_rerun_writes_the_chart(cli: Cli, worker: ScriptedWorker, tmp_path: Path) -> None:
    await generated(cli, worker, GENERATED)
    ran = await cli("rerun", "j", "--wait", "--chart", "again.PNG")
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "again.PNG").read_bytes().startswith(b"\x89PNG")


async def test_each_chart_of_an_answer_gets_a_file(cli: Cli, worker: ScriptedWorker, tmp_path: Path) -> None:
    await generated(cli, worker, GENERATED.model_copy(update={"answer": Answer(items=(BAR, PIE))}))
    ran = await cli("result", "j", "--chart", "out.svg", "--json")
    assert ran.exit_code == 0, ran.output
    assert json.loads(ran.stdout)["answer"]["items"][1]["kind"] == "pie"
    assert ran.stderr == "chart written to out.svg\nchart written to out-2.svg\n"
    assert "43.9% rain" in (tmp_path / "out-2.svg").read_text()


async def test_tables_are_written(cli: Cli, worker: ScriptedWorker, tmp_path: Path) -> None:
    await generated(cli, worker)
    ran = await cli("result", "j", "--csv", "t.csv", "--parquet", "t.parquet", "--table", "3")
    assert ran.exit_code == 0, ran.output
    assert ran.stderr.endswith("table written to t.csv\ntable written to t.parquet\n")
    header, row = (tmp_path / "t.csv").read_text().splitlines()
    assert (header[:9], row[:11]) == ("column 0,", "1234567.25,")
    assert (tmp_path / "t.parquet").read_bytes().startswith(b"PAR1")


async def test_csv_on_stdout_is_all_that_is_printed(cli: Cli, worker: ScriptedWorker) -> None:
    await generated(cli, worker)
    ran = await cli("result", "j", "--csv", "-")
    assert ran.exit_code == 0, ran.output
    assert ran.stdout_bytes.startswith(b"weather,mean(temp_max),id,day,note\ndrizzle,15.909259,12345678901234567890,")
    assert b"\x1b[31mred" in ran.stdout_bytes
    assert ran.stderr == ""


@pytest.mark.usefixtures("on_terminal")
async def test_csv_on_a_terminal_is_safe(cli: Cli, worker: ScriptedWorker) -> None:
    answer = Answer(items=(table({HOSTILE: CellType.STRING}, [(HOSTILE,)]),))
    await generated(cli, worker, GENERATED.model_copy(update={"answer": answer}))
    ran = await cli("result", "j", "--csv", "-")
    assert ran.exit_code == 0, ran.output
    assert "[red]b[/red]" in ran.stdout
    assert is_safe(ran.stdout.replace("FORGED", "more"))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--chart", "chart.pdf"], "chart: 'chart.pdf' must end with .svg or .png, or be -"),
        (["--chart", ""], "chart: '' must end with .svg or .png"),
        (["--chart", "c.svg", "--no-chart"], "chart: cannot be combined with --no-chart"),
        (["--chart", "no/such/c.svg"], "chart: 'no/such' is not a directory; make it first"),
        (["--chart", f"{'c' * 300}.svg"], "chart: 'ccc"),
        (["--csv", "c" * 300], "csv: 'ccc"),
        (["--parquet", "c" * 300], "parquet: 'ccc"),
        (["--chart", "-", "--json"], "chart: must be a file if --json prints to stdout"),
        (["--csv", "-", "--json"], "csv: must be a file if --json or --chart prints to stdout"),
        (["--csv", "-", "--chart", "-"], "csv: must be a file if --json or --chart prints to stdout"),
        (["--csv", "t.csv", "--table", "9"], "table: there is no table 9, because the answer has 5 tables"),
        (["--parquet", "-"], "parquet: must be a file; only CSV can be printed"),
        (["--csv", "no/such/t.csv"], "csv: 'no/such' is not a directory; make it first"),
        (["--parquet", "no/such/t"], "parquet: 'no/such' is not a directory; make it first"),
        (["--files", "nowhere"], "files: 'nowhere' is not a directory; make it first"),
        (["--table", "2"], "table: needs --csv, --parquet or --open"),
    ],
)
async def test_what_cannot_be_written_is_refused_by_name(
    cli: Cli, worker: ScriptedWorker, arguments: list[str], problem: str
) -> None:
    await generated(cli, worker)
    ran = await cli("result", "j", *arguments)
    assert ran.exit_code == 2
    assert problem in ran.output


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--chart", "c.svg"], "chart: the answer has no chart"),
        (["--csv", "c.csv"], "table: the answer has no table"),
        (["--files", "."], "files: the answer has no files"),
        (["--open"], "table: the answer has no table"),
    ],
)
@pytest.mark.parametrize("answer", [None, Answer()])
async def test_what_an_answer_does_not_have_is_an_error(
    cli: Cli, worker: ScriptedWorker, arguments: list[str], problem: str, answer: Answer | None
) -> None:
    await generated(cli, worker, GENERATED.model_copy(update={"answer": answer}))
    ran = await cli("result", "j", *arguments)
    assert ran.exit_code == 2
    assert problem in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["generate", "mean", "-s", "s1", "--wait", "--chart", "c.svg"], "chart: needs an answer; add --run"),
        (["generate", "mean", "-s", "s1", "--run", "--open"], "open: needs the answer; add --wait"),
        (["run", "x.csv", "mean", "-s", "s1", "--no-wait", "--chart", "c.svg"], "chart: needs the answer; add --wait"),
        (["run", "x.csv", "mean", "-s", "s1", "--chart", "no/such/c.svg"], "chart: 'no/such' is not a directory"),
        (["rerun", "j", "--chart", "c.pdf"], "must end with .svg or .png"),
        (["generate", "mean", "-s", "s1", "--continues", "nothing"], "nothing"),
    ],
)
async def test_a_file_that_could_not_be_written_is_refused_before_anything_is_enqueued(
    cli: Cli, worker: ScriptedWorker, arguments: list[str], problem: str
) -> None:
    ran = await cli(*arguments)
    assert ran.exit_code in (2, 3)
    assert problem in ran.stderr
    assert worker.claimed == []


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """The paths that were given to the viewer, which exists only once."""
    paths: list[str] = []

    def launch(path: str) -> int:
        paths.append(path)
        return len(paths) - 1

    monkeypatch.setattr("raylane.cli.export.typer.launch", launch)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return paths


async def test_the_chart_is_opened(cli: Cli, worker: ScriptedWorker, opened: list[str], tmp_path: Path) -> None:
    await generated(cli, worker, GENERATED)
    ran = await cli("result", "j", "--open")
    assert opened[0].endswith("/chart.svg")
    assert f"opened {Path(opened[0]).relative_to(tmp_path)}" in ran.stderr
    ran = await cli("result", "j", "--csv", "t.csv", "--chart", "c.png", "--open")
    assert opened[1:] == [str(tmp_path / "c.png"), str(tmp_path / "t.csv")]
    assert "no viewer opened c.png" in ran.stderr


async def test_nothing_is_left_of_what_could_not_be_opened(
    cli: Cli, worker: ScriptedWorker, opened: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async def full(*_: object) -> Path:
        raise OSError("No space left on device")

    monkeypatch.setattr("raylane.cli.saving.save_csv", full)
    for answer in (Answer(), Answer(items=(table({"x": CellType.INTEGER}, [(1,)]),))):
        await generated(cli, worker, GENERATED.model_copy(update={"answer": answer}))
        ran = await cli("result", "j", "--open")
        assert ran.exit_code != 0
    assert opened == []
    assert [path.name for path in tmp_path.glob("raylane-*")] == []


@pytest.mark.parametrize(
    ("name", "kind", "cell", "is_opened"),
    [
        ("x", CellType.STRING, "plain", True),
        ("x", CellType.STRING, "1-1", True),
        ("x", CellType.STRING, "=1+1", False),
        ("x", CellType.STRING, "@x", False),
        ("x", CellType.STRING, " =1+1", False),
        ("x", CellType.STRING, "\uff1d1+1", False),
        ("x", CellType.STRING, "Rome;=cmd|' /C calc'!A0", False),
        ("x", CellType.NESTED, ["a;=1+1"], False),
        ("=1+1", CellType.STRING, "plain", False),
        ("x", CellType.DECIMAL, "-1.50", True),
        ("x", CellType.INTEGER, None, True),
    ],
)
async def test_a_table_is_opened_unless_a_spreadsheet_would_run_it(
    cli: Cli, worker: ScriptedWorker, opened: list[str], name: str, kind: CellType, cell: JsonValue, is_opened: bool
) -> None:
    answer = Answer(items=(table({name: kind}, [(cell,)]),))
    await generated(cli, worker, GENERATED.model_copy(update={"answer": answer}))
    ran = await cli("result", "j", "--open")
    assert len(opened) == is_opened
    assert ("table.csv is not opened: texts in it begin like formulas" in ran.stderr) is not is_opened


@pytest.mark.usefixtures("on_terminal")
async def test_a_terminal_that_takes_pictures_shows_one(cli: Cli, worker: ScriptedWorker) -> None:
    await generated(cli, worker, GENERATED)
    ran = await cli("result", "j", KITTY_WINDOW_ID="1", COLUMNS="60")
    assert ran.exit_code == 0, ran.output
    parts = re.findall("\x1b_G([^;]*);([^\x1b]*)\x1b\\\\", ran.stdout)
    assert parts[0][0] == "a=T,f=100,q=2,c=60,m=1"
    assert [controls for controls, _ in parts[1:]] == ["m=1"] * (len(parts) - 2) + ["m=0"]
    assert base64.b64decode("".join(part for _, part in parts)).startswith(b"\x89PNG")
    assert "█" not in ran.stdout


@pytest.mark.usefixtures("on_terminal")
async def test_without_the_package_for_pictures_the_terminal_shows_bars(
    cli: Cli, worker: ScriptedWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    await generated(cli, worker, GENERATED)
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    ran = await cli("result", "j", KITTY_WINDOW_ID="1", COLUMNS="60")
    assert "█" in ran.stdout
    assert "pip install 'raylane[charts]'" in (await cli("result", "j", "--chart", "c.svg")).stderr


@pytest.mark.usefixtures("on_terminal")
async def test_a_terminal_that_takes_sixels_shows_them(cli: Cli, worker: ScriptedWorker) -> None:
    await generated(cli, worker, GENERATED)
    ran = await cli("result", "j", TERM="foot", COLUMNS="60")
    assert ran.exit_code == 0, ran.output
    assert '\x1bP0;1;0q"1;1;640;400#0;2;' in ran.stdout


@pytest.mark.parametrize(
    ("environment", "protocol"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "3"}, "kitty"),
        ({"TERM_PROGRAM": "WezTerm"}, "kitty"),
        ({"TERM": "foot-extra"}, "sixel"),
        ({"TERM": "xterm-sixel"}, "sixel"),
        ({"TERM": "xterm", "TERM_PROGRAM": "mintty"}, "sixel"),
        ({"TERM": "xterm-256color"}, None),
        ({"TERM": "tmux-256color", "KITTY_WINDOW_ID": "3"}, None),
        ({"KITTY_WINDOW_ID": "3", "TMUX": "/tmp/tmux"}, None),
        ({"KITTY_WINDOW_ID": "3", "STY": "1.pts"}, None),
        ({}, None),
    ],
)
def test_only_terminals_that_say_so_take_pictures(environment: dict[str, str], protocol: str | None) -> None:
    assert picture_protocol(environment) == protocol
