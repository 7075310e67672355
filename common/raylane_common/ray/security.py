"""Weaknesses of a cluster, as far as its version and its way of authentication tell."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane_common.ray.addresses import Address
    from raylane_common.ray.models import RayVersion

SAFE_SINCE: Final = (2, 55)
"""Before 2.55 a Parquet file could run code (CVE-2026-41486), before 2.54 a page in a browser could delete jobs
(CVE-2026-27482), before 2.52 run code (CVE-2025-62593)."""

NO_AUTHENTICATION: Final = "disabled"
"""Ray's own word for it, in the answer to `GET /api/authentication_mode`."""


def weaknesses(address: Address, version: RayVersion) -> list[str]:
    """Returns what an operator should fix, one sentence each; nothing for a cluster without known weaknesses."""
    found = []
    numbers = re.match(r"(\d{1,6})\.(\d{1,6})", version.ray_version)
    if numbers and (int(numbers[1]), int(numbers[2])) < SAFE_SINCE:
        found.append(
            f"Ray {version.ray_version} has known vulnerabilities (CVE-2026-41486 and others); upgrade it to 2.55 or "
            "newer"
        )
    if version.authentication_mode == NO_AUTHENTICATION:
        found.append(
            f"it runs anybody's code without a token, and {address.shown_url} is no private address (CVE-2023-48022); "
            "start Ray with RAY_AUTH_MODE=token"
        )
    return found
