"""The configured addresses of the cluster: what to reach, by which rules, with which credentials."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from raylane_common.errors import InvalidRequest
from raylane_common.ray.settings import RayEndpointSettings

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.ray.settings import RaySettings

# Names that no public DNS has; everything else with a dot may lead anywhere.
_PRIVATE_SUFFIXES: Final = (".internal", ".local", ".localhost", ".lan", ".svc", ".home.arpa")


class Token:
    """A token given as such, or the one that stands in a file now: it may be replaced while we run."""

    def __init__(self, text: str | None, file: Path | None, field: str) -> None:
        self._file = file
        self._field = field
        self._read_at_ns = 0
        self._header = None if text is None else _header(text, field)

    def header(self) -> dict[str, str] | None:
        """The header that shows the token, if there is one. Raises `InvalidRequest` for a file that cannot be read."""
        if self._file is not None:
            try:
                # A file that is watched on disk: microseconds, and no more often than requests are sent.
                changed_at_ns = self._file.stat().st_mtime_ns
                if changed_at_ns != self._read_at_ns:
                    self._header = _header(self._file.read_text(), self._field)
                    self._read_at_ns = changed_at_ns
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidRequest.field(self._field, f"cannot be read: {error}") from error
        return self._header


@dataclass(frozen=True, slots=True)
class Address:
    """One way to the cluster. `tls` is what aiohttp takes: a context, or True for the system's authorities."""

    name: str
    url: str = field(repr=False)
    is_private: bool = True
    connect_timeout_s: float = 1.0
    answer_timeout_s: float | None = None
    tls: ssl.SSLContext | bool = field(default=True, repr=False)
    token: Token = field(default=Token(None, None, "ray.token"), repr=False)

    @property
    def shown_url(self) -> str:
        """The URL without user and password."""
        parts = urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def configured(settings: RaySettings) -> tuple[Address, ...]:
    """The addresses in order of preference. Raises `InvalidRequest` that names the setting which cannot be used."""
    if settings.endpoints:
        wanted = [(f"ray.endpoints.{endpoint.name}", endpoint) for endpoint in settings.endpoints]
    else:
        wanted = [
            # Its URL was validated under the name that users know it by.
            (f"ray.{name}_url", RayEndpointSettings.model_construct(name=name, url=url))
            for name, url in (("private", settings.private_url), ("public", settings.public_url))
            if url is not None
        ]
    return tuple(_address(field, endpoint, settings) for field, endpoint in wanted)


def is_private(host: str) -> bool:
    """Whether what is sent to this host stays in networks of our own, as far as its name tells.

    A literal address is looked up in the registries of RFC 1918, RFC 4193 and their like; a name counts as private if
    it has no dot or ends like those that are resolved inside one site only.
    """
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        name = host.rstrip(".").lower()
        return "." not in name or name.endswith(_PRIVATE_SUFFIXES)


def _address(field: str, endpoint: RayEndpointSettings, settings: RaySettings) -> Address:
    try:
        parts = urlsplit(endpoint.url)
        host = parts.hostname if parts.port != 0 and not parts.query and not parts.fragment else None
    except ValueError:
        host = None
    if not host:
        raise InvalidRequest.field(field, "must be like http://host:8265")
    own_token = endpoint.token is not None or endpoint.token_file is not None
    source = endpoint if own_token else settings
    if source.token is not None and source.token_file is not None:
        raise InvalidRequest.field(field, "has both a token and a token_file; give one of them")
    if "@" in parts.netloc and (source.token is not None or source.token_file is not None):
        raise InvalidRequest.field(field, "must not carry a user and password together with a token")
    private = is_private(host)
    if parts.scheme == "http" and not private and not settings.allow_insecure_public:
        raise InvalidRequest.field(
            field,
            f"{host} is no private address, so it must be https://: with http:// code, results and token travel in the "
            "clear (RAYLANE_RAY__ALLOW_INSECURE_PUBLIC=true allows that)",
        )
    return Address(
        name=endpoint.name,
        url=endpoint.url,
        is_private=private,
        connect_timeout_s=endpoint.connect_timeout_s
        or (settings.connect_timeout_s if private else settings.public_connect_timeout_s),
        answer_timeout_s=endpoint.answer_timeout_s,
        tls=_tls(parts.scheme, endpoint.ca_file or settings.ca_file, endpoint.tls_verify or settings.tls_verify, field),
        token=Token(
            source.token.get_secret_value() if source.token is not None else None,
            source.token_file,
            f"{field}.token" if own_token else "ray.token",
        ),
    )


def _tls(scheme: str, ca_file: Path | None, verify: str, field: str) -> ssl.SSLContext | bool:
    if scheme == "http" or (ca_file is None and verify == "full"):
        return True
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise InvalidRequest.field(field, f"its ca_file {ca_file} cannot be used: {error}") from error
    context.check_hostname = verify == "full"
    if verify == "none":
        context.verify_mode = ssl.CERT_NONE
    return context


def _header(text: str, field: str) -> dict[str, str] | None:
    token = text.strip()
    if not (token.isascii() and token.isprintable()):
        raise InvalidRequest.field(field, "must be printable ASCII without line breaks")
    return {"Authorization": f"Bearer {token}"} if token else None
