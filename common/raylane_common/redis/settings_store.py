"""Stores settings that can be changed while workers run. They override the settings that a worker was started with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pydantic import ValidationError

from raylane_common import checks
from raylane_common.errors import InvalidRequest
from raylane_common.ray.addresses import configured
from raylane_common.ray.settings import RaySettings
from raylane_common.ray.trust import check_run_time_address
from raylane_common.redis.connection import keys_of, owned_key, queue_errors
from raylane_common.redis.queue.scripts import Scripts, calls
from raylane_common.rules import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from redis.asyncio import Redis

_ADDRESSES: Final = ("ray.private_url", "ray.public_url")
NAMES: Final = (*_ADDRESSES, "ray.new_cluster", "ray.max_runs")


class SettingsStore:
    """The settings made at run time.

    Every method raises `QueueUnavailable` when Redis does not answer in time.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys = keys_of(redis)
        self._scripts = Scripts(redis)

    async def all(self) -> dict[str, str]:
        """Returns the values by name. Names that this version does not know are left out.

        Raises `InvalidRequest` if another program has overwritten all of them.
        """
        with queue_errors("read the settings"), owned_key("the settings", "settings", self._keys.settings):
            found = await cast("Awaitable[dict[str, str]]", self._redis.hgetall(self._keys.settings))
        return {name: printable(found[name]) for name in NAMES if name in found}

    async def set(self, name: str, value: str) -> None:
        """Sets one value and announces it to all workers. Call `check` first to validate the value."""
        await calls.change_setting(self._scripts, name, value)

    async def unset(self, name: str) -> None:
        """Removes one value and announces it. Each worker then uses the value that it was started with."""
        await calls.change_setting(self._scripts, name, None)


def check(settings: RaySettings, name: str, value: str | None = None) -> None:
    """Raises `InvalidRequest` if `name` is unknown, or if a worker with these `settings` would refuse the `value`."""
    if name not in NAMES:
        raise InvalidRequest.field("name", f"{name!r} is not one of {', '.join(NAMES)}")
    if value is not None:
        configured(applied(settings, {name: value}))


def applied(settings: RaySettings, values: Mapping[str, str]) -> RaySettings:
    """Returns the settings of the environment with some of them replaced by `values`, by name.

    An address in `values` replaces the list of `endpoints`. Raises `InvalidRequest` that names a wrong value, and for
    an address on a host that the environment does not name.
    """
    if not values:
        return settings
    for name, value in values.items():
        if not checks.utf_8(name, value).isprintable():
            raise InvalidRequest.field(name, "must not contain line breaks or other control characters")
    changes: dict[str, object] = {name.removeprefix("ray."): value for name, value in values.items()}
    fields = {name: getattr(settings, name) for name in type(settings).model_fields}
    if any(name in values for name in _ADDRESSES):
        fields["endpoints"] = ()
    try:
        changed = RaySettings.model_validate({**fields, **changes})
    except ValidationError as error:
        wrong = InvalidRequest.from_validation(error)
        raise InvalidRequest(f"ray.{wrong.message}", details={"field": f"ray.{wrong.details['field']}"}) from error
    for name in _ADDRESSES:
        if name in values:
            check_run_time_address(settings, name, getattr(changed, name.removeprefix("ray.")))
    return changed
