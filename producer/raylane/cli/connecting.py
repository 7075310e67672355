"""Which Redis a command uses: that of an option, of the environment, of a context, or the default, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pydantic import SecretStr

import raylane
from raylane.backend import RedisBackend
from raylane.cli import contexts, origins, process
from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.redis.url import parse
from raylane_common.settings import RedisSettings, redis_settings_alone

if TYPE_CHECKING:
    from collections.abc import Callable

    from raylane.cli.contexts import Active
    from raylane.producer import Producer
    from raylane_common.settings import Settings

# How patient this machine is; all else belongs to the deployment that a context names.
_OF_THIS_MACHINE: Final = (
    *("connect_timeout_s", "socket_timeout_s", "give_up_s"),
    *("durability", "durability_replicas", "durability_timeout_s"),
)


class Reached(NamedTuple):
    """How a command reaches Redis, and where the address comes from."""

    redis: RedisSettings
    source: Literal["--redis-url", "RAYLANE_REDIS__URL", "context", "default"]


def producer(redis_url: str | None, warn: Callable[[str], None]) -> Producer:
    """Returns the producer of a command; `redis_url` is what its option says.

    Calls `warn` for each variable that has no effect. Raises `InvalidRequest` for a setting that is wrong.
    """
    # If no other setting is given, there is nothing else to check or to warn of, and half of the time is saved.
    if (alone := redis_settings_alone()) is not None:
        return raylane.Producer(backend=RedisBackend.connect(_reached(alone, redis_url).redis))
    for warning in process.variable_warnings():
        warn(warning)
    return raylane.Producer(settings(redis_url))


def settings(redis_url: str | None) -> Settings:
    """Returns the settings of this command; `redis_url` is what its option says. Raises `InvalidRequest`."""
    from raylane_common.settings import load_settings  # here, because it loads all of them

    loaded = load_settings()
    return loaded.model_copy(update={"redis": _reached(loaded.redis, redis_url).redis})


def reached(redis_url: str | None) -> Reached:
    """Returns how this command reaches Redis, and where the address comes from. Raises `InvalidRequest`."""
    from raylane_common.settings import load_settings  # as above

    return _reached(redis_settings_alone() or load_settings().redis, redis_url)


def _reached(redis: RedisSettings, redis_url: str | None) -> Reached:
    active = contexts.active()
    origins.of_environment()
    if redis_url is not None:
        url = SecretStr(_checked("--redis-url", redis_url))
        origins.of_option()
        return Reached(redis.model_copy(update={"url": url}), "--redis-url")
    if "url" in redis.model_fields_set and not (active and active.chosen_by == "option"):
        _checked("RAYLANE_REDIS__URL", redis.url.get_secret_value())
        return Reached(redis, "RAYLANE_REDIS__URL")
    if active is None or active.context.redis_url is None:
        return Reached(redis, "default")
    origins.of_context(active)
    return Reached(_of_context(redis, active), "context")


def _of_context(redis: RedisSettings, active: Active) -> RedisSettings:
    """Returns the settings of the context. A login or a certificate of the environment is not sent to its address."""
    context = active.context
    given = {
        "url": _checked(f"contexts.{active.name}.redis_url", context.redis_url or ""),
        "username": context.redis_username,
        "password": context.password(),
        "prefix": context.redis_prefix,
        "ca_file": context.redis_ca_file,
    }
    kept = redis.model_dump(include=set(_OF_THIS_MACHINE))
    with invalid_requests():
        return RedisSettings.model_validate(kept | {name: value for name, value in given.items() if value is not None})


def _checked(name: str, url: str) -> str:
    """Returns the URL. Raises `InvalidRequest` that says which option or variable holds a URL that cannot be read."""
    try:
        parse(url)
    except InvalidRequest as error:
        raise InvalidRequest.field(name, error.message.removeprefix("redis.url: ")) from error
    return url
