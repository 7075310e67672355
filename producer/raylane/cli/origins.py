"""Names in an error where a value comes from: a message names the variable, but an option or a context may have it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from raylane.cli.contexts import Active
    from raylane_common.errors import ErrorInfo

_PREFIX: Final = "RAYLANE_REDIS__"
# Of the one command of this process, by what the message says after the prefix.
_places: Final[dict[str, str]] = {}


def of_environment() -> None:
    """The connection of this command is as the variables say, or the default."""
    _places.clear()


def of_option() -> None:
    """The URL of this command comes from its option; a login may come from the environment."""
    _places["URL"] = "--redis-url"


def of_context(active: Active) -> None:
    """The connection of this command is that of a context."""
    context, of = active.context, f"of the context {active.name}"
    password = f"its password (raylane context set {active.name} --password-file FILE)"
    if context.redis_password_env is not None:
        password = f"the variable {context.redis_password_env}, which has its password"
    elif context.redis_password_file is not None:
        password = f"the file {context.redis_password_file}, which has its password"
    _places.update(
        {
            "USERNAME and RAYLANE_REDIS__PASSWORD (or the login in RAYLANE_REDIS__URL)": (
                f"redis_username {of}, and {password}"
            ),
            "CA_FILE, RAYLANE_REDIS__CLIENT_CERT_FILE and RAYLANE_REDIS__TLS_VERIFY": f"redis_ca_file {of}",
            "URL": f"redis_url {of}",
            "PREFIX": f"redis_prefix {of}",
        }
    )


def named(error: ErrorInfo) -> ErrorInfo:
    """Returns the error with the places of the values in its message in place of variables that do not hold them."""
    message = error.message
    for variable, place in _places.items():
        message = message.replace(f"{_PREFIX}{variable}", place)
    return error if message == error.message else error.model_copy(update={"message": message})
