"""Slows down whoever guesses tokens: counts wrong ones by the address that sends them."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import OrderedDict
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from raylane.gateway.access.buckets import Buckets
from raylane_common.errors import TooManyRequests

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_ADDRESSES: Final = 10_000
_MOST_TOKENS: Final = 10_000
# One customer of a provider has at least so many bits of an IPv6 address.
_IPV6_PREFIX_BITS: Final = 64


class Failures:
    """Refuses requests from addresses that sent too many wrong tokens.

    A token that was right from the same address is still taken. So callers that share the address, because they are
    behind one proxy, are still let in while another one guesses.
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_minute` is how many wrong tokens an address may send; 0 is no limit."""
        self._failed = Buckets(per_minute, _MOST_ADDRESSES, clock)
        self._accepted: OrderedDict[bytes, None] = OrderedDict()
        self._key = secrets.token_bytes(32)

    def check(self, address: str, token: str) -> None:
        """Raises `TooManyRequests` if the address has sent too many wrong tokens, and never this one as a right one."""
        wait_s = self._failed.wait_s(network_of(address))
        if wait_s and self._digest(address, token) not in self._accepted:
            raise TooManyRequests(
                "too many wrong tokens came from this address; send the request again later", retry_after_s=wait_s
            )

    def failed(self, address: str) -> None:
        """Counts a wrong token."""
        self._failed.take(network_of(address))

    def accepted(self, address: str, token: str) -> None:
        """Remembers that the token was right."""
        digest = self._digest(address, token)
        self._accepted[digest] = None
        self._accepted.move_to_end(digest)
        if len(self._accepted) > _MOST_TOKENS:
            self._accepted.popitem(last=False)

    def _digest(self, address: str, token: str) -> bytes:
        return hashlib.blake2b(f"{address} {token}".encode(), key=self._key, digest_size=16).digest()


def network_of(address: str) -> str:
    """Returns what one sender has: an IPv4 address, or the network of an IPv6 one."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(int(found) >> (128 - _IPV6_PREFIX_BITS))
    return str(found)
