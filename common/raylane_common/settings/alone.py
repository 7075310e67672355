"""The settings of Redis by themselves, if no other setting is given: reading them all takes longer than a command."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from raylane_common.settings.redis import RedisSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX: Final = "RAYLANE_"
_OF_REDIS: Final = "RAYLANE_REDIS__"

# Variables that are not settings: this module, the command line, scripts on Ray and our tests read them.
OTHER_VARIABLES: Final = (
    "RAYLANE_SECRETS_DIR",
    "RAYLANE_SESSION",
    "RAYLANE_CONTEXT",
    "RAYLANE_OUTPUT_URI",
    "RAYLANE_SEED",
    "RAYLANE_TEST_PROFILE",
)


def redis_settings_alone(environ: Mapping[str, str] = os.environ) -> RedisSettings | None:
    """Returns what `Settings().redis` would be; None if other settings have to be read to know that all is well.

    That is so if another variable of Raylane is set, a value is wrong, or there are a `.env` or files with secrets.
    """
    given = {name: value for name, value in environ.items() if name.upper().startswith(_PREFIX)}
    names = {f"{_OF_REDIS}{name}".upper(): name for name in RedisSettings.model_fields}
    if "RAYLANE_SECRETS_DIR" in given or Path(".env").exists() or given.keys() - names.keys() - set(OTHER_VARIABLES):
        return None
    try:
        # An empty value is none, as in `Settings`.
        return RedisSettings.model_validate(
            {names[name]: value for name, value in given.items() if name in names and value}
        )
    except ValidationError:
        return None
