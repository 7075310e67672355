"""Finds text that looks like a credential, to keep it out of Ray's `runtime_env`, generated code and our messages."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# Each pattern needs the fixed part of the service's keys, so that plain text does not match. Lookaheads and repeatable
# parts are bounded, because a hostile text of 1 MiB would otherwise take minutes.
_KINDS: Final = {
    "an AWS access key": r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    "an AWS secret key": r"(?i:aws_secret_access_key)(?:[\"']?\s*[=:]\s*[\"']?[^\s\"']+)?",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY(?:[A-Z ]*-----(?:[^-]+-----END [A-Z ]+-----)?)?",
    "a GitHub token": r"\bgh[pousr]_\w{36,}|\bgithub_pat_\w{22,}",
    "a Slack token": r"\bxox[abceprs]-[\w-]+",
    # OpenAI, Anthropic and others. Without a digit it may be a name such as `sk-learn-…`.
    "an API key": r"\bsk-(?=[\w-]{0,200}\d)[\w-]{20,}",
    "a JSON web token": r"\beyJ[\w-]{10,500}\.eyJ[\w-]{10,}\.[\w-]*",
    "a URL with a password": r"(?<=://)[^/@\s:]+:[^/@\s]+@",
}
_CREDENTIAL: Final = re.compile("|".join(f"({pattern})" for pattern in _KINDS.values()))
# Redacting may remove more than refusing may reject: shortened keys, too, and strings too long to be words.
_REDACTED: Final = re.compile(
    rf"{_CREDENTIAL.pattern}|\b(?i:bearer)\s+[\w.~+/=-]*\w|\b(?i:[sp]k-[\w*-]{{6,}}|(?:AKIA|ASIA)[A-Z0-9]{{8,}})"
    r"|[A-Za-z0-9+/=_]{32,}"
)
_CREDENTIAL_NAME: Final = re.compile(
    r"(^|_)(SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|TOKEN|CREDENTIALS?|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY(_ID)?|AUTH)(_|$)",
    re.IGNORECASE,
)


def find_credential(text: str) -> str | None:
    """Returns the kind of credential that the text seems to hold, such as "a GitHub token", or None."""
    match = _CREDENTIAL.search(text)
    return None if match is None or match.lastindex is None else list(_KINDS)[match.lastindex - 1]


def redact(text: str) -> str:
    """Returns the text with `***` in place of everything that could be a credential, or a part of one."""
    return _REDACTED.sub("***", text)


def refuse_credentials(env_vars: Mapping[str, str], pip: Iterable[str] = ()) -> None:
    """Raises `InvalidRequest` if a variable or a requirement looks like a credential. The error does not quote it.

    Ray shows both to everybody who may list runs (ray-project/ray#39502 asks for a way to hide them).
    """
    for name, value in env_vars.items():
        kind = find_credential(str(value))
        if kind is not None or _CREDENTIAL_NAME.search(name):
            raise _refusal(f"env_vars.{name}", kind)
    for index, requirement in enumerate(pip):
        kind = find_credential(requirement)
        if kind is not None:
            raise _refusal(f"pip.{index}", kind)


def _refusal(field: str, kind: str | None) -> InvalidRequest:
    looks = "a credential" if kind is None else f"a credential ({kind})"
    return InvalidRequest.field(
        field,
        f"looks like {looks}, which Ray would show to everybody who may list its jobs; give the cluster's nodes a "
        "role, or set the variable in the environment of `ray start`",
    )
