"""The HTTP gateway: where it listens, whom it lets in, and how much of everything it takes."""

from __future__ import annotations

from pydantic import Field, FilePath

from raylane_common.settings.section import Section


class GatewaySettings(Section):
    """How `raylane gateway` and `raylane mcp --http` serve HTTP.

    Without `tokens_file` and `jwks_url`, everybody who reaches the address may do everything, so the address must be a
    loopback one.
    """

    host: str = Field(default="127.0.0.1", description="Address to listen at")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen at; 0 for any free one")
    tokens_file: FilePath | None = Field(
        default=None, description="JSON file with the callers: the hash of each token, its rights and its sessions"
    )
    jwks_url: str | None = Field(default=None, description="Address of the keys that sign the callers' JWTs")
    jwt_issuer: str | None = Field(default=None, description="Issuer that a JWT must name; required with `jwks_url`")
    jwt_audience: str | None = Field(
        default=None, description="Audience that a JWT must name; required with `jwks_url`"
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="Origins of web pages that may call the gateway; by default none"
    )
    max_body_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="The largest body of a request, except uploads of files"
    )
    max_upload_bytes: int = Field(
        default=5 * 1024**3, ge=1024, description="The largest file that may be uploaded through the gateway"
    )
    requests_per_minute: int = Field(
        default=1200, ge=0, description="Requests that one caller may make in a minute; 0 for no limit"
    )
    requests_at_once: int = Field(
        default=64, ge=0, description="Requests of one caller that are served at once; 0 for no limit"
    )
    wait_timeout_s: float = Field(
        default=300.0, gt=0, le=3600, description="How long a request may wait for the end of a job"
    )
