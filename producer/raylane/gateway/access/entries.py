"""The file of callers: the hash of each token, and what its holder may do."""

from __future__ import annotations

import hashlib
from collections import Counter
from pathlib import Path
from typing import Annotated, ClassVar, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from raylane.gateway.access.caller import ALL_SESSIONS, Caller
from raylane.gateway.access.rights import Right
from raylane_common.errors import InvalidRequest
from raylane_common.limits import CALLER_NAME_PATTERN, SESSION_PREFIX_PATTERN, SHA256_PATTERN
from raylane_common.rules import Moment

# Far more than anybody keeps in a file. A larger one is some other file.
_MAX_BYTES: Final = 8 * 1024 * 1024


class CallerEntry(BaseModel):
    """One token: its hash, and what its holder may do. Two tokens of one caller have the same name."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=CALLER_NAME_PATTERN)]
    sha256: Annotated[str, StringConstraints(pattern=SHA256_PATTERN)]
    rights: tuple[Right, ...] = Field(min_length=1)
    sessions: tuple[Annotated[str, StringConstraints(pattern=SESSION_PREFIX_PATTERN)], ...] = ()
    expires: Moment | None = None

    @property
    def caller(self) -> Caller:
        """Who sends a request with this token."""
        return Caller(self.name, frozenset(self.rights), prefixes(self.sessions))


class CallersFile(BaseModel):
    """All callers of a gateway."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid")

    callers: tuple[CallerEntry, ...]

    @model_validator(mode="after")
    def _each_token_has_one_entry(self) -> Self:
        for digest, entries in Counter(entry.sha256 for entry in self.callers).most_common(1):
            if entries > 1:
                names = [entry.name for entry in self.callers if entry.sha256 == digest]
                raise ValueError(f"{' and '.join(names)} have the same token")
        return self


def read_callers(path: Path) -> CallersFile:
    """Returns what the file holds. Raises `InvalidRequest` that names the file and what is wrong in it."""
    try:
        # To open a pipe would wait for whoever writes into it.
        if path.exists() and not path.is_file():
            raise _wrong(path, "is not a file")
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise _wrong(path, f"cannot be read: {error.strerror or error}") from error
    if len(content) > _MAX_BYTES:
        raise _wrong(path, f"is larger than {_MAX_BYTES} bytes")
    try:
        return CallersFile.model_validate_json(content)
    except ValidationError as error:
        raise _wrong(path, f"is not a file of callers: {InvalidRequest.from_validation(error).message}") from error


def prefixes(written: tuple[str, ...]) -> tuple[str, ...]:
    """Returns the prefixes as a `Caller` has them: `*` becomes the prefix of all session ids."""
    return tuple("" if prefix == ALL_SESSIONS else prefix for prefix in written)


def digest_of(token: str) -> str:
    """Returns the hash of a token as an entry holds it."""
    return hashlib.sha256(token.encode()).hexdigest()


def _wrong(path: Path, problem: str) -> InvalidRequest:
    return InvalidRequest.field("gateway.tokens_file", f"{path} {problem}")
