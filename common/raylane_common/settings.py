"""Every setting, one class per concern.

Settings come from the environment, from `.env`, and from files in `RAYLANE_SECRETS_DIR`. A variable has the prefix
`RAYLANE_` and then the names joined by `__` (`RAYLANE_RAY__TOKEN`); its file has the same name in lower case and
without the prefix (`ray__token`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Final, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    FilePath,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from raylane_common.errors import InvalidRequest
from raylane_common.errors.findings import describe_finding
from raylane_common.limits import MAX_CODE_VERSIONS, MAX_STAGED_BYTES, MIN_PART_BYTES, PREFIX_PATTERN
from raylane_common.nearest import NearestNames
from raylane_common.ray.settings import RaySettings
from raylane_common.wire.base import JobKind, RetryPolicy
from raylane_common.wire.kinds import KINDS
from raylane_common.wire.names import GeneratorName

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


REDIS_SCHEMES: Final = (
    "redis://",
    "rediss://",
    "unix://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
)


class _Section(BaseModel):
    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")


class RedisSettings(_Section):
    """How to connect to Redis, and how long a command may wait for it."""

    url: SecretStr = Field(
        default=SecretStr("redis://127.0.0.1:6379/0"),
        description="`redis://`, `rediss://` (TLS), `unix://`, `redis+sentinel://HOST:PORT,HOST:PORT/NAME` or "
        "`redis+cluster://HOST:PORT,HOST:PORT` URL; it may hold user and password",
    )
    username: str | None = Field(default=None, description="ACL user, unless the URL names one")
    password: SecretStr | None = Field(default=None, description="Password, unless the URL holds one")
    sentinel_username: str | None = Field(default=None, description="ACL user of the sentinels, if they need a login")
    sentinel_password: SecretStr | None = Field(default=None, description="Password of the sentinels")
    prefix: str = Field(
        default="",
        pattern=PREFIX_PATTERN,
        description="Begins every key, as `{prefix}:`, so that several deployments can share one server; "
        "in a cluster the default is `raylane`",
    )
    ca_file: FilePath | None = Field(
        default=None, description="PEM file with the authorities to trust for `rediss://`, instead of the system's"
    )
    client_cert_file: FilePath | None = Field(
        default=None, description="PEM file with the client certificate for `rediss://`"
    )
    client_key_file: FilePath | None = Field(
        default=None, description="PEM file with the key of `client_cert_file`, unless that file holds it"
    )
    tls_verify: Literal["full", "ca", "none"] = Field(
        default="full",
        description="`full`: the server's certificate and its host name; `ca`: any host name; `none`: any certificate",
    )
    connect_timeout_s: float = Field(default=2.0, gt=0, description="Time limit for opening one connection")
    socket_timeout_s: float = Field(
        default=6.0, gt=1, description="Time limit for one answer; blocking reads are shorter"
    )
    give_up_s: float = Field(
        default=8.0,
        gt=1,
        description="Time limit for one command with all its retries: callers do not notice a shorter outage of Redis, "
        "and get an error for a longer one",
    )
    durability: Literal["none", "wait", "waitaof"] = Field(
        default="none",
        description="What Redis must confirm before an enqueue, a cancel, a requeue or a job's end counts. "
        "`none`: nothing; `wait`: that replicas have it; `waitaof`: that it is on disk",
    )
    durability_replicas: int | None = Field(
        default=None, ge=0, description="How many replicas must confirm; if unset, 1 for `wait` and 0 for `waitaof`"
    )
    durability_timeout_s: float = Field(default=3.0, gt=0, description="Time limit for the confirmation")

    @property
    def confirming_replicas(self) -> int:
        """How many replicas must confirm a write."""
        if self.durability_replicas is not None:
            return self.durability_replicas
        return 1 if self.durability == "wait" else 0

    @field_validator("url")
    @classmethod
    def _redis_address(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().startswith(REDIS_SCHEMES):
            raise ValueError(f"must start with one of the schemes {', '.join(REDIS_SCHEMES)}")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.give_up_s < self.socket_timeout_s:
            raise ValueError("give_up_s must not be below socket_timeout_s")
        if self.client_key_file is not None and self.client_cert_file is None:
            raise ValueError("client_key_file needs client_cert_file")
        if self.durability != "none" and self.durability_timeout_s >= self.socket_timeout_s:
            raise ValueError("durability_timeout_s must be below socket_timeout_s")
        if self.durability == "wait" and self.confirming_replicas == 0:
            raise ValueError("durability_replicas must be at least 1 for durability wait")
        return self


class StorageSettings(_Section):
    """Object storage for uploads and for files that runs write."""

    bucket: str = Field(default="raylane", min_length=3, max_length=63, description="Bucket for all sessions")
    create_bucket: bool = Field(default=False, description="Create the bucket at start if it does not exist")
    allowed_buckets: tuple[str, ...] = Field(
        default=(),
        description="Other buckets to which `raylane settings set storage.bucket` may change while workers run",
    )
    readable: tuple[Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]+[a-z0-9](/(.+/)?)?$")], ...] = Field(
        default=(),
        description="Objects that may be read in place, without a copy: `bucket`, or `bucket/prefix/`; by default none",
    )
    bucket_owner: str | None = Field(
        default=None,
        pattern=r"^[0-9]{12}$",
        description="Id of the account that must own the bucket and the `allowed_buckets`; every request about them "
        "names it, and S3 refuses the request if another account owns the bucket",
    )
    addressing_style: Literal["auto", "path", "virtual"] | None = Field(
        default=None,
        description="Where URLs have the bucket's name: in the host (`virtual`) or the `path`; "
        "if unset, `path` with `aws.endpoint_url`, else `auto`",
    )
    encryption: Literal["AES256", "aws:kms", "aws:kms:dsse"] | None = Field(
        default=None, description="How S3 encrypts what Raylane writes; if unset, as the bucket says"
    )
    kms_key_id: str | None = Field(
        default=None, description="Id or ARN of the key for `encryption` with KMS; if unset, the account's key for S3"
    )

    @model_validator(mode="after")
    def _key_needs_kms(self) -> Self:
        if self.kms_key_id is not None and not (self.encryption or "").startswith("aws:kms"):
            raise ValueError("kms_key_id needs encryption aws:kms or aws:kms:dsse")
        return self


class SessionsSettings(_Section):
    """What one session may hold."""

    max_sources: int = Field(default=100, ge=0, description="Sources that a session may have; 0 for no limit")
    max_bytes: int = Field(
        default=0, ge=0, description="Total size of a session's files, as they were uploaded; 0 for no limit"
    )


class UploadSettings(_Section):
    """How large files get to S3: the producer sends their parts, and the worker reads them from there."""

    staged_bytes: int = Field(
        default=MAX_STAGED_BYTES,
        ge=0,
        le=MAX_STAGED_BYTES,
        description="The largest upload that travels through Redis. The producer sends a larger one straight to S3",
    )
    part_bytes: int = Field(
        default=8 * 1024 * 1024,
        ge=MIN_PART_BYTES,
        le=64 * 1024 * 1024,
        description="Size of a part, which the worker chooses. It grows for a file of more than 10,000 such parts",
    )
    parts_at_once: int = Field(
        default=4, ge=1, le=32, description="Parts that a producer sends at once. It holds them in memory"
    )
    idle_timeout_s: float = Field(
        default=30.0, gt=0, description="Time limit for S3 to take the next 256 KiB of a part, or to answer"
    )
    give_up_s: float = Field(
        default=120.0, gt=0, description="How long a producer tries to send one part before the upload fails"
    )
    start_timeout_s: float = Field(
        default=60.0, gt=0, description="How long a producer waits for a worker to start a transfer or sign addresses"
    )
    url_ttl_s: int = Field(
        default=3600, ge=10, le=7 * 24 * 3600, description="How long the signed address of a part is valid"
    )
    scratch_dir: Path | None = Field(
        default=None,
        description="Where a worker keeps the files that it is reading; if unset, the system's temporary directory",
    )
    abandoned_after_s: int = Field(
        default=24 * 3600, ge=60, description="Age at which the parts of an upload that nobody continues are removed"
    )


class AwsSettings(_Section):
    """How to reach S3 and Glue. Unset fields come from the usual AWS chain (environment, profile, role)."""

    region: str | None = Field(default=None, description="Region of the bucket and the catalog")
    endpoint_url: str | None = Field(default=None, description="Endpoint of S3 and Glue, if it is not AWS: MinIO, moto")
    public_endpoint_url: str | None = Field(
        default=None, description="Address of S3 for producers, if they cannot use `endpoint_url`"
    )
    access_key_id: str | None = Field(default=None, description="Access key, if there is no role or profile")
    secret_access_key: SecretStr | None = Field(default=None, description="Secret of `access_key_id`")
    connect_timeout_s: float = Field(default=3.0, gt=0, description="Time limit for opening one connection")
    read_timeout_s: float = Field(default=30.0, gt=0, description="Time limit for one answer")
    max_tries: int = Field(default=3, ge=1, description="How many times the AWS client tries one call")
    retry_mode: Literal["standard", "adaptive"] = Field(
        default="adaptive", description="`adaptive` also sends fewer requests while AWS throttles them"
    )
    slowest_bytes_per_s: int = Field(
        default=262_144,
        ge=1,
        description="Rate below which a transfer is too slow: it adds to the time limit of a call",
    )


class GenerationSettings(_Section):
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


class LaneSettings(_Section):
    """One lane: how many jobs run at once, and how long each may take."""

    concurrency: int = Field(ge=1, le=1000, description="Jobs of this lane that one worker runs at once")
    timeout_s: float = Field(gt=0, description="Time limit for one attempt; a longer one is stopped and fails")
    per_session: int = Field(ge=0, description="Jobs of one session that may run at once in this lane; 0 for no limit")


# Uploads and cluster calls wait for the network; a generate job also holds a model and a run for minutes.
_LANE_DEFAULTS: Final[dict[str, dict[str, float]]] = {
    "upload": {"concurrency": 20, "timeout_s": 3600, "per_session": 0},
    "generate": {"concurrency": 8, "timeout_s": 5400, "per_session": 1},
    "ray": {"concurrency": 20, "timeout_s": 900, "per_session": 0},
}


def _with_defaults(given: object, defaults: Mapping[str, Mapping[str, object]]) -> object:
    """Adds to each section the fields that it lacks. A value that is not a section is left for pydantic to refuse."""
    if not isinstance(given, Mapping):
        return given
    sections: dict[str, object] = {
        name: dict(section) if isinstance(section, Mapping | BaseModel) else section for name, section in given.items()
    }
    for name, fields in defaults.items():
        section = sections.setdefault(name, {})
        if isinstance(section, dict):
            sections[name] = {**fields, **section}
    return sections


class LanesSettings(_Section):
    """The three lanes, and the settings that they share."""

    upload: LaneSettings
    generate: LaneSettings
    ray: LaneSettings
    lease_s: float = Field(
        default=10.0, ge=2, description="How long a job of a dead worker waits until another worker may take it"
    )
    drain_s: float = Field(default=20.0, ge=0, description="How long running jobs may continue after SIGTERM")
    poll_s: float = Field(
        default=4.0,
        gt=0,
        description="Time between two polls of the queue, in case a wake-up message is lost; at most 0.4 of `lease_s`",
    )

    @model_validator(mode="before")
    @classmethod
    def _each_lane_has_its_defaults(cls, given: object) -> object:
        return _with_defaults(given, _LANE_DEFAULTS)


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
    retries: dict[JobKind, RetryPolicy] = Field(default_factory=dict, validate_default=True)
    result_ttl_s: int = Field(default=7 * 24 * 3600, gt=60, description="How long the record of a finished job is kept")
    dead_ttl_s: int = Field(default=30 * 24 * 3600, gt=60, description="How long a dead letter is kept")

    @field_validator("retries", mode="before")
    @classmethod
    def _each_kind_has_its_policy(cls, given: object) -> object:
        return _with_defaults(given, {kind: entry.retry.model_dump() for kind, entry in KINDS.items()})

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


_PREFIX: Final = "RAYLANE_"

# Variables that are not settings: this module, the command line, scripts on Ray and our tests read them.
_OTHER_VARIABLES: Final = (
    "RAYLANE_SECRETS_DIR",
    "RAYLANE_SESSION",
    "RAYLANE_OUTPUT_URI",
    "RAYLANE_SEED",
    "RAYLANE_TEST_PROFILE",
)


def load_settings() -> Settings:
    """Returns the settings of this process. Raises `InvalidRequest` that names the first wrong variable."""
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise explain(error) from error
    except UnicodeDecodeError as error:
        problem = f".env, or a file in RAYLANE_SECRETS_DIR, is not UTF-8: {error.reason} at byte {error.start}"
        raise InvalidRequest.field("settings", problem) from error
    except OSError as error:
        raise InvalidRequest.field("settings", f"{error.filename} cannot be read: {error.strerror}") from error


def explain(error: ValidationError | SettingsError) -> InvalidRequest:
    """Returns the first problem that `Settings()` found. The message names the variable but not its value."""
    if isinstance(error, SettingsError):
        field = re.search(r'for field "(\w+)"', str(error))
        if field is None:  # the directory of secrets is the only other source that fails as a whole
            return InvalidRequest.field("RAYLANE_SECRETS_DIR", str(error))
        return InvalidRequest.field(_variable(field.group(1)), "must be JSON, and so must the lists below it")
    first = error.errors(include_url=False, include_input=False)[0]
    unknown_key = first["loc"][-1:] == ("[key]",)
    path = [str(part) for part in (first["loc"][:-1] if unknown_key else first["loc"])]
    problem = describe_finding(first)
    if not path:
        # Several settings do not fit together; the message names them.
        return InvalidRequest.field("settings", problem)
    if unknown_key or first["type"] == "extra_forbidden":
        return InvalidRequest.field(_variable(*path), f"is not a setting{_suggestion(_variable(*path))}")
    inside: list[str] = []
    while len(path) > 1 and _variable(*path) not in _known_variables():
        inside.insert(0, path.pop())  # the place within a variable that holds JSON
    return InvalidRequest.field(_variable(*path), f"{'.'.join(inside)}: {problem}" if inside else problem)


def unknown_variables(environ: Iterable[str]) -> list[tuple[str, str | None]]:
    """Returns the names that begin with `RAYLANE_` and are not settings, each with a similar known name or None."""
    known = {*_known_variables(), *_OTHER_VARIABLES}
    unknown = [name for name in environ if name.upper().startswith(_PREFIX) and name.upper() not in known]
    return [(name, _nearest(name)) for name in unknown]


def _variable(*path: str) -> str:
    return _PREFIX + "__".join(path).upper()


def _suggestion(name: str) -> str:
    nearest = _nearest(name)
    return f"; did you mean {nearest}?" if nearest else ""


@cache
def _known_variables() -> tuple[str, ...]:
    """Returns the variables of all settings and of all sections, which may be given as JSON."""
    return tuple(_variable(*path) for path in _paths(Settings))


def _paths(section: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for name, field in section.model_fields.items():
        yield (name,)
        annotation = field.annotation
        if get_origin(annotation) is dict:
            keys, below = get_args(annotation)
            for key in keys:
                yield (name, key)
                yield from ((name, key, *path) for path in _paths(below))
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from ((name, *path) for path in _paths(annotation))


def _nearest(name: str) -> str | None:
    # All names share the prefix, so it would make any two of them look alike.
    candidates = {known.removeprefix(_PREFIX): known for known in (*_known_variables(), *_OTHER_VARIABLES)}
    found = NearestNames(candidates).find(name.upper().removeprefix(_PREFIX), 1)
    return candidates[found[0]] if found else None
