"""The plugin's real servers and worker, in another project: an upload is read, and code is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.helpers.plugin import run_pytest
from tests.unit.test_documented_python import blocks

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]

# Several processes start one after the other.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_service_is_tested_with_a_real_worker(
    pytester: pytest.Pytester, weather: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAYLANE_REDIS__URL", "redis://127.0.0.1:1/0")
    monkeypatch.setenv("RAYLANE_REDIS__PREFIX", "of-the-developer")
    pytester.makeini("[pytest]\nraylane_ray = false\n")
    [documented] = [block for block in blocks("testing.md") if "raylane_worker" in block]
    pytester.makepyfile(
        test_documented=documented,
        test_service=f"""
        import os
        from raylane.sync import Producer

        def test_an_upload_and_a_question(raylane_worker):
            with Producer(raylane_worker.settings) as producer:
                upload = producer.upload({str(weather)!r}, session_id="ada")
                assert upload.result(timeout_s=60).rows == 1461
                job = producer.generate("average temp_max by weather", session_id="ada")
                assert "groupby" in job.result(timeout_s=60).code
            assert os.environ["RAYLANE_REDIS__PREFIX"] == "of-the-developer"

        def test_the_next_test_has_the_same_stack(raylane_worker, raylane_stack):
            assert raylane_worker is raylane_stack
            assert raylane_stack.env["RAYLANE_REDIS__URL"] == raylane_stack.redis_url
            with Producer(raylane_stack.settings) as producer:
                assert [source.rows for source in producer.sources("ada")] == [1461]
        """,
    )
    run_pytest(pytester, "-p", "no:asyncio", "-p", "no:xdist").assert_outcomes(passed=3)
