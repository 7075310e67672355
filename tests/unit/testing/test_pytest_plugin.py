"""The fixtures of the plugin in another project: with and without pytest-asyncio, and without a cost when unused."""

from __future__ import annotations

import tomllib
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.helpers.plugin import MODULE, run_pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

pytest_plugins = ["pytester"]

SYNC = """
import asyncio
from raylane.testing import make_answer, make_generate_result, make_value

def ask(producer):
    job = producer.generate("how many rows", session_id="ada", execute=True)
    return job, lambda: job.result(timeout_s=20).answer.items[0].value

def test_a_service(raylane_sync_producer):
    job, rows = ask(raylane_sync_producer)
    raylane_sync_producer.succeed(job.id, make_generate_result(answer=make_answer(make_value("rows", 1461))))
    assert rows() == 1461

def test_another_has_a_producer_of_its_own(raylane_sync_producer):
    assert raylane_sync_producer.enqueued == []

def test_a_producer_meets_several_loops(raylane_producer):
    async def enqueue():
        return (await raylane_producer.generate("count", session_id="ada")).id
    assert [asyncio.run(enqueue()) for _ in range(2)] == [job.id for job in raylane_producer.enqueued]
"""

ASYNC = """
import pytest
from raylane.testing import make_upload_result

@pytest.mark.asyncio
async def test_a_service(raylane_producer):
    upload = await raylane_producer.upload_bytes("a\\n1\\n", filename="a.csv", session_id="ada")
    await raylane_producer.succeed(upload.id, make_upload_result())
    assert [source.name for source in await raylane_producer.sources("ada")] == ["a.csv"]
"""

UNUSED = """
import sys

def test_nothing_of_raylane_is_loaded():
    loaded = {name.partition(".")[0] for name in sys.modules}
    assert not loaded & {"raylane", "raylane_common", "redis", "pydantic", "aiohttp", "fakeredis", "ray"}
    ours = sorted(name for name in sys.modules if name.startswith("raylane"))
    assert ours == ["raylane_worker", "raylane_worker.pytest_plugin"]
"""


@pytest.mark.parametrize(
    ("test", "arguments", "passed"),
    [
        (SYNC, ["-p", "no:asyncio"], 3),
        (ASYNC, ["-o", "asyncio_default_fixture_loop_scope=function"], 1),
        (UNUSED, ["-p", "no:asyncio"], 1),
    ],
    ids=["without asyncio", "with asyncio", "unused"],
)
def test_the_fixtures_work(pytester: pytest.Pytester, test: str, arguments: Sequence[str], passed: int) -> None:
    pytester.makepyfile(test)
    run_pytest(pytester, "-p", "no:xdist", *arguments).assert_outcomes(passed=passed)


def test_tests_of_one_stack_stay_in_one_process_with_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import os, pytest

        @pytest.fixture(scope="session")
        def raylane_stack():  # as a project may replace it
            return os.getpid()

        @pytest.mark.parametrize("number", range(6))
        def test_with_the_stack(raylane_stack, number):
            with open("pids", "a") as file:
                print(os.getpid(), file=file)

        @pytest.mark.xdist_group("own")
        def test_in_a_group_of_its_own(raylane_stack, request):
            assert [mark.args for mark in request.node.iter_markers("xdist_group")] == [("own",)]
        """
    )
    run_pytest(pytester, "-p", "no:asyncio", "-n", "2", "--dist", "loadgroup").assert_outcomes(passed=7)
    assert len(set((pytester.path / "pids").read_text().split())) == 1


def test_the_plugin_is_found_by_pytest_where_raylane_is_installed() -> None:
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"]["pytest11"] == {"raylane": MODULE}
    assert hasattr(import_module(MODULE), "raylane_worker")
