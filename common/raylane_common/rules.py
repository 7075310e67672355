"""The rules for single values: ids, file names, prompts, code. The producer and the worker check the same rules."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Final
from unicodedata import normalize

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, StringConstraints

from raylane_common.limits import (
    CATALOG_NAME_PATTERN,
    JOB_ID_PATTERN,
    MAX_CODE_BYTES,
    MAX_FILENAME_BYTES,
    MAX_KEY_BYTES,
    MAX_PROMPT_BYTES,
    NO_CONTROLS_PATTERN,
    SESSION_ID_PATTERN,
    SUBMISSION_ID_PATTERN,
    TRANSFER_ID_PATTERN,
)

# C0 and C1 controls, Unicode line separators, and two characters that XML, in which S3 lists keys, cannot hold.
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")

# The blanks of Unicode that look like a space. The ideographic one is as wide as two.
_BLANK: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f]")


_NUMBER: Final = re.compile(r"\s*[+-]?[\d_]+(\.\d*)?\s*")


def _moment(value: object) -> object:
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("must be a date and a time with its zone, such as 2026-12-01T08:00:00Z, and no number")
    # Behind a function, pydantic takes the text of JSON for text of Python, and refuses every text if it is strict.
    with suppress(ValueError):
        return datetime.fromisoformat(value) if isinstance(value, str) else value
    return value


def plain_name(name: str) -> str:
    """Returns the name as it is stored, so that two names that look the same are the same.

    macOS writes a letter and its accent as two characters (NFD), others as one (NFC). A screenshot's name has a narrow
    blank before PM.
    """
    return name if name.isascii() else _BLANK.sub(" ", normalize("NFC", name))


def _filename(value: str) -> str:
    value = plain_name(value)
    problem = _filename_problem(value)
    if problem is not None:
        raise ValueError(f"{problem}; give it another name with `filename` (--filename in the CLI)")
    return value


def _filename_problem(value: str) -> str | None:
    """Returns why a name cannot be the last part of a key that every reader finds again; None if it can."""
    problems = (
        (not value.strip(), "must not be empty"),
        (value != value.strip(), "must not begin or end with a space"),
        ("/" in value or "\\" in value, "must be a bare name, without '/' or '\\'"),
        (value in (".", ".."), "must not be '.' or '..'"),
        (_CONTROL_CHARACTER.search(value) is not None, "must not contain control characters"),
    )
    problem = next((text for applies, text in problems if applies), None) or not_utf_8(value)
    if problem is None and len(value.encode()) > MAX_FILENAME_BYTES:
        return f"must not exceed {MAX_FILENAME_BYTES} bytes"
    return problem


# A dot, slash or backslash that something between us and S3 might decode, and so leave the prefix.
_ENCODED: Final = re.compile(r"%(25)*(2e|2f|5c)", re.IGNORECASE)
_S3_URI: Final = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/(.+)", re.DOTALL)


def _s3_uri(value: str) -> str:
    found = _S3_URI.fullmatch(value)
    if found is None:
        raise ValueError("must look like s3://bucket/key")
    key = _text(found[1])
    if len(key.encode()) > MAX_KEY_BYTES:
        raise ValueError(f"must have a key of at most {MAX_KEY_BYTES} bytes")
    *folders, name = key.split("/")
    if not all(folders) or {".", ".."}.intersection(folders) or _ENCODED.search(key):
        raise ValueError("must not contain empty folders, '.', '..', or encoded dots and slashes")
    if any("\\" in folder or _CONTROL_CHARACTER.search(folder) for folder in folders):
        raise ValueError("must not contain '\\' or control characters")
    problem = _filename_problem(name)
    if problem is not None:
        raise ValueError(f"must end with the name of a file, which {problem}")
    return value


def _prompt(value: str) -> str:
    return _filled(value, MAX_PROMPT_BYTES)


def _code(value: str) -> str:
    return _filled(value, MAX_CODE_BYTES)


def _filled(value: str, max_bytes: int) -> str:
    if not _text(value).strip():
        raise ValueError("must not be empty")
    if len(value.encode()) > max_bytes:
        raise ValueError(f"must not exceed {max_bytes} bytes")
    return value


def _text(value: str) -> str:
    problem = not_utf_8(value)
    if problem is not None:
        raise ValueError(problem)
    return value


def not_utf_8(text: str) -> str | None:
    """Returns what is wrong with text that UTF-8 cannot encode, and that JSON could not hold; None if it can."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"is not valid text: {error.reason} at position {error.start}"
    return None


SessionId = Annotated[str, StringConstraints(pattern=SESSION_ID_PATTERN)]
JobId = Annotated[str, StringConstraints(pattern=JOB_ID_PATTERN)]
UniqueKey = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_CONTROLS_PATTERN)]
SubmissionId = Annotated[str, StringConstraints(pattern=SUBMISSION_ID_PATTERN)]
Filename = Annotated[str, AfterValidator(_filename)]
S3Uri = Annotated[str, AfterValidator(_s3_uri)]
Text = Annotated[str, AfterValidator(_text)]
Prompt = Annotated[str, AfterValidator(_prompt)]
Code = Annotated[str, AfterValidator(_code)]
TransferId = Annotated[str, StringConstraints(pattern=TRANSFER_ID_PATTERN)]
CatalogName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=CATALOG_NAME_PATTERN)]


def printable(text: str) -> str:
    """Returns text from Redis with bytes that are not UTF-8 replaced, so that it can be printed and encoded."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def whole_number(text: str | None) -> int | None:
    """Returns a number from Redis that is not negative and below 10^16; None if another program wrote anything else."""
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) <= 16 else None


def is_s3_uri(text: str) -> bool:
    """Returns whether the text is an `S3Uri`: its key leaves no folder, also if something on the way decodes it."""
    try:
        _s3_uri(text)
    except ValueError:
        return False
    return True


def is_plain_path(path: str) -> bool:
    """Returns whether a path is relative, in POSIX form, and stays below the directory that it starts from."""
    parts = PurePosixPath(path).parts
    plain = bool(path) and "\\" not in path and path.isprintable() and path == "/".join(parts)
    return plain and not path.startswith("/") and ".." not in parts and parts != (".",)


Moment = Annotated[AwareDatetime, BeforeValidator(_moment)]
"""A time with its zone. A number is refused, because pydantic takes "2026" for seconds since 1970."""
