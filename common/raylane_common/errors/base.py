"""The base of every error, and its wire form."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, JsonValue

from raylane_common.model import Model
from raylane_common.safe_text import safe_text
from raylane_common.secrets import redact
from raylane_common.valid_text import valid_json, valid_text


class ErrorInfo(Model):
    """An error as records, events and the CLI's `--json` output hold it."""

    code: str
    message: str
    retryable: bool = False
    outside_job: bool = Field(
        default=False,
        description="The job is not at fault, so it becomes a dead letter when it fails for good",
        exclude_if=lambda value: not value,
    )
    details: dict[str, JsonValue] = Field(default_factory=dict)


class RaylaneError(Exception):
    """Base of every error that Raylane raises.

    `message` is for people and says what to do; it is made safe to print, and credentials in it are redacted. `details`
    holds JSON values for programs, as they are but for halves of characters. `retryable` says whether the same job may
    succeed on another attempt. `retry_after_s` is the shortest pause before that attempt, in seconds, and is added to
    `details`. `outside_job` says that the job is not at fault, so it becomes a dead letter when it fails for good. It
    is true for every retryable error.
    """

    code: ClassVar[str] = "raylane_error"
    retryable_by_default: ClassVar[bool] = False
    outside_job_by_default: ClassVar[bool] = False
    _by_code: ClassVar[dict[str, type[RaylaneError]]] = {}

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        details: dict[str, JsonValue] | None = None,
    ) -> None:
        self.message: str = safe_text(redact(message))
        super().__init__(self.message)
        self.retryable: bool = self.retryable_by_default if retryable is None else retryable
        self.outside_job: bool = self.retryable or self.outside_job_by_default
        self.details: dict[str, JsonValue] = {
            valid_text(name): valid_json(value) for name, value in (details or {}).items()
        }
        if retry_after_s is not None:
            self.details = {**self.details, "retry_after_s": retry_after_s}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "code" in cls.__dict__:
            cls._by_code[cls.code] = cls

    def __str__(self) -> str:
        return f"{self.message} [{self.info().code}]"

    @property
    def retry_after_s(self) -> float | None:
        """The pause that the other service asked for, in seconds; None if it asked for none."""
        seconds = self.details.get("retry_after_s")
        # A record may hold any number; an integer beyond the range of floats cannot be converted.
        return float(seconds) if isinstance(seconds, int | float) and 0 <= seconds < 2**53 else None

    def info(self) -> ErrorInfo:
        """Returns this error in its wire form."""
        return ErrorInfo(
            code=self.code,
            message=self.message,
            retryable=self.retryable,
            outside_job=self.outside_job,
            details=self.details,
        )

    @staticmethod
    def is_known(code: str) -> bool:
        """Returns whether an error of this version has the code."""
        return code in RaylaneError._by_code

    @staticmethod
    def from_info(info: ErrorInfo) -> RaylaneError:
        """Returns the typed error for a wire form; an `UnknownError` if a newer version added its code."""
        known = RaylaneError._by_code.get(info.code)
        if known is None:
            return UnknownError(info)
        error = known.__new__(known)
        RaylaneError.__init__(error, info.message, retryable=info.retryable, details=info.details)
        error.outside_job |= info.outside_job
        return error


class UnknownError(RaylaneError):
    """An error whose code this version does not know; `info()` returns it unchanged."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message, retryable=info.retryable, details=info.details)
        self.outside_job: bool = self.retryable or info.outside_job
        self._info = info

    def __reduce__(self) -> tuple[type[UnknownError], tuple[ErrorInfo]]:
        # An exception is pickled with its message alone, from which this class cannot be made.
        return UnknownError, (self._info,)

    def info(self) -> ErrorInfo:
        """Returns the wire form as it was received."""
        return self._info
