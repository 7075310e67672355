"""How code is written, and by which model."""

from __future__ import annotations

from pydantic import Field, SecretStr

from raylane_common.settings.section import Section
from raylane_common.wire.names import GeneratorName


class GenerationSettings(Section):
    """How code is written."""

    generator: GeneratorName = Field(
        default=GeneratorName.AUTO,
        description="`auto` means `agent` if `model` is set, else `template`; a job never switches between them",
    )
    model: str | None = Field(
        default=None,
        description="`provider:model_id`, such as `bedrock:global.anthropic.claude-sonnet-4-6`; "
        "without it, generator `agent` uses strands' default Bedrock model",
    )
    model_region: str | None = Field(default=None, description="Region of Bedrock, if it is not `aws.region`")
    model_endpoint_url: str | None = Field(
        default=None, description="Address of the model's service, if it is not the provider's own"
    )
    model_api_key: SecretStr | None = Field(default=None, description="API key, for providers that need one")
    model_timeout_s: float = Field(default=120.0, gt=0, description="Time limit for one answer of the model")
    max_turns: int = Field(default=8, ge=2, description="Maximum number of turns of one agent per version")
    max_total_tokens: int = Field(
        default=100_000, ge=1000, description="Maximum number of tokens of one agent per version"
    )
    version_timeout_s: float = Field(default=300.0, gt=0, description="Time limit for writing one version of the code")
    share_samples: bool = Field(
        default=False,
        description="Whether the profile of an upload keeps the most frequent texts of each column, and the model "
        "sees them and what runs print",
    )
