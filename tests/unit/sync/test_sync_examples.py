"""The examples in the docstrings of `raylane.sync` run as they are printed, and need no event loop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

import raylane
from raylane import sync
from raylane.sync.job_actions import JobActions
from raylane.testing import SyncMemoryProducer
from tests.unit.producer.samples import CSV, CSV_BYTES, TABLE
from tests.unit.test_examples import answer_for_examples, examples_of

if TYPE_CHECKING:
    from pathlib import Path

EXAMPLES: Final = examples_of(
    *(sync.Producer, JobActions, sync.JobHandle, sync.TableActions),
    *(sync.ClusterActions, sync.OperatorActions, sync.SettingsActions),
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_runs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RAYLANE_RAY__ALLOWED_HOSTS", '["10.0.0.5", "ray.example.org"]')
    (tmp_path / "sales.csv").write_bytes(CSV_BYTES)
    with SyncMemoryProducer(answer_for_examples) as producer:
        producer.put_sources("ada", CSV, TABLE)
        producer.tables.databases(job_id="dead")
        producer.settings.set("ray.private_url", "http://10.0.0.5:8265")
        names = {public: getattr(raylane, public) for public in raylane.__all__}
        exec(EXAMPLES[name], names | {"producer": producer, "data": CSV_BYTES.decode()})


def test_there_are_as_many_as_for_the_asynchronous_producer() -> None:
    from tests.unit import test_examples  # its own tests must not be collected here

    assert len(EXAMPLES) == len([name for name in test_examples.EXAMPLES if "." in name])
