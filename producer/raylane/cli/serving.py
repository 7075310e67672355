"""What `raylane gateway` and `raylane mcp` have in common: the settings with what their options say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from raylane_common.settings import Settings


def settings_with(host: str | None, port: int | None, redis_url: str | None) -> Settings:
    """Returns the settings of this process, with the options that are not None. Raises `InvalidRequest`."""
    from raylane.cli import connecting
    from raylane_common.errors import invalid_requests
    from raylane_common.settings import GatewaySettings

    settings = connecting.settings(redis_url)
    given = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    with invalid_requests():
        gateway = GatewaySettings.model_validate(settings.gateway.model_dump() | given)
    return settings.model_copy(update={"gateway": gateway})
