"""Where files and tables are, how they get there, and what a session may hold of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from raylane_common.limits import MAX_STAGED_BYTES, MIN_PART_BYTES
from raylane_common.settings.section import Section


class StorageSettings(Section):
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


class SessionsSettings(Section):
    """What one session may hold."""

    max_sources: int = Field(default=100, ge=0, description="Sources that a session may have; 0 for no limit")
    max_bytes: int = Field(
        default=0, ge=0, description="Total size of a session's files, as they were uploaded; 0 for no limit"
    )


class UploadSettings(Section):
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


class AwsSettings(Section):
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
