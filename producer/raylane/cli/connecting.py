"""Which Redis a command uses: that of an option, of the environment, of a context, or the default, in this order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pydantic import SecretStr

from raylane.cli import contexts
from raylane_common.errors import InvalidRequest, invalid_requests
from raylane_common.redis.url import parse
from raylane_common.settings import RedisSettings, load_settings

if TYPE_CHECKING:
    from raylane.cli.contexts import Active, Context
    from raylane_common.settings import Settings

# How patient this machine is; all else belongs to the deployment that a context names.
_OF_THIS_MACHINE: Final = (
    *("connect_timeout_s", "socket_timeout_s", "give_up_s"),
    *("durability", "durability_replicas", "durability_timeout_s"),
)


class Reached(NamedTuple):
    """The settings of a command, and where the address of Redis in them comes from."""

    settings: Settings
    source: Literal["--redis-url", "RAYLANE_REDIS__URL", "context", "default"]


def settings(redis_url: str | None) -> Settings:
    """Returns the settings of this command; `redis_url` is what its option says. Raises `InvalidRequest`."""
    return reached(redis_url).settings


def reached(redis_url: str | None) -> Reached:
    """Returns the settings of this command, and where the address in them comes from. Raises `InvalidRequest`."""
    loaded, active = load_settings(), contexts.active()
    if redis_url is not None:
        redis = loaded.redis.model_copy(update={"url": SecretStr(_checked("--redis-url", redis_url))})
        return Reached(loaded.model_copy(update={"redis": redis}), "--redis-url")
    if "url" in loaded.redis.model_fields_set and not (active and active.chosen_by == "option"):
        _checked("RAYLANE_REDIS__URL", loaded.redis.url.get_secret_value())
        return Reached(loaded, "RAYLANE_REDIS__URL")
    if active is None or active.context.redis_url is None:
        return Reached(loaded, "default")
    redis = _of_context(loaded.redis, active)
    return Reached(loaded.model_copy(update={"redis": redis}), "context")


def _of_context(redis: RedisSettings, active: Active) -> RedisSettings:
    """Returns the settings of the context. A login or a certificate of the environment is not sent to its address."""
    context: Context = active.context
    assert context.redis_url is not None
    _checked(f"contexts.{active.name}.redis_url", context.redis_url)
    given = {
        "url": context.redis_url,
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
