"""Every setting, one class per concern.

Settings come from the environment, from `.env`, and from files in `RAYLANE_SECRETS_DIR`. A variable has the prefix
`RAYLANE_` and then the names joined by `__` (`RAYLANE_RAY__TOKEN`); its file has the same name in lower case and
without the prefix (`ray__token`).

Names are loaded when they are first used: a command that needs only the address of Redis does not read all settings.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane_common.settings.alone import redis_settings_alone
    from raylane_common.settings.data import AwsSettings, SessionsSettings, StorageSettings, UploadSettings
    from raylane_common.settings.gateway import GatewaySettings
    from raylane_common.settings.generation import GenerationSettings
    from raylane_common.settings.lanes import LaneSettings, LanesSettings
    from raylane_common.settings.redis import REDIS_SCHEMES, RedisSettings
    from raylane_common.settings.root import Settings
    from raylane_common.settings.telemetry import TelemetrySettings
    from raylane_common.settings.variables import explain, load_settings, unknown_variables

_HOMES: Final = {
    "alone": ("redis_settings_alone",),
    "data": ("AwsSettings", "SessionsSettings", "StorageSettings", "UploadSettings"),
    "gateway": ("GatewaySettings",),
    "generation": ("GenerationSettings",),
    "lanes": ("LaneSettings", "LanesSettings"),
    "redis": ("REDIS_SCHEMES", "RedisSettings"),
    "root": ("Settings",),
    "telemetry": ("TelemetrySettings",),
    "variables": ("explain", "load_settings", "unknown_variables"),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return globals().setdefault(name, getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name))


__all__ = [
    "REDIS_SCHEMES",
    "AwsSettings",
    "GatewaySettings",
    "GenerationSettings",
    "LaneSettings",
    "LanesSettings",
    "RedisSettings",
    "SessionsSettings",
    "Settings",
    "StorageSettings",
    "TelemetrySettings",
    "UploadSettings",
    "explain",
    "load_settings",
    "redis_settings_alone",
    "unknown_variables",
]
