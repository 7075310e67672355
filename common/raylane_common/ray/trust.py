"""Which addresses may be set while workers run: those whose host the environment names.

A setting in Redis cannot say where the token, the code and the data go. See docs/decisions/0020.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

from raylane_common.errors import InvalidRequest
from raylane_common.ray.addresses import listed, parsed
from raylane_common.ray.urls import HostPattern, is_literal

if TYPE_CHECKING:
    from raylane_common.ray.settings import RaySettings


def check_run_time_address(started_with: RaySettings, field: str, url: str) -> None:
    """Raises `InvalidRequest` if an address must not be set at run time.

    `started_with` are the settings of the environment, and `field` names the setting in the error.
    """
    origin, has_login = parsed(field, url)
    if has_login:
        raise InvalidRequest.field(
            field, "must not contain a user and password, which Redis would hold; only the environment may set these"
        )
    if is_literal(origin.host) and ip_address(origin.host).is_link_local:
        raise InvalidRequest.field(
            field, f"{origin.host} is link-local, and only the environment may set such an address"
        )
    # An endpoint with a token or authorities of its own must not get those of the others.
    shared = {name: each.url for name, each in listed(started_with).items() if not each.has_own_trust}
    named = {parsed(name, each).origin for name, each in shared.items()}
    patterns = map(HostPattern.parse, started_with.allowed_hosts)
    if origin not in named and not any(pattern.matches(origin) for pattern in patterns):
        raise InvalidRequest(
            f"{field}: {origin.scheme}://{origin.shown} is not an address that the environment names, and the token "
            "goes to no other; add its host to RAYLANE_RAY__ALLOWED_HOSTS in the environment of workers and operators",
            details={"field": field, "setting": "RAYLANE_RAY__ALLOWED_HOSTS"},
        )
