"""Checks variables, requirements and texts of a run: what they would show to others, and which code they would start.

Ray shows variables, requirements, entrypoint and metadata to everybody who may list runs (ray-project/ray#39502 asks
for a way to hide them), and it passes the variables to pip, too. See docs/decisions/0021.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from raylane_common.errors import InvalidRequest
from raylane_common.secrets import find_credential, names_credential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# They make the loader, an interpreter or a shell execute other code, in Ray's worker processes as well as in the
# script. `PATH` and `PYTHONPATH` are two of them.
_CODE: Final = re.compile(
    r"BASH_FUNC_.*|DYLD_.*|LD_.*|BASH_ENV|CLASSPATH|GCONV_PATH|GLIBC_TUNABLES|IFS|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS"
    r"|_JAVA_OPTIONS|NODE_OPTIONS|NODE_PATH|OPENSSL_(?:CONF|ENGINES|MODULES)|PATH|PERL5(?:LIB|OPT)|PROMPT_COMMAND"
    r"|RUBY(?:LIB|OPT)|SHELLOPTS|PYTHON(?:BREAKPOINT|EXECUTABLE|HOME|PATH|PLATLIBDIR|PYCACHEPREFIX|STARTUP|USERBASE)"
)
# They choose the cluster of the script, or code that Ray loads when the script connects.
_CONNECTION: Final = re.compile(r"RAY_(?:ADDRESS|JOB_CONFIG_JSON_ENV_VAR|RUNTIME_ENV_HOOK|RUNTIME_ENV_PLUGINS)")
# They choose where pip and uv get packages from: Ray starts both with the variables of the run.
_INDEX: Final = re.compile(r"(?:PIP|UV)_.*")
_REASONS: Final = {
    _CODE: "changes which code runs, in Ray's own processes, too; import the code in the script",
    _CONNECTION: "changes how the script reaches Ray, which Raylane decides; remove it",
    _INDEX: "changes where packages come from; configure pip on the cluster's nodes",
}

# A requirement as PEP 508 defines it, without its URL. No part can hold a space and an option after it: Ray writes
# each requirement on a line of a file for pip. Possessive repeats keep the time linear.
_NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_VERSION: Final = r"(?:===?|~=|!=|<=?|>=?) *+[0-9][A-Za-z0-9._*+!-]*+"
_COMPARISON: Final = (
    r"(?:extra|implementation_name|implementation_version|os_name|platform_machine|platform_python_implementation"
    r"|platform_release|platform_system|platform_version|python_full_version|python_version|sys_platform)"
    r" *+(?:===?|~=|!=|<=?|>=?|(?:not +)?in\b) *+(?:'[A-Za-z0-9._*+!-]++'|\"[A-Za-z0-9._*+!-]++\")"
)
_REQUIREMENT: Final = re.compile(
    rf"{_NAME} *+(?:\[ *+{_NAME} *+(?:, *+{_NAME} *+)*+\] *+)?(?:{_VERSION} *+(?:, *+{_VERSION} *+)*+)?"
    rf"(?:; *+{_COMPARISON}(?: *+(?:and|or) *+{_COMPARISON})*+ *+)?"
)
# pip installs a file of this name in its directory instead of a package of this name.
_ARCHIVES: Final = (".bz2", ".gz", ".tar", ".tbz", ".tgz", ".tlz", ".txz", ".whl", ".xz", ".lzma", ".zip")


def check_env_vars(env_vars: Mapping[str, str]) -> None:
    """Raises `InvalidRequest` for a variable that looks like a credential, or that changes which code runs.

    The error names the variable and does not quote its value.
    """
    for name, value in env_vars.items():
        for names, reason in _REASONS.items():
            if names.fullmatch(name):
                raise InvalidRequest.field(f"env_vars.{name}", reason)
        check_shown(f"env_vars.{name}", value, named=names_credential(name))


def check_requirements(pip: Iterable[str]) -> None:
    """Raises `InvalidRequest` unless each entry is a requirement: a name, extras, versions, a marker.

    Options of pip, URLs, `name @ URL`, paths and files are refused. The error does not quote the entry.
    """
    for index, entry in enumerate(pip):
        field = f"pip.{index}"
        check_shown(field, entry)
        if not _REQUIREMENT.fullmatch(entry.strip(" ")) or _name_of(entry).lower().endswith(_ARCHIVES):
            raise InvalidRequest.field(
                field,
                "must be a requirement, such as pandas, pandas==2.2.3 or pandas[excel]>=2,<3; the cluster's nodes "
                "decide where packages come from, so options of pip, URLs, paths and files are refused",
            )


def check_shown(field: str, text: str, *, named: bool = False) -> None:
    """Raises `InvalidRequest` about the field if its text, which Ray shows, looks like a credential.

    `named` says that the field's name already does. The error does not quote the text.
    """
    kind = find_credential(text)
    if kind is None and not named:
        return
    looks = "a credential" if kind is None else f"a credential ({kind})"
    raise InvalidRequest.field(
        field,
        f"looks like {looks}, which Ray would show to everybody who may list its runs; give the cluster's nodes a "
        "role, or set the variable in the environment of `ray start`",
    )


def _name_of(requirement: str) -> str:
    return re.split(r"[\[ =<>!~;]", requirement.strip(" "), maxsplit=1)[0]
