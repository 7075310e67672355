"""The configured addresses of the cluster, each with its limits, TLS context and token."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from raylane_common.errors import InvalidRequest
from raylane_common.ray.settings import RayEndpointSettings
from raylane_common.ray.urls import ends_in_number, parse
from raylane_common.tls import build_tls_context

if TYPE_CHECKING:
    import ssl
    from pathlib import Path

    from raylane_common.ray.settings import RaySettings
    from raylane_common.ray.urls import RayUrl
    from raylane_common.tls import TlsVerify

# Public DNS has no such names; any other name with a dot may lead anywhere.
_PRIVATE_SUFFIXES: Final = (".internal", ".local", ".localhost", ".lan", ".svc", ".home.arpa")


class Token:
    """A token: given as text, or read from a file that may be replaced while the process runs."""

    def __init__(self, text: str | None, file: Path | None, field: str) -> None:
        self._file = file
        self._field = field
        self._read_at_ns = 0
        self._header = None if text is None else _header(text, field)

    def header(self) -> dict[str, str] | None:
        """Returns the header with the token, or None. Raises `InvalidRequest` for a file that cannot be read."""
        if self._file is not None:
            try:
                # Blocking, but it takes microseconds.
                changed_at_ns = self._file.stat().st_mtime_ns
                if changed_at_ns != self._read_at_ns:
                    self._header = _header(self._file.read_text(), self._field)
                    self._read_at_ns = changed_at_ns
            except (OSError, UnicodeDecodeError) as error:
                raise InvalidRequest.field(self._field, f"cannot be read: {error}") from error
        return self._header


@dataclass(frozen=True, slots=True)
class Address:
    """One address of the cluster. `tls` is aiohttp's argument: a context, or True for the system's authorities."""

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
    """Returns the addresses in order of preference. Raises `InvalidRequest` that names the setting at fault."""
    return tuple(_address(field, endpoint, settings) for field, endpoint in listed(settings).items())


def listed(settings: RaySettings) -> dict[str, RayEndpointSettings]:
    """Returns the addresses as endpoints in order of preference, by the name of their setting."""
    if settings.endpoints:
        return {f"ray.endpoints.{endpoint.name}": endpoint for endpoint in settings.endpoints}
    urls = (("private", settings.private_url), ("public", settings.public_url))
    return {f"ray.{name}_url": RayEndpointSettings(name=name, url=url) for name, url in urls if url is not None}


def parsed(field: str, url: str) -> RayUrl:
    """Returns the parts of a URL. Raises `InvalidRequest` that names the setting `field` if no cluster can have it."""
    try:
        return parse(url)
    except ValueError as error:
        raise InvalidRequest.field(field, str(error)) from None


def is_private(host: str) -> bool:
    """Whether requests to this host stay in private networks, as far as its name tells.

    An address is compared with the registries of RFC 1918, RFC 4193 and similar ones. A name counts as private if it
    has no dot, or a suffix that is only resolved inside one site. An address in another form (`127.1`) does not.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        return not ends_in_number(name) and ("." not in name or name.endswith(_PRIVATE_SUFFIXES))
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return not (mapped or address).is_global


def _address(field: str, endpoint: RayEndpointSettings, settings: RaySettings) -> Address:
    origin, has_login = parsed(field, endpoint.url)
    private = is_private(origin.host)
    if origin.scheme == "http" and not private and not settings.allow_insecure_public:
        raise InvalidRequest.field(
            field,
            f"{origin.host} is no private address, so it must be https://: with http:// code, results and token travel "
            "in the clear (RAYLANE_RAY__ALLOW_INSECURE_PUBLIC=true allows that)",
        )
    return Address(
        name=endpoint.name,
        url=endpoint.url,
        is_private=private,
        connect_timeout_s=endpoint.connect_timeout_s
        or (settings.connect_timeout_s if private else settings.public_connect_timeout_s),
        answer_timeout_s=endpoint.answer_timeout_s,
        tls=_tls(
            origin.scheme, endpoint.ca_file or settings.ca_file, endpoint.tls_verify or settings.tls_verify, field
        ),
        token=_token(field, endpoint, settings, has_login=has_login),
    )


def _token(field: str, endpoint: RayEndpointSettings, settings: RaySettings, *, has_login: bool) -> Token:
    is_own = endpoint.token is not None or endpoint.token_file is not None
    source = endpoint if is_own else settings
    if source.token is not None and source.token_file is not None:
        raise InvalidRequest.field(field, "has both a token and a token_file; give one of them")
    if has_login and (source.token is not None or source.token_file is not None):
        raise InvalidRequest.field(field, "must not contain a user and password if a token is set")
    text = source.token.get_secret_value() if source.token is not None else None
    return Token(text, source.token_file, f"{field}.token" if is_own else "ray.token")


def _tls(scheme: str, ca_file: Path | None, verify: TlsVerify, field: str) -> ssl.SSLContext | bool:
    if scheme == "http" or (ca_file is None and verify == "full"):
        return True
    try:
        return build_tls_context(verify=verify, ca_file=ca_file)
    except OSError as error:
        raise InvalidRequest.field(field, f"its ca_file {ca_file} cannot be used: {error}") from error


def _header(text: str, field: str) -> dict[str, str] | None:
    token = text.strip()
    if not (token.isascii() and token.isprintable()):
        raise InvalidRequest.field(field, "must be printable ASCII without line breaks")
    return {"Authorization": f"Bearer {token}"} if token else None
