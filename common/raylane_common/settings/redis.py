"""How to reach Redis, and how long to wait for it."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, FilePath, SecretStr, field_validator, model_validator

from raylane_common.limits import PREFIX_PATTERN
from raylane_common.settings.section import Section

REDIS_SCHEMES: Final = (
    "redis://",
    "rediss://",
    "unix://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
)


class RedisSettings(Section):
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
            raise ValueError(
                f"must start with one of the schemes {', '.join(REDIS_SCHEMES)}, as in redis://127.0.0.1:6379/0"
            )
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
