"""Reads the URL of a cluster so that every program sees the same host in it, and refuses any other URL.

See docs/decisions/0020.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

# A small part of RFC 3986, in ASCII. URL parsers disagree about the rest: spaces, backslashes, full-width digits.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://"
    r"(?:(?P<login>[\w.~!$&'()*+,;=:%-]+)@)?"
    r"(?P<host>[\w.-]{1,254}|\[[0-9A-Fa-f:.]{2,45}\])"
    r"(?::(?P<port>\d{1,5}))?"
    r"(?P<path>/[\w.~!$&'()*+,;=:@%/-]*)?",
    re.ASCII,
)
_NAME: Final = re.compile(r"(?=.{1,253}\Z)(?:\w(?:[\w-]{0,61}\w)?\.)*\w(?:[\w-]{0,61}\w)?", re.ASCII)
_NUMBER: Final = re.compile(r"\d+|0[xX][0-9A-Fa-f]*", re.ASCII)
_PATTERN: Final = re.compile(
    r"(?P<any>\*\.)?(?P<host>[\w.-]{1,254}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>\d{1,5}))?", re.ASCII
)
_PORTS: Final = {"http": 80, "https": 443}

# Where the clouds hand out the credentials of a machine: AWS, Google Cloud, Azure, Alibaba and Oracle.
_METADATA_NAMES: Final = frozenset(
    {"metadata", "metadata.google.internal", "metadata.goog", "instance-data", "instance-data.ec2.internal"}
)
_METADATA_ADDRESSES: Final = frozenset(
    map(
        ip_address,
        (
            *("169.254.169.254", "169.254.169.253", "169.254.170.2", "169.254.170.23", "100.100.100.200"),
            *("168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"),
        ),
    )
)
_THIS_NETWORK: Final = IPv4Network("0.0.0.0/8")
# IPv6 addresses that hold an IPv4 address: mapped, compatible, NAT64, 6to4 and Teredo.
_HOLD_IPV4: Final = tuple(
    map(IPv6Network, ("::ffff:0:0/96", "::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
)


class Origin(NamedTuple):
    """The server of a URL. Its host is in lower case, without brackets and without a dot at its end."""

    scheme: str
    host: str
    port: int

    @property
    def shown(self) -> str:
        """Host and port, as in a URL."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class HostPattern(NamedTuple):
    """An entry of `ray.allowed_hosts`: a host, or with `is_suffix` all hosts below a domain; any port if None."""

    host: str
    is_suffix: bool
    port: int | None

    @classmethod
    def parse(cls, text: str) -> HostPattern:
        """Returns the pattern for `ray.example.org`, `10.0.0.5:8265` or `*.example.org`. Raises `ValueError`."""
        found = _PATTERN.fullmatch(text)
        if found is None:
            raise ValueError("must be hosts such as ray.example.org, 10.0.0.5:8265, [fd12::5] or *.example.org")
        host = parse_host(found["host"])
        if found["any"] and is_literal(host):
            raise ValueError(f"*.{host} must have a name after *.")
        return cls(host, found["any"] is not None, int(found["port"]) if found["port"] else None)

    def matches(self, origin: Origin) -> bool:
        """Whether the server may get the token."""
        is_host = origin.host.endswith(f".{self.host}") if self.is_suffix else origin.host == self.host
        return is_host and self.port in (None, origin.port)


class RayUrl(NamedTuple):
    """A URL that every parser reads alike."""

    origin: Origin
    has_login: bool


def parse(url: str) -> RayUrl:
    """Returns the parts of a URL. Raises `ValueError`, which says what is wrong, if no cluster can have it."""
    found = _URL.fullmatch(url)
    if found is None:
        raise ValueError("must be like http://host:8265, in ASCII and without spaces, query and fragment")
    port = int(found["port"] or _PORTS[found["scheme"]])
    if not 0 < port < 65536:
        raise ValueError("must be like http://host:8265, with a port from 1 to 65535")
    return RayUrl(Origin(found["scheme"], parse_host(found["host"]), port), found["login"] is not None)


def parse_host(text: str) -> str:
    """Returns a host as `Origin` has it. Raises `ValueError` if no cluster can be there."""
    if text.startswith("[") or ends_in_number(text):
        try:
            address = IPv6Address(text[1:].removesuffix("]")) if text.startswith("[") else IPv4Address(text)
        except ValueError:
            raise ValueError(f"{text} must be an address in the form 10.0.0.5 or [fd12::5], or a name") from None
        problem = _unusable(address)
        if problem:
            raise ValueError(f"{text} {problem}")
        return str(address)
    host = text.removesuffix(".").lower()
    if not _NAME.fullmatch(host):
        raise ValueError(f"{text} is not the name of a host")
    if host in _METADATA_NAMES:
        raise ValueError(f"{host} is the metadata service of a cloud")
    return host


def ends_in_number(host: str) -> bool:
    """Whether resolvers take a host for an IPv4 address: 2130706433, 0x7f000001 and 127.1 are 127.0.0.1."""
    return _NUMBER.fullmatch(host.removesuffix(".").rpartition(".")[2]) is not None


def is_literal(host: str) -> bool:
    """Whether a host, as `Origin` has it, is an address and not a name."""
    return ":" in host or ends_in_number(host)


def _unusable(address: IPv4Address | IPv6Address) -> str | None:
    """Returns why no cluster can be at an address."""
    if address.is_unspecified or address in _THIS_NETWORK:
        return "is not an address to connect to; write one that leads to the cluster, such as 127.0.0.1"
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        return "is the address of many hosts"
    if address in _METADATA_ADDRESSES:
        return "is the metadata service of a cloud"
    if address.is_loopback:
        return None
    if any(address in network for network in _HOLD_IPV4):
        return "holds an IPv4 address; write that one"
    return None
