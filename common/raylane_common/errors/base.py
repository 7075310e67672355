"""The base of every error, and its wire form."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class ErrorInfo(BaseModel):
    """An error as it stands in a record, an event and the CLI's `--json` output."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str
    retryable: bool = False
    details: dict[str, JsonValue] = Field(default_factory=dict)


class RaylaneError(Exception):
    """Base of every error that Raylane raises.

    `details` holds JSON values that a program may act on; `message` is for people and names what to do.
    `retry_after_s` becomes one of the details: the next attempt starts no sooner than that.
    """

    code: ClassVar[str] = "raylane_error"
    retryable_by_default: ClassVar[bool] = False
    _by_code: ClassVar[dict[str, type[RaylaneError]]] = {}

    def __init__(
        self,
        message: str,
        *,
        retryable: bool | None = None,
        retry_after_s: float | None = None,
        details: dict[str, JsonValue] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retryable = self.retryable_by_default if retryable is None else retryable
        self.details: dict[str, JsonValue] = details or {}
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
        """When the other side said to come back, where it did."""
        seconds = self.details.get("retry_after_s")
        return float(seconds) if isinstance(seconds, int | float) else None

    def info(self) -> ErrorInfo:
        """This error in its wire form."""
        return ErrorInfo(code=self.code, message=self.message, retryable=self.retryable, details=self.details)

    @staticmethod
    def from_info(info: ErrorInfo) -> RaylaneError:
        """The typed error for a wire form; a code of a newer version becomes an `UnknownError` that keeps it."""
        known = RaylaneError._by_code.get(info.code)
        if known is None:
            return UnknownError(info)
        error = known.__new__(known)
        RaylaneError.__init__(error, info.message, retryable=info.retryable, details=info.details)
        return error


class UnknownError(RaylaneError):
    """An error whose code this version does not know; `info()` returns it unchanged."""

    def __init__(self, info: ErrorInfo) -> None:
        super().__init__(info.message, retryable=info.retryable, details=info.details)
        self._info = info

    def info(self) -> ErrorInfo:
        """The wire form as it was received."""
        return self._info
