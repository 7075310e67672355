"""The settings of the Ray client: the cluster's addresses, and the time limits."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, FilePath, SecretStr, field_validator, model_validator

from raylane_common.limits import ENDPOINT_NAME_PATTERN, MAX_RUN_CPUS, MAX_RUN_MEMORY_BYTES, NO_CONTROLS_PATTERN
from raylane_common.model import Model
from raylane_common.ray.urls import HostPattern


class _Section(Model):
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


class RayEndpointSettings(_Section):
    """One address of the Ray cluster. Unset fields fall back to the cluster-wide settings."""

    name: str = Field(pattern=ENDPOINT_NAME_PATTERN, description="Its name in results and logs")
    url: str = Field(description="Such as `http://10.0.0.5:8265`")
    token: SecretStr | None = None
    token_file: FilePath | None = None
    ca_file: FilePath | None = None
    tls_verify: Literal["full", "ca", "none"] | None = None
    connect_timeout_s: float | None = Field(default=None, gt=0)
    answer_timeout_s: float | None = Field(
        default=None, gt=0, description="Longest wait for one answer from this address"
    )

    @property
    def has_own_trust(self) -> bool:
        """Whether it has a token or rules for TLS that the other addresses do not have."""
        return any(each is not None for each in (self.token, self.token_file, self.ca_file, self.tls_verify))

    @field_validator("url")
    @classmethod
    def _http_address(cls, value: str) -> str:
        return _ray_url(value)


class RaySettings(_Section):
    """The Ray cluster's addresses in order of preference, and the time limits of its client."""

    private_url: str | None = Field(default=None, description="First choice, such as `http://10.0.0.5:8265`")
    public_url: str | None = Field(default=None, description="Used while the path to the private address is broken")
    endpoints: tuple[RayEndpointSettings, ...] = Field(
        default=(),
        description="Instead of the two: any number of addresses as a JSON list, first choice first. Each has `name` "
        "and `url`, and may have its own `token`, `token_file`, `ca_file`, `tls_verify`, `connect_timeout_s` and "
        "`answer_timeout_s`",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Hosts to which `raylane settings set` may move the cluster's address, and so the token, besides "
        'the addresses above, as a JSON list: `["10.0.0.7", "ray.example.org:8265", "*.ray.internal"]`',
    )
    new_cluster: str | None = Field(
        default=None,
        min_length=1,
        max_length=200,
        pattern=NO_CONTROLS_PATTERN,
        description="The session name of a cluster that may take the place of the one that a worker has seen first",
    )
    token: SecretStr | None = Field(default=None, description="Ray's authentication token (RAY_AUTH_MODE=token)")
    token_file: FilePath | None = Field(
        default=None, description="File with the token; read again when it was replaced"
    )
    ca_file: FilePath | None = Field(
        default=None, description="PEM file of the authorities to trust with `https://`, instead of the system's"
    )
    tls_verify: Literal["full", "ca", "none"] = Field(
        default="full",
        description="`full`: the server's certificate and its host name; `ca`: any host name; `none`: any certificate",
    )
    allow_insecure_public: bool = Field(
        default=False,
        description="Allow `http://` to an address that is not private: code, results and token are not encrypted",
    )
    insecure_cluster: Literal["warn", "refuse"] = Field(
        default="warn",
        description="`warn` about a Ray with known vulnerabilities (before 2.55), or one without authentication at an "
        "address that is not private, or `refuse` to use it",
    )
    connect_timeout_s: float = Field(default=1.0, gt=0, description="To connect to a private address")
    public_connect_timeout_s: float = Field(default=3.0, gt=0, description="To connect to any other address")
    request_timeout_s: float = Field(default=10.0, gt=0, description="One call over all addresses")
    submit_timeout_s: float = Field(
        default=30.0, gt=0, description="One submission, package upload or log download over all addresses"
    )
    failover_delay_s: float = Field(
        default=0.25,
        gt=0,
        description="Head start of a preferred address; an answer that takes longer has its path probed",
    )
    reprobe_min_s: float = Field(
        default=2.0, gt=0, description="First pause before an address that is down is probed again"
    )
    reprobe_max_s: float = Field(default=60.0, gt=0, description="Longest such pause")
    poll_interval_s: float = Field(
        default=0.2,
        gt=0,
        description="Pause between two looks at a run; it is longer while a worker has more than four runs, since all "
        "share 20 looks a second",
    )
    pending_timeout_s: float = Field(
        default=300.0, gt=0, description="A run that Ray has accepted and not started by then is stopped"
    )
    run_timeout_s: float = Field(default=600.0, gt=0, description="A run that takes longer is stopped")
    max_runs: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="Runs of all workers together that the cluster may have at once; other jobs wait for a slot. "
        "Unset: one per CPU of the cluster, and at least 2",
    )
    entrypoint_num_cpus: float | None = Field(
        default=None,
        ge=0,
        le=MAX_RUN_CPUS,
        description="CPUs that Ray reserves for the script itself, unless the request says otherwise; unset: none. "
        "Ray starts a run once they are free",
    )
    entrypoint_memory_bytes: int | None = Field(
        default=None,
        ge=0,
        le=MAX_RUN_MEMORY_BYTES,
        description="Memory that Ray reserves for the script itself, unless the request says otherwise; unset: none",
    )
    small_source_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=0,
        description="Up to this total size a distributed run gets Ray's small-data settings",
    )
    local_source_bytes: int = Field(
        default=256 * 1024 * 1024,
        ge=0,
        description="Up to this total size of the sources, code runs in one process on a node (engine `local`)",
    )
    local_source_rows: int = Field(
        default=5_000_000, ge=0, description="Up to this total number of rows of the sources, the same"
    )

    warm_runs: int = Field(
        default=0,
        ge=0,
        le=100,
        description="Runs that each worker starts ahead of time, for local scripts with small sources. Each "
        "keeps a CPU while it waits; a worker starts at most one for two CPUs of the cluster",
    )

    @field_validator("private_url", "public_url")
    @classmethod
    def _http_address(cls, value: str | None) -> str | None:
        return None if value is None else _ray_url(value)

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            HostPattern.parse(entry)
        return value

    @model_validator(mode="after")
    def _names_addresses_once(self) -> Self:
        if self.endpoints and (self.private_url or self.public_url):
            raise ValueError("give either endpoints, or private_url and public_url")
        names = [endpoint.name for endpoint in self.endpoints]
        if len(set(names)) < len(names):
            raise ValueError("endpoints must have different names")
        return self


def _ray_url(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must start with http:// or https://")
    scheme, _, rest = value.partition("://")
    return f"{scheme}://{rest.rstrip('/')}"
