"""Decides whether an HTTP answer, or the lack of one, is Ray's own answer or a fault of the path to Ray."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from raylane_common.errors import RayAuth, RayRejected, RayServerError, RunNotFound
from raylane_common.ray.signature import is_rays_error
from raylane_common.safe_text import safe_line
from raylane_common.secrets import redact

if TYPE_CHECKING:
    from pydantic import JsonValue

# Enough for the last line of a traceback; errors are logged and kept in records.
_SHORT_CHARS: Final = 300
# Tags are removed from pages. `<` is excluded inside a tag, because a body of nothing else would take quadratic time.
_TAG: Final = re.compile(r"<[^<>]*>")


class FaultKind(StrEnum):
    """Where on the way to Ray a request failed."""

    CONNECT = "connect"
    """No connection: nothing was sent."""
    LOST = "lost"
    """Sent, but no complete answer came back: timeout, reset, disconnect."""
    GATEWAY = "gateway"
    """429 or 5xx, not in Ray's words: a proxy could not reach Ray, or refused to pass the request on."""
    NOT_RAY = "not_ray"
    """Something else answered: an error that is not Ray's, a redirect, a page, other JSON, another protocol."""
    WRONG_CLUSTER = "wrong_cluster"
    """Ray, but another cluster than the one first seen."""
    REFUSED = "refused"
    """Ray, but it refuses a token that was accepted at this address before: perhaps it is another cluster."""
    INSECURE = "insecure"
    """Our cluster, but `ray.insecure_cluster` refuses its weaknesses."""


class PathFault(Exception):
    """The path to one endpoint failed a request. Internal: callers of `RayClient` get `RayUnreachable` instead."""

    def __init__(
        self, kind: FaultKind, reason: str, *, elapsed_s: float = 0.0, retry_after_s: float | None = None
    ) -> None:
        self.reason = _in_one_line(reason)
        super().__init__(self.reason)
        self.kind = kind
        self.elapsed_s = elapsed_s
        self.retry_after_s = retry_after_s

    @property
    def nothing_sent(self) -> bool:
        """Whether the request certainly reached nobody."""
        return self.kind is FaultKind.CONNECT

    @property
    def blames_endpoint(self) -> bool:
        """Whether the endpoint is certainly at fault. Otherwise Ray itself may be, unless another endpoint answers."""
        return self.kind not in (FaultKind.LOST, FaultKind.GATEWAY, FaultKind.REFUSED)


def no_answer(waited_s: float) -> PathFault:
    """Returns the fault of an endpoint that was silent for so many seconds."""
    return PathFault(FaultKind.LOST, f"no answer within {waited_s:.3g} s", elapsed_s=waited_s)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of Ray's own. `data` is the body as JSON, if that was expected. `body` is only the end if `truncated`.

    `retry_after_s` is the value of its `Retry-After` header.
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
        """Whether Ray did what it was asked."""
        return 200 <= self.status < 300

    @property
    def is_missing_job(self) -> bool:
        """Whether Ray has no such job. An unknown route is a 404 as well, with another text."""
        return self.status == 404 and self.text.startswith("Job ")

    @property
    def is_taken_id(self) -> bool:
        """Whether Ray already has a job with this submission id. It answers 500 or 400 then."""
        return self.status in (400, 500) and "already exists" in self.text

    @property
    def is_refusal(self) -> bool:
        """Whether the token was refused."""
        return self.status in (401, 403)


def path_fault(status: int, content_type: str, body: bytes, *, retry_after_s: float | None = None) -> PathFault | None:
    """Returns the fault that an HTTP answer means, or None if the answer is Ray's own. Does not look into JSON."""
    if status == 200:
        is_page = content_type == "text/html"
        return PathFault(FaultKind.NOT_RAY, "not Ray: answered 200 with a page") if is_page else None
    if is_rays_error(status, body):
        return None
    if status == 429 or status >= 500:
        return PathFault(FaultKind.GATEWAY, f"answered {status}: {shorten(body)}", retry_after_s=retry_after_s)
    what = "a redirect" if 300 <= status < 400 else shorten(body)
    return PathFault(FaultKind.NOT_RAY, f"not Ray: answered {status}, {what}", retry_after_s=retry_after_s)


def check(answer: Answer, doing: str) -> None:
    """Raises the typed error for an answer that is not good. `doing` completes the sentence "Ray refused to …"."""
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
    # Ray answers 500 here, but the caller is at fault and another try does not help.
    still_running = answer.status == 500 and "non-terminal state" in answer.text
    # Ray itself throttles only its state API.
    if (answer.status < 500 and answer.status != 429) or still_running:
        raise RayRejected(f"Ray refused to {doing} ({answer.status}): {said}", details=details)
    if answer.status == 500 and "UnicodeDecodeError" in answer.text:
        # Ray opens logs as UTF-8 text, so it will fail on this one again.
        raise RayServerError(f"Ray cannot {doing}: the output is not UTF-8", retryable=False, details=details)
    raise RayServerError(
        f"Ray failed to {doing} ({answer.status}): {said}", retry_after_s=answer.retry_after_s, details=details
    )


def shorten(body: bytes) -> str:
    """Returns the most useful line: the last one of a traceback, else the first; at most 300 printable characters."""
    text = _TAG.sub(" ", body[-65536:].decode(errors="replace"))
    lines = [line.strip() for line in text.splitlines() if any(map(str.isalnum, line))]
    if not lines:
        return "no text"
    return _in_one_line(lines[-1] if "Traceback (most recent call last)" in text else lines[0])


def _in_one_line(text: str) -> str:
    """Returns at most 300 characters that are safe to print and hold no credential."""
    line = safe_line(redact(" ".join(text[: 10 * _SHORT_CHARS].split())))
    return line if len(line) <= _SHORT_CHARS else line[: _SHORT_CHARS - 1] + "…"
