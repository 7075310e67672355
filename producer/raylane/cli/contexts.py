"""Contexts: the deployments that a user works with, by name, in a file of that user. See docs/cli.md.

The file holds no secret. A context says in which file or variable its password is.
"""

from __future__ import annotations

import json
import os
import re
import sys
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import raylane
from raylane_common.nearest import NearestNames

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NAME_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
VARIABLE: Final = "RAYLANE_CONTEXT"

_chosen: ContextVar[str | None] = ContextVar("chosen", default=None)


@dataclass(frozen=True)
class Context:
    """One deployment: how to reach its Redis, and the session to work in there. What is None has its default."""

    redis_url: str | None = None
    redis_username: str | None = None
    redis_password_file: str | None = None
    redis_password_env: str | None = None
    redis_prefix: str | None = None
    redis_ca_file: str | None = None
    session: str | None = None

    def described(self) -> dict[str, str]:
        """Returns the fields that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def password(self) -> str | None:
        """Returns the password of the Redis user, from where the context says. Raises `InvalidRequest`."""
        if self.redis_password_env is not None:
            if (found := os.environ.get(self.redis_password_env)) is None:
                problem = f"the variable {self.redis_password_env} is not set, and the context has its password there"
                raise raylane.InvalidRequest.field("redis_password_env", problem)
            return found
        if self.redis_password_file is None:
            return None
        try:
            return Path(self.redis_password_file).expanduser().read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            problem = f"{self.redis_password_file} cannot be read: {getattr(error, 'strerror', None) or error}"
            raise raylane.InvalidRequest.field("redis_password_file", problem) from error


@dataclass(frozen=True)
class Active:
    """The context of this command, and what chose it."""

    name: str
    context: Context
    chosen_by: Literal["option", "environment", "file"]

    @property
    def chosen_where(self) -> str:
        """What a user would change to use another one."""
        match self.chosen_by:
            case "option":
                return "--context"
            case "environment":
                return VARIABLE
            case "file":
                return str(path())


@dataclass(frozen=True)
class Contexts:
    """The contexts of a user, by name, and the one that is used if nothing else says so."""

    by_name: Mapping[str, Context] = field(default_factory=dict)
    current: str | None = None

    def named(self, name: str) -> Context:
        """Returns a context. Raises `InvalidRequest` that lists those that there are."""
        if name in self.by_name:
            return self.by_name[name]
        nearest = NearestNames(self.by_name).find(name, 1)
        known = f"there are {', '.join(sorted(self.by_name))}" if self.by_name else "there are none"
        hint = f"did you mean {nearest[0]}?" if nearest else f"{known}; raylane context set {name} makes one"
        raise raylane.InvalidRequest.field("context", f"there is no context {name!r}; {hint}")


def choose(name: str | None) -> None:
    """Makes this the context of the command, whatever the environment and the file say; None for no choice."""
    _chosen.set(name or None)


def active() -> Active | None:
    """Returns the context of this command: of `--context`, of `RAYLANE_CONTEXT`, or the current one of the file.

    Raises `InvalidRequest` if there is no such context, or the file cannot be read.
    """
    if chosen := _chosen.get():
        return Active(chosen, load().named(chosen), "option")
    if named := os.environ.get(VARIABLE):
        return Active(named, load().named(named), "environment")
    contexts = load()
    return Active(contexts.current, contexts.named(contexts.current), "file") if contexts.current else None


def names() -> list[str]:
    """Returns the names of all contexts, for the completion of a shell; none if the file cannot be read."""
    try:
        return sorted(load().by_name)
    except raylane.RaylaneError:
        return []


def path() -> Path:
    """Returns where the file of this user is, whether it exists or not.

    Raises `InvalidRequest` if the user has no home: the working directory would be another place for each command.
    """
    base = Path(os.environ.get("XDG_CONFIG_HOME") or "")
    # The specification says to ignore a relative path.
    if not base.is_absolute():
        base = _home() / ".config"
    return base / "raylane" / "contexts.toml"


def _home() -> Path:
    given = os.environ.get("HOME")
    try:
        # Python takes an empty HOME for the root directory.
        home = Path.home() if given != "" else None
    except RuntimeError:  # the user is not in the list of users
        home = None
    if home is not None and home.is_absolute():
        return home
    is_now = "is not set" if given is None else "is empty" if home is None else f"is {given!r}"
    problem = f"{is_now}; contexts need a place: set HOME, or XDG_CONFIG_HOME, to the absolute path of a directory"
    raise raylane.InvalidRequest.field("HOME", problem)


def load() -> Contexts:
    """Reads the file; without one, there are no contexts. Raises `InvalidRequest` that says what is wrong in it."""
    try:
        file = path()
    except raylane.InvalidRequest:
        return Contexts()  # in a container, commands work without a home
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Contexts()
    except UnicodeDecodeError as error:
        raise _broken(f"it is not UTF-8: {error.reason} at byte {error.start}") from error
    except OSError as error:
        raise _broken(f"it cannot be read: {error.strerror}{_hint(error)}") from error
    import tomllib  # only whoever has contexts needs it

    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _broken(f"it is not TOML: {error}; mend it, or remove the file and make its contexts again") from error
    for name in document.keys() - {"current", "contexts"}:
        raise _broken(f"{name} is not known; it has `current` and `[contexts.NAME]`")
    current, sections = document.get("current"), document.get("contexts", {})
    if not isinstance(current, str | None) or not isinstance(sections, dict):
        raise _broken("`current` must be a name, and the contexts must be written as `[contexts.NAME]`")
    contexts = Contexts({name: _context(name, section) for name, section in sections.items()}, current)
    if current is not None and current not in contexts.by_name:
        raise _broken(f"`current` is {current!r}, and there is no such context")
    return contexts


def _context(name: str, section: object) -> Context:
    known = [each.name for each in fields(Context)]
    if not isinstance(section, dict):
        raise _broken(f"contexts.{name} must be a table: [contexts.{name}]")
    for key, value in section.items():
        if key not in known:
            nearest = NearestNames(known).find(key, 1)
            hint = f"did you mean {nearest[0]}?" if nearest else f"known are {', '.join(known)}"
            raise _broken(f"contexts.{name}.{key} is not known; {hint}")
        if not isinstance(value, str):
            raise _broken(f"contexts.{name}.{key} must be text in quotes")
    return checked(Context(**section), f"{path()}: contexts.{name}.")


def checked(context: Context, where: str = "") -> Context:
    """Returns the context. Raises `InvalidRequest` if a field has a value that cannot be right; `where` precedes it."""
    if context.redis_url is not None and without_password(context.redis_url) != context.redis_url:
        problem = "must not hold a password; say where it is with --password-file or --password-env"
        raise raylane.InvalidRequest.field(f"{where}redis_url", problem)
    if context.redis_password_file is not None and context.redis_password_env is not None:
        problem = "cannot be combined with redis_password_env; remove one: --password-env ''"
        raise raylane.InvalidRequest.field(f"{where}redis_password_file", problem)
    return context


def without_password(url: str) -> str:
    """Returns the URL with `***` in place of a password."""
    # Up to the last @: a password that is not percent-encoded may have one.
    return re.sub(r"([?&]password=)[^&]+", r"\1***", re.sub(r"^([^/]*//[^/:@]*:)[^/]+@", r"\1***@", url))


def save(contexts: Contexts) -> None:
    """Writes the file, which only this user can read, in a block of `alone`. Raises `InvalidRequest` if that fails.

    If it is a symbolic link, the file that the link names is written.
    """
    lines = [] if contexts.current is None else [f"current = {_quoted(contexts.current)}", ""]
    for name, context in sorted(contexts.by_name.items()):
        values = [f"{key} = {_quoted(value)}" for key, value in context.described().items()]
        lines += [f"[contexts.{_quoted(name)}]", *values, ""]
    try:
        file = path().resolve()  # dotfiles are often links into a repository
        new = file.with_name(f".contexts.{os.getpid()}.toml")
        new.unlink(missing_ok=True)
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write("\n".join(lines))
        new.replace(file)
    except OSError as error:
        raise _broken(f"it cannot be written: {error.strerror}{_hint(error)}") from error


@contextmanager
def alone() -> Iterator[None]:
    """Lets no other process change the file while the block reads and writes it. Raises what `save` raises."""
    try:
        directory = path().resolve().parent
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = None if sys.platform == "win32" else os.open(directory, os.O_RDONLY)
    except OSError as error:
        raise _broken(f"it cannot be written: {error.strerror}{_hint(error)}") from error
    if lock is None:  # Windows has no such locks
        yield
        return
    import fcntl

    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _hint(error: OSError) -> str:
    """Returns what to do about a place that is none for a file."""
    if not isinstance(error, NotADirectoryError | IsADirectoryError | FileExistsError | PermissionError):
        return ""
    there = next((str(each) for each in (path(), *path().parents) if each.exists()), "it")
    what = "a directory" if isinstance(error, IsADirectoryError) else "a file"
    may_not = isinstance(error, PermissionError)
    remedy = f"give this user the right to {there}" if may_not else f"{there} is {what}: move it away"
    return f"; {remedy}, or set XDG_CONFIG_HOME to another directory"


def _quoted(text: str) -> str:
    # What JSON escapes, TOML escapes in the same way; DEL it must not leave as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _broken(problem: str) -> raylane.InvalidRequest:
    return raylane.InvalidRequest.field("contexts", f"{path()}: {problem}")
