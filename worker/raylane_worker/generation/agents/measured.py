"""Counts the calls of one model, their time and their tokens."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from strands.hooks import AfterModelCallEvent, BeforeModelCallEvent

from raylane_common.telemetry.definitions import MODEL_CALLS, MODEL_SECONDS, MODEL_TOKENS

if TYPE_CHECKING:
    from strands import Agent

    from raylane_common.telemetry.metrics import Metrics
    from raylane_common.wire.generate import Usage


class ModelMetrics:
    """The metrics of one model."""

    def __init__(self, metrics: Metrics, model: str) -> None:
        self._metrics = metrics
        self._model = model

    def watch(self, agent: Agent) -> None:
        """Counts each call of the agent, also those that strands repeats."""
        started_s = time.monotonic()

        def before(event: BeforeModelCallEvent) -> None:
            nonlocal started_s
            started_s = time.monotonic()

        def after(event: AfterModelCallEvent) -> None:
            outcome = "ok" if event.exception is None else "failed"
            self._metrics.add(MODEL_CALLS, self._model, outcome)
            self._metrics.observe(MODEL_SECONDS, time.monotonic() - started_s, self._model)

        agent.add_hook(before, BeforeModelCallEvent)
        agent.add_hook(after, AfterModelCallEvent)

    def used(self, usage: Usage | None) -> None:
        """Counts the tokens of agents that have ended; None if the model reports none."""
        if usage is not None:
            # The model's service says the numbers, and a counter raises for one below 0.
            self._metrics.add(MODEL_TOKENS, self._model, "input", by=max(0, usage.input_tokens))
            self._metrics.add(MODEL_TOKENS, self._model, "output", by=max(0, usage.output_tokens))
