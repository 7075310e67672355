"""What makes a cluster dangerous to use, told once by the first good answer of each address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane_common.ray.addresses import Address
    from raylane_common.ray.models import RayVersion

SAFE_SINCE: Final = (2, 54)
"""Before it a page in somebody's browser could delete jobs (CVE-2026-27482), before 2.52 run code (CVE-2025-62593)."""

NO_AUTHENTICATION: Final = "disabled"


def weaknesses(address: Address, version: RayVersion) -> list[str]:
    """What an operator should mend, in words; nothing for a cluster that is safe as far as can be told."""
    found = []
    numbers = re.match(r"(\d+)\.(\d+)", version.ray_version)
    if numbers and (int(numbers[1]), int(numbers[2])) < SAFE_SINCE:
        found.append(
            f"Ray {version.ray_version} has known holes (CVE-2026-27482 and others); upgrade it to 2.54 or newer"
        )
    if version.authentication_mode == NO_AUTHENTICATION:
        found.append(
            f"it runs anybody's code without a token, and {address.shown_url} is no private address (CVE-2023-48022); "
            "start Ray with RAY_AUTH_MODE=token"
        )
    return found
