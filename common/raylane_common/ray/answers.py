"""What an answer, or the lack of one, means: a fault of the path to Ray, or Ray's own word."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import BaseModel, ValidationError

from raylane_common.errors import RayAuth, RayRejected, RayServerError, RunNotFound

if TYPE_CHECKING:
    from pydantic import JsonValue

_SHORT_CHARS: Final = 300


class FaultKind(StrEnum):
    """Where on the way to Ray a request failed."""

    CONNECT = "connect"
    """No connection: nothing was sent."""
    LOST = "lost"
    """Sent, but no whole answer came back: timeout, reset, disconnect."""
    GATEWAY = "gateway"
    """502, 503 or 504: something between us and Ray could not reach it."""
    NOT_RAY = "not_ray"
    """Something else answered: a redirect, a page, another protocol."""
    WRONG_CLUSTER = "wrong_cluster"
    """A Ray, but not ours."""
    INSECURE = "insecure"
    """Our Ray, but by its owner's settings too dangerous to use."""


class PathFault(Exception):
    """The path to one endpoint failed a request. Never leaves the Ray room."""

    def __init__(
        self, kind: FaultKind, reason: str, *, elapsed_s: float = 0.0, retry_after_s: float | None = None
    ) -> None:
        super().__init__(reason)
        self.kind = kind
        self.reason = reason
        self.elapsed_s = elapsed_s
        self.retry_after_s = retry_after_s

    @property
    def nothing_sent(self) -> bool:
        """Whether the request certainly did not reach anybody."""
        return self.kind is FaultKind.CONNECT

    @property
    def blames_endpoint(self) -> bool:
        """Whether the endpoint is at fault for certain; otherwise Ray itself may be, until another one answers."""
        return self.kind not in (FaultKind.LOST, FaultKind.GATEWAY)


@dataclass(frozen=True, slots=True)
class Answer:
    """Ray's own answer. `data` is the body as JSON where JSON was expected; `truncated`: `body` is its last part.

    `retry_after_s` is what its `Retry-After` says.
    """

    endpoint: str
    status: int
    body: bytes
    data: JsonValue = None
    truncated: bool = False
    retry_after_s: float | None = None

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    @property
    def is_ok(self) -> bool:
        """Whether Ray did what was asked."""
        return 200 <= self.status < 300

    @property
    def is_missing_job(self) -> bool:
        """Whether Ray says that it has no such job. A route that does not exist is a 404 too, with another text."""
        return self.status == 404 and "does not exist" in self.text

    @property
    def is_taken_id(self) -> bool:
        """Whether Ray says that a job with this submission id exists. It does so with 500 or 400."""
        return self.status in (400, 500) and "already exists" in self.text

    @property
    def is_refusal(self) -> bool:
        """Whether the credentials were refused."""
        return self.status in (401, 403)


def path_fault(status: int, content_type: str, body: bytes, *, retry_after_s: float | None = None) -> PathFault | None:
    """The fault that an HTTP answer stands for, None if it is Ray's own word. JSON is the caller's to check."""
    if status in (502, 503, 504):
        return PathFault(FaultKind.GATEWAY, f"answered {status}: {shorten(body)}", retry_after_s=retry_after_s)
    if 300 <= status < 400:
        return PathFault(FaultKind.NOT_RAY, f"not Ray: answered {status}, a redirect")
    if status < 300 and content_type == "text/html":
        return PathFault(FaultKind.NOT_RAY, f"not Ray: answered {status} with a page")
    return None


def parse_json(body: bytes) -> JsonValue:
    """The JSON of a good answer. Raises `PathFault` if it is none, since Ray always sends JSON."""
    try:
        data: JsonValue = json.loads(body)
    except ValueError:
        raise PathFault(FaultKind.NOT_RAY, "not Ray: answered 200 without JSON") from None
    return data


def check(answer: Answer, doing: str) -> None:
    """Raises the typed error for an answer of Ray that is not good. `doing` finishes the sentence "Ray refused to"."""
    if answer.is_ok:
        return
    said = shorten(answer.body)
    details: dict[str, JsonValue] = {"endpoint": answer.endpoint, "status": answer.status, "said": said}
    if answer.is_refusal:
        raise RayAuth(
            f"Ray's {answer.endpoint} endpoint refused the credentials ({answer.status}: {said}); "
            "set RAYLANE_RAY__TOKEN to the cluster's token",
            details=details,
        )
    if answer.is_missing_job:
        raise RunNotFound(f"Ray cannot {doing}: {said}", details=details)
    if answer.status == 404:
        raise RayRejected(
            f"Ray's {answer.endpoint} endpoint has no such route (404: {said}); check its URL and Ray's version",
            details=details,
        )
    # Ray answers 500 here, but it is the caller's mistake and trying again does not help.
    still_running = answer.status == 500 and "non-terminal state" in answer.text
    # Ray does not throttle, but a proxy in front of it may.
    if (answer.status < 500 and answer.status != 429) or still_running:
        raise RayRejected(f"Ray refused to {doing} ({answer.status}): {said}", details=details)
    if answer.status == 500 and "UnicodeDecodeError" in answer.text:
        # It opens logs as UTF-8 text, and will not read this one a second time either.
        raise RayServerError(f"Ray cannot {doing}: what it printed is not UTF-8", retryable=False, details=details)
    raise RayServerError(
        f"Ray failed to {doing} ({answer.status}): {said}", retry_after_s=answer.retry_after_s, details=details
    )


def shorten(body: bytes) -> str:
    """The line that says most: the last one of a traceback, else the first; at most 300 characters."""
    text = body[-65536:].decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if any(map(str.isalnum, line))]
    if not lines:
        return "no text"
    line = lines[-1] if "Traceback (most recent call last)" in text else lines[0]
    return line if len(line) <= _SHORT_CHARS else line[: _SHORT_CHARS - 1] + "…"


_Model = TypeVar("_Model", bound=BaseModel)


def read(model: type[_Model], answer: Answer) -> _Model:
    """A good answer as a model that knows its endpoint. Raises `RayServerError` if the JSON is something else."""
    data = {**answer.data, "endpoint": answer.endpoint} if isinstance(answer.data, dict) else answer.data
    return parse(model, data, answer)


def parse(model: type[_Model], data: JsonValue, answer: Answer) -> _Model:
    """A part of a good answer as a model. Raises `RayServerError` if it is something else."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise unexpected(answer, model.__name__) from error


def read_flag(answer: Answer, name: str) -> bool:
    """One truth value of a good answer. Raises `RayServerError` if it is not there."""
    value = answer.data.get(name) if isinstance(answer.data, dict) else None
    if not isinstance(value, bool):
        raise unexpected(answer, f"`{name}`")
    return value


def unexpected(answer: Answer, wanted: str) -> RayServerError:
    """The error for JSON that is not what Ray's API says."""
    return RayServerError(
        f"Ray's {answer.endpoint} endpoint answered JSON without a valid {wanted}; "
        "check that its URL is Ray's dashboard and that its version is supported",
        retryable=False,
        details={"endpoint": answer.endpoint, "said": shorten(answer.body)},
    )


# Where a JSON string that was cut open is certainly between two characters: before a backslash that no backslash
# precedes, or after six bytes without one, since no escape is longer.
_BETWEEN_CHARACTERS: Final = re.compile(rb"(?<=[^\\])(?=\\)|(?<=[^\\]{6})")


def read_logs(answer: Answer, *, max_bytes: int) -> tuple[str, bool]:
    """The last `max_bytes` of `{"logs": "…"}` as text, and whether something was cut off.

    `answer.body` may be the last part only. Raises `RayServerError` if the JSON is something else.
    """
    if answer.truncated:
        text = _read_cut_string(answer)
    else:
        logs = answer.data.get("logs") if isinstance(answer.data, dict) else None
        if not isinstance(logs, str):
            raise unexpected(answer, "`logs`")
        text = logs
    # A surrogate that lost its other half to the cut, or that a job printed, has no UTF-8.
    whole = text.encode(errors="ignore")
    kept = whole[max(0, len(whole) - max_bytes) :]
    return kept.decode(errors="ignore"), answer.truncated or len(whole) > max_bytes


def _read_cut_string(answer: Answer) -> str:
    body = answer.body.rstrip()
    if not body.endswith(b'"}'):
        raise unexpected(answer, "`logs`")
    rest = body[:-2]
    match = _BETWEEN_CHARACTERS.search(rest)
    rest = rest[match.start() :] if match else b""
    try:
        return str(json.loads(b'"' + rest.decode(errors="ignore").encode() + b'"'))
    except ValueError as error:
        raise unexpected(answer, "`logs`") from error
