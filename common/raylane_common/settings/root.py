"""All settings, and the places that they come from."""

from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from raylane_common.limits import MAX_CODE_VERSIONS
from raylane_common.ray.settings import RaySettings
from raylane_common.settings.data import AwsSettings, SessionsSettings, StorageSettings, UploadSettings
from raylane_common.settings.gateway import GatewaySettings
from raylane_common.settings.generation import GenerationSettings
from raylane_common.settings.lanes import LanesSettings
from raylane_common.settings.redis import RedisSettings
from raylane_common.settings.section import with_defaults
from raylane_common.settings.telemetry import TelemetrySettings
from raylane_common.wire.base import JobKind, RetryPolicy
from raylane_common.wire.kinds import KINDS


class Settings(BaseSettings):
    """All settings. `Settings()` reads the environment, `.env` and secret files.

    Raises `pydantic.ValidationError` if a setting is wrong; `load_settings` raises `InvalidRequest` instead.
    """

    model_config: ClassVar[SettingsConfigDict] = SettingsConfigDict(
        env_prefix="RAYLANE_",
        env_nested_delimiter="__",
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    redis: RedisSettings = RedisSettings()
    storage: StorageSettings = StorageSettings()
    uploads: UploadSettings = UploadSettings()
    sessions: SessionsSettings = SessionsSettings()
    aws: AwsSettings = AwsSettings()
    ray: RaySettings = RaySettings()
    generation: GenerationSettings = GenerationSettings()
    lanes: LanesSettings = LanesSettings.model_validate({})
    gateway: GatewaySettings = GatewaySettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    retries: dict[JobKind, RetryPolicy] = Field(default_factory=dict, validate_default=True)
    result_ttl_s: int = Field(default=7 * 24 * 3600, gt=60, description="How long the record of a finished job is kept")
    dead_ttl_s: int = Field(default=30 * 24 * 3600, gt=60, description="How long a dead letter is kept")

    @field_validator("retries", mode="before")
    @classmethod
    def _each_kind_has_its_policy(cls, given: object) -> object:
        return with_defaults(given, {kind: entry.retry.model_dump() for kind, entry in KINDS.items()})

    @model_validator(mode="after")
    def _outer_deadlines_are_longer(self) -> Self:
        if self.ray.run_timeout_s >= self.lanes.ray.timeout_s:
            raise ValueError("ray.run_timeout_s must be below lanes.ray.timeout_s")
        least_s = MAX_CODE_VERSIONS * (self.generation.version_timeout_s + self.ray.run_timeout_s)
        if self.lanes.generate.timeout_s < least_s:
            raise ValueError(
                f"lanes.generate.timeout_s must be at least {least_s:g}: "
                f"{MAX_CODE_VERSIONS} times generation.version_timeout_s + ray.run_timeout_s"
            )
        if self.generation.model_timeout_s > self.generation.version_timeout_s:
            raise ValueError("generation.model_timeout_s must not exceed generation.version_timeout_s")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Returns the sources in order of precedence: arguments, environment, `.env`, secret files."""
        directory = os.environ.get("RAYLANE_SECRETS_DIR")
        secrets: tuple[PydanticBaseSettingsSource, ...] = ()
        if directory:
            secrets = (
                NestedSecretsSettingsSource(
                    file_secret_settings,
                    secrets_dir=Path(directory),
                    secrets_dir_missing="error",
                    env_prefix="",
                    secrets_nested_delimiter="__",
                ),
            )
        return (init_settings, env_settings, dotenv_settings, *secrets)
