"""Stores settings that can be changed while workers run. They override the settings that a worker was started with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from pydantic import ValidationError

from raylane_common import checks
from raylane_common.errors import InvalidRequest
from raylane_common.nearest import NearestNames
from raylane_common.redis.connection import keys_of, owned_key, queue_errors
from raylane_common.redis.queue.scripts import Scripts, calls
from raylane_common.rules import printable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping

    from pydantic import BaseModel
    from redis.asyncio import Redis

    from raylane_common.settings import Settings

_ADDRESSES: Final = ("ray.private_url", "ray.public_url")
NAMES: Final = (
    *_ADDRESSES,
    "ray.new_cluster",
    "ray.max_runs",
    "ray.warm_runs",
    "storage.bucket",
    "sessions.max_sources",
    "sessions.max_bytes",
    "uploads.part_bytes",
)


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


def check(settings: Settings, name: str, value: str | None = None) -> None:
    """Raises `InvalidRequest` if `name` is unknown, or if a worker with these `settings` would refuse the `value`."""
    if checks.utf_8("name", name) not in NAMES:
        nearest = NearestNames(NAMES).find(name, 1)
        hint = f"; did you mean {nearest[0]}?" if nearest else ""
        raise InvalidRequest.field("name", f"{name!r} is not one of {', '.join(NAMES)}{hint}")
    if value is not None:
        from raylane_common.ray.addresses import configured  # here, because most commands change no setting

        configured(applied(settings, {name: value}).ray)


def applied(settings: Settings, values: Mapping[str, str]) -> Settings:
    """Returns the settings of the environment with some of them replaced by `values`, by name.

    An address in `values` replaces the list of `endpoints`. Raises `InvalidRequest` that names a wrong value, and for
    an address on a host, or a bucket, that the environment does not name.
    """
    if not values:
        return settings
    for name, value in values.items():
        if not checks.utf_8(name, value).isprintable():
            raise InvalidRequest.field(name, "must not contain line breaks or other control characters")
    sections = {name.partition(".")[0] for name in values}
    changed = {section: _section(section, getattr(settings, section), values) for section in sections}
    applied_settings = settings.model_copy(update=changed)
    from raylane_common.ray.trust import check_run_time_address  # as above

    for name in _ADDRESSES:
        if name in values:
            address = getattr(applied_settings.ray, name.removeprefix("ray."))
            check_run_time_address(settings.ray, name, address)
    allowed = (settings.storage.bucket, *settings.storage.allowed_buckets)
    bucket = values.get("storage.bucket", settings.storage.bucket)
    if bucket not in allowed:
        raise InvalidRequest.field(
            "storage.bucket",
            f"{bucket!r} is not allowed; add it to RAYLANE_STORAGE__ALLOWED_BUCKETS in the environment of workers and "
            "operators",
        )
    # Sessions may still have files in the bucket that the worker was started with.
    storage = applied_settings.storage.model_copy(update={"allowed_buckets": allowed})
    return applied_settings.model_copy(update={"storage": storage}) if "storage.bucket" in values else applied_settings


def _section(section: str, settings: BaseModel, values: Mapping[str, str]) -> BaseModel:
    """Returns one section of the settings with those of the values that belong to it."""
    fields = {name: getattr(settings, name) for name in type(settings).model_fields}
    if any(name in values for name in _ADDRESSES) and section == "ray":
        fields["endpoints"] = ()
    start = f"{section}."
    fields |= {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}
    try:
        return type(settings).model_validate(fields)
    except ValidationError as error:
        wrong = InvalidRequest.from_validation(error)
        raise InvalidRequest(
            f"{start}{wrong.message}", details={"field": f"{start}{wrong.details['field']}"}
        ) from error
