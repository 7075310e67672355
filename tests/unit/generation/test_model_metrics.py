"""What a model's service says of itself is counted as far as it can be true."""

from __future__ import annotations

from raylane_common.telemetry.metrics import PrometheusMetrics
from raylane_common.wire.generate import Usage
from raylane_worker.generation.agents.measured import ModelMetrics
from tests.helpers.scrape import parsed


def test_tokens_below_0_are_none_and_fail_no_job() -> None:
    metrics = PrometheusMetrics()
    model = ModelMetrics(metrics, 'a "model"\n\\')
    model.used(Usage(input_tokens=-5, output_tokens=7))
    model.used(None)
    found = parsed(metrics.exposition().body.decode()).of("raylane_model_tokens_total")
    assert {dict(labels)["kind"]: value for labels, value in found.items()} == {"input": 0, "output": 7}
