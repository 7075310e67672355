"""Every setting, one class per concern.

Settings come from the environment, from `.env`, and from files in `RAYLANE_SECRETS_DIR`. A variable has the prefix
`RAYLANE_` and then the names joined by `__` (`RAYLANE_RAY__TOKEN`); its file has the same name in lower case and
without the prefix (`ray__token`).
"""

from __future__ import annotations

from raylane_common.settings.data import AwsSettings, SessionsSettings, StorageSettings, UploadSettings
from raylane_common.settings.gateway import GatewaySettings
from raylane_common.settings.generation import GenerationSettings
from raylane_common.settings.lanes import LaneSettings, LanesSettings
from raylane_common.settings.redis import REDIS_SCHEMES, RedisSettings
from raylane_common.settings.root import Settings
from raylane_common.settings.telemetry import TelemetrySettings
from raylane_common.settings.variables import explain, load_settings, unknown_variables

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
    "unknown_variables",
]
