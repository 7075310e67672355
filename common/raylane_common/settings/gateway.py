"""The HTTP gateway: where it listens, whom it lets in, and how much of everything it takes."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from raylane_common.settings.section import Section

# Scheme and authority, as browsers send them: no path, and no slash at the end. `*` is any page.
_Origin = Annotated[str, StringConstraints(pattern=r"^(\*|https?://[^/\s*?#@]+)$")]
_ClaimName = Annotated[str, StringConstraints(min_length=1, max_length=200)]


def _without_brackets(host: str) -> str:
    """Returns an IPv6 address as sockets take it, also if it is written as in a URL."""
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


_Host = Annotated[str, AfterValidator(_without_brackets)]
_TOGETHER: Final = ("jwt_issuer", "jwt_audience")


class GatewaySettings(Section):
    """How `raylane gateway` and `raylane mcp --http` serve HTTP.

    Without `tokens_file` and `jwks_url`, everybody who reaches the address may do everything, so the address must be a
    loopback one. See docs/access.md.
    """

    host: _Host = Field(default="127.0.0.1", description="Address to listen at")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen at; 0 for any free one")
    tokens_file: Path | None = Field(
        default=None, description="JSON file with the callers: the hash of each token, its rights and its sessions"
    )
    jwks_url: str | None = Field(
        default=None,
        description="Address of the keys that sign the callers' JWTs: `https:`, or `http:` on a loopback address",
    )
    jwt_issuer: str | None = Field(default=None, description="Issuer that a JWT must name; required with `jwks_url`")
    jwt_audience: str | None = Field(
        default=None, description="Audience that a JWT must name; required with `jwks_url`"
    )
    jwt_rights_claim: _ClaimName = Field(
        default="raylane_rights", description="Claim with the caller's rights: a list, or text with spaces between them"
    )
    jwt_sessions_claim: _ClaimName = Field(
        default="raylane_sessions", description="Claim with the prefixes of the caller's sessions, written like rights"
    )
    jwt_leeway_s: float = Field(
        default=30.0, ge=0, le=300, description="How much the clocks of issuer and gateway may differ"
    )
    cors_origins: tuple[_Origin, ...] = Field(
        default=(),
        description="Origins of web pages that may call the gateway, such as `https://app.example`; by default none",
    )
    max_body_bytes: int = Field(
        default=16 * 1024 * 1024, ge=1024, description="The largest body of a request, except uploads of files"
    )
    max_upload_bytes: int = Field(
        default=5 * 1024**3, ge=1024, description="The largest file that may be uploaded through the gateway"
    )
    max_bodies_bytes: int = Field(
        default=128 * 1024 * 1024,
        ge=1024 * 1024,
        description="Memory for the bodies of all requests together; a request without room waits, and is then refused",
    )
    requests_per_minute: int = Field(
        default=1200, ge=0, description="Requests that one caller may make in a minute; 0 for no limit"
    )
    requests_at_once: int = Field(
        default=64, ge=0, description="Requests of one caller that are served at once; 0 for no limit"
    )
    streams_at_once: int = Field(
        default=64, ge=0, description="Streams of events that one caller may have open; 0 for no limit"
    )
    failures_per_minute: int = Field(
        default=30,
        ge=0,
        description="Requests with a wrong token that one address may send in a minute; 0 for no limit",
    )
    wait_timeout_s: float = Field(
        default=300.0, gt=0, le=3600, description="How long a request may wait for the end of a job"
    )
    shutdown_s: int = Field(
        default=20,
        ge=0,
        le=3600,
        description="How long requests may continue after SIGTERM; streams of events end at once",
    )
    audit_entries: int = Field(default=100_000, ge=0, description="Writes that the audit keeps; 0 to keep none")
    audit_ttl_s: int = Field(default=90 * 24 * 3600, gt=60, description="How long the audit keeps a write")

    @property
    def authenticates(self) -> bool:
        """Whether callers need a token."""
        return self.tokens_file is not None or self.jwks_url is not None

    @model_validator(mode="after")
    def _jwts_are_bound_to_issuer_and_audience(self) -> Self:
        given = [name for name in _TOGETHER if getattr(self, name)]
        if self.jwks_url is None:
            if given:
                raise ValueError(f"{given[0]} needs jwks_url")
            return self
        missing = [name for name in _TOGETHER if name not in given]
        if missing:
            raise ValueError(f"jwks_url needs {' and '.join(missing)}: without, tokens for other services are accepted")
        parts = urlsplit(self.jwks_url)
        if parts.hostname is None or parts.scheme not in ("http", "https"):
            raise ValueError("jwks_url must be an https: address")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError("jwks_url must be an https: address: who changes the keys on their way can sign tokens")
        return self


def is_loopback(host: str) -> bool:
    """Returns whether this name or address of a host is certainly one that only this machine reaches."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
