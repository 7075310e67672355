"""Settings that can be changed while workers run: kept in Redis, they outrank what a worker was started with."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, cast

from pydantic import ValidationError

from raylane_common.errors import InvalidRequest
from raylane_common.ray.addresses import configured
from raylane_common.ray.settings import RaySettings
from raylane_common.redis import keys
from raylane_common.redis.connection import queue_errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Mapping

    from redis.asyncio import Redis
    from redis.asyncio.client import Pipeline

NAMES: Final = ("ray.private_url", "ray.public_url")


class SettingsStore:
    """What was set at run time. Every method raises `QueueUnavailable` when Redis does not answer in time."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def all(self) -> dict[str, str]:
        """What is set, by name; names of another version are left out."""
        with queue_errors("read the settings"):
            found = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(keys.SETTINGS))
        return {name: found[name] for name in NAMES if name in found}

    async def set(self, name: str, value: str) -> None:
        """Sets one, and tells every worker. `value` has been checked: see `check`."""
        async with self._changing(name) as pipe:
            pipe.hset(keys.SETTINGS, name, value)

    async def unset(self, name: str) -> None:
        """Takes one back, so that what workers were started with holds again, and tells them."""
        async with self._changing(name) as pipe:
            pipe.hdel(keys.SETTINGS, name)

    @asynccontextmanager
    async def _changing(self, name: str) -> AsyncIterator[Pipeline]:
        with queue_errors("change a setting"):
            async with self._redis.pipeline() as pipe:
                yield pipe
                pipe.publish(keys.SETTINGS_CHANGED, name)
                await pipe.execute()


def check(settings: RaySettings, name: str, value: str | None = None) -> None:
    """Raises `InvalidRequest` for a name that cannot be set, or a value that a worker with them would refuse."""
    if name not in NAMES:
        raise InvalidRequest.field("name", f"{name!r} is not one of {', '.join(NAMES)}")
    if value is not None:
        configured(applied(settings, {name: value}))


def applied(settings: RaySettings, values: Mapping[str, str]) -> RaySettings:
    """The settings with these values instead of their own. Raises `InvalidRequest` that names the value which is wrong.

    Addresses given here take the place of a list of `endpoints`.
    """
    if not values:
        return settings
    changes: dict[str, object] = {name.removeprefix("ray."): value for name, value in values.items()}
    fields = {name: getattr(settings, name) for name in type(settings).model_fields}
    try:
        return RaySettings.model_validate({**fields, "endpoints": (), **changes})
    except ValidationError as error:
        wrong = InvalidRequest.from_validation(error)
        raise InvalidRequest(f"ray.{wrong.message}", details={"field": f"ray.{wrong.details['field']}"}) from error
