"""Chooses the generator of a job and makes it. See docs/decisions/0009.

The agents need strands, which takes more than a second to import, so it is imported only when they are made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raylane_common.telemetry.metrics import NO_METRICS
from raylane_common.wire.generate import GeneratorName
from raylane_worker.generation.providers.models import DEFAULT_MODEL, make_model
from raylane_worker.generation.template.generator import TemplateGenerator

if TYPE_CHECKING:
    from raylane_common.settings import Settings
    from raylane_common.telemetry.metrics import Metrics
    from raylane_worker.generation.port import Generator


@dataclass(frozen=True)
class GeneratorChoice:
    """The generator of one job: `template`, or `agent` with the `provider:model_id` of its model."""

    name: GeneratorName
    model: str | None = None

    def __str__(self) -> str:
        return self.model or str(self.name)


def choose_generator(settings: Settings, requested: GeneratorName | None) -> GeneratorChoice:
    """Returns the requested generator, or the one in the settings. `auto` means `agent` if a model is set."""
    name = requested or settings.generation.generator
    if name is GeneratorName.AUTO:
        name = GeneratorName.AGENT if settings.generation.model else GeneratorName.TEMPLATE
    if name is GeneratorName.TEMPLATE:
        return GeneratorChoice(name)
    return GeneratorChoice(name, settings.generation.model or DEFAULT_MODEL)


def make_generator(chosen: GeneratorChoice, settings: Settings, metrics: Metrics = NO_METRICS) -> Generator:
    """Makes the generator. For `agent` this blocks for a second or two: call it in a thread.

    `metrics` counts the calls of its model.

    Raises `ModelMisconfigured` if the model's client cannot be made from the settings.
    """
    if chosen.name is GeneratorName.TEMPLATE:
        return TemplateGenerator()
    from raylane_worker.generation.agents.generator import AgentGenerator
    from raylane_worker.generation.agents.measured import ModelMetrics

    name = chosen.model or DEFAULT_MODEL
    return AgentGenerator(make_model(name, settings), settings.generation, ModelMetrics(metrics, name))
