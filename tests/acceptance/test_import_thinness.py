"""The built wheel with only its base dependencies, in a new environment: it works and loads nothing heavy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from raylane_common.redis.queue import JobQueue
from raylane_common.wire.jobs import JobStatus

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from raylane_worker.embedded import EmbeddedValkey

# One installation serves all of them.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("base")]

ROOT = Path(__file__).parents[2]
CONSTRAINTS = str(ROOT / "constraints.txt")
TIMEOUT_S = 100
HEAVY = ("aiobotocore", "boto3", "botocore", "moto", "pyarrow", "ray", "strands", "typer")
IMPORT_TIME = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns the directory of programs of an environment with only the base install."""
    directory = tmp_path_factory.mktemp("base")
    builder, base = directory / "builder", directory / "base"
    for environment in (builder, base):
        assert _uv("venv", "--python", sys.executable, str(environment)).returncode == 0
    reached = _install(builder, "hatchling")
    if reached.returncode:
        pytest.skip(f"no package index to install hatchling from: {reached.stderr.strip().splitlines()[-1]}")
    built = _uv("build", "--wheel", "--no-build-isolation", *_in(builder), "--out-dir", str(directory), str(ROOT))
    assert built.returncode == 0, built.stderr
    [wheel] = directory.glob("raylane-*.whl")
    installed = _install(base, str(wheel))
    assert installed.returncode == 0, installed.stderr
    return base / "bin"


def test_all_public_names_load_nothing_heavy(base: Path) -> None:
    loaded = _python(
        base,
        "import sys, raylane, raylane.errors, raylane.testing\n"
        "for name in raylane.__all__: getattr(raylane, name)\n"
        "assert 'site-packages' in raylane.__file__, raylane.__file__\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))",
    ).stdout.split()
    assert "raylane_common" in loaded
    assert not {*HEAVY, "aiohttp", "raylane_worker"} & set(loaded)


def test_nothing_heavy_is_installed(base: Path) -> None:
    probe = f"import importlib.util; print(*[name for name in {HEAVY!r} if importlib.util.find_spec(name)])"
    assert _python(base, probe).stdout.split() == []


async def test_a_base_install_enqueues(base: Path, redis: Redis, valkey: EmbeddedValkey) -> None:
    _python(
        base,
        "import asyncio, raylane\n"
        "async def main():\n"
        f"    async with raylane.Producer(redis_url={valkey.url!r}) as producer:\n"
        "        await producer.upload_bytes('a\\n1\\n', filename='a.csv', session_id='s1', job_id='j')\n"
        "asyncio.run(main())",
    )
    assert (await JobQueue(redis).record("j")).status is JobStatus.QUEUED


def test_the_command_line_says_what_it_needs(base: Path) -> None:
    ran = _run(str(base / "raylane"), "--help")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr == "The raylane command needs more packages: pip install 'raylane[cli]'\n"


def test_the_producer_for_tests_says_what_it_needs(base: Path) -> None:
    ran = _run(str(base / "python"), "-c", "from raylane.testing import MemoryProducer")
    assert ran.stderr.endswith(
        "ImportError: raylane.testing.MemoryProducer needs fakeredis: pip install 'raylane[testing]'\n"
    )


def test_the_worker_says_what_it_needs(base: Path) -> None:
    ran = _run(str(base / "raylane-worker"), "run")
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("raylane-worker needs typer, rich, aiobotocore, boto3, pyarrow, strands: ")
    assert ran.stderr.endswith("pip install 'raylane[worker]'\n")


@pytest.mark.parametrize("statement", ["import raylane", "from raylane import Producer"])
def test_the_time_of_the_import_is_printed(base: Path, statement: str, capsys: pytest.CaptureFixture[str]) -> None:
    _python(base, statement)  # writes the byte code
    timed = _run(str(base / "python"), "-I", "-X", "importtime", "-c", statement)
    total_ms = sum(int(own_us) for own_us in IMPORT_TIME.findall(timed.stderr)) / 1000
    with capsys.disabled():
        print(f"\n`{statement}` took {total_ms:.0f} ms of imports, the interpreter's own included")
    assert timed.returncode == 0
    assert total_ms > 0


def _python(base: Path, code: str) -> subprocess.CompletedProcess[str]:
    ran = _run(str(base / "python"), "-I", "-W", "error", "-c", code)
    assert ran.returncode == 0, ran.stderr
    return ran


def _install(environment: Path, package: str) -> subprocess.CompletedProcess[str]:
    return _uv("pip", "install", *_in(environment), "--constraint", CONSTRAINTS, package)


def _in(environment: Path) -> tuple[str, str]:
    return "--python", str(environment / "bin" / "python")


def _uv(*arguments: str) -> subprocess.CompletedProcess[str]:
    # A tenth of the time of pip.
    return _run(str(Path(sys.executable).with_name("uv")), *arguments)


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RAYLANE_", "PYTHON"))}
    return subprocess.run(command, check=False, capture_output=True, text=True, env=env, timeout=TIMEOUT_S)
