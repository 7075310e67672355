"""Reads the settings of this process, and names the variable that is wrong or misspelt."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_settings import DotEnvSettingsSource, SettingsError

from raylane_common.errors import InvalidRequest
from raylane_common.errors.findings import describe_finding
from raylane_common.nearest import NearestNames
from raylane_common.settings.alone import OTHER_VARIABLES
from raylane_common.settings.root import Settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PREFIX: Final = "RAYLANE_"


def load_settings() -> Settings:
    """Returns the settings of this process. Raises `InvalidRequest` that names the first wrong variable."""
    try:
        return Settings()
    except (ValidationError, SettingsError) as error:
        raise explain(error) from error
    except UnicodeDecodeError as error:
        problem = f".env, or a file in RAYLANE_SECRETS_DIR, is not UTF-8: {error.reason} at byte {error.start}"
        raise InvalidRequest.field("settings", problem) from error
    except OSError as error:
        raise InvalidRequest.field("settings", f"{error.filename} cannot be read: {error.strerror}") from error


def explain(error: ValidationError | SettingsError) -> InvalidRequest:
    """Returns the first problem that `Settings()` found. The message names the variable but not its value."""
    if isinstance(error, SettingsError):
        field = re.search(r'for field "(\w+)"', str(error))
        if field is None:  # the directory of secrets is the only other source that fails as a whole
            return InvalidRequest.field("RAYLANE_SECRETS_DIR", str(error))
        name = _variable(field.group(1))
        return InvalidRequest.field(name, f"must be JSON, and so must the lists below it{_origin(name)}")
    first = error.errors(include_url=False, include_input=False)[0]
    unknown_key = first["loc"][-1:] == ("[key]",)
    path = [str(part) for part in (first["loc"][:-1] if unknown_key else first["loc"])]
    problem = describe_finding(first)
    if not path:
        # Several settings do not fit together; the message names them.
        return InvalidRequest.field("settings", problem)
    if unknown_key or first["type"] == "extra_forbidden":
        name = _variable(*path)
        return InvalidRequest.field(name, f"is not a setting{_suggestion(name)}{_origin(name)}")
    inside: list[str] = []
    while len(path) > 1 and _variable(*path) not in _known_variables():
        inside.insert(0, path.pop())  # the place within a variable that holds JSON
    name, within = _variable(*path), f"{'.'.join(inside)}: " if inside else ""
    return InvalidRequest.field(name, f"{within}{problem}{_origin(name)}")


def unknown_variables(environ: Iterable[str]) -> list[tuple[str, str | None]]:
    """Returns the names that begin with `RAYLANE_` and are not settings, each with a similar known name or None."""
    known = {*_known_variables(), *OTHER_VARIABLES}
    unknown = [name for name in environ if name.upper().startswith(_PREFIX) and name.upper() not in known]
    return [(name, _nearest(name)) for name in unknown]


def _variable(*path: str) -> str:
    return _PREFIX + "__".join(path).upper()


def _origin(name: str) -> str:
    """Returns which file holds the value of a variable that is not in the environment; '' if none does."""
    if any(known.upper() == name for known in os.environ):
        return ""
    if any(known.upper() == name for known in DotEnvSettingsSource(Settings).env_vars):
        return "; it is set in .env"
    file = Path(os.environ.get("RAYLANE_SECRETS_DIR", ""), name.removeprefix(_PREFIX).lower())
    return f"; it is set in {file}" if file.is_absolute() and file.is_file() else ""


def _suggestion(name: str) -> str:
    nearest = _nearest(name)
    return f"; did you mean {nearest}?" if nearest else ""


@cache
def _known_variables() -> tuple[str, ...]:
    """Returns the variables of all settings and of all sections, which may be given as JSON."""
    return tuple(_variable(*path) for path in _paths(Settings))


def _paths(section: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for name, field in section.model_fields.items():
        yield (name,)
        annotation = field.annotation
        if get_origin(annotation) is dict:
            keys, below = get_args(annotation)
            for key in keys:
                yield (name, key)
                yield from ((name, key, *path) for path in _paths(below))
        elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from ((name, *path) for path in _paths(annotation))


def _nearest(name: str) -> str | None:
    # All names share the prefix, so it would make any two of them look alike.
    candidates = {known.removeprefix(_PREFIX): known for known in (*_known_variables(), *OTHER_VARIABLES)}
    found = NearestNames(candidates).find(name.upper().removeprefix(_PREFIX), 1)
    return candidates[found[0]] if found else None
