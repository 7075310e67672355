"""What looks like a credential must not travel in a `runtime_env`: Ray shows it to everybody who may list jobs.

Ray's own answer to it is an open request (ray-project/ray#39502); give the cluster's nodes a role instead.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TELLING_NAME: Final = re.compile(
    r"(^|_)(SECRET|SECRETS|PASSWORD|PASSWD|PASSPHRASE|TOKEN|CREDENTIALS?|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY(_ID)?|AUTH)(_|$)",
    re.IGNORECASE,
)
_TELLING_VALUE: Final = re.compile(
    r"\b(AKIA|ASIA)[0-9A-Z]{16}\b"  # AWS
    r"|-----BEGIN [A-Z ]*PRIVATE KEY"
    r"|\bgh[pousr]_\w{36}|\bgithub_pat_\w{22}"  # GitHub
    r"|\bxox[abprs]-\w"  # Slack
    r"|\bsk-[A-Za-z0-9_-]{20}"  # OpenAI, Anthropic
    r"|\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\."  # a JSON web token
    r"|://[^/@\s:]+:[^/@\s]+@"  # user and password in a URL
)


def refuse_credentials(env_vars: Mapping[str, str], pip: Iterable[str] = ()) -> None:
    """Raises `InvalidRequest` that names what looks like a credential, and does not repeat its value."""
    for name, value in env_vars.items():
        if _TELLING_NAME.search(name) or _TELLING_VALUE.search(str(value)):
            raise InvalidRequest.field(f"env_vars.{name}", _PROBLEM)
    for index, requirement in enumerate(pip):
        if _TELLING_VALUE.search(requirement):
            raise InvalidRequest.field(f"pip.{index}", _PROBLEM)


_PROBLEM: Final = (
    "looks like a credential, which Ray would show to everybody who may list jobs; give the cluster's nodes a role, or "
    "put it into the environment of `ray start`"
)
