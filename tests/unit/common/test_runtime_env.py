"""Which variables and requirements a run may have."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import InvalidRequirement, Requirement

from raylane_common.errors import InvalidRequest
from raylane_common.ray.runtime_env import check_env_vars, check_requirements
from raylane_common.ray.submission import NewRun
from raylane_common.wire.ray import RaySubmitRequest
from tests.helpers.profiles import by_profile
from tests.unit.common.test_secrets import CREDENTIALS, NAMES, PLAIN_NAMES

CREDENTIAL_NAMES = [name for name in NAMES if "-" not in name]
OTHER_CODE = [
    *("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "PATH", "PYTHONPATH", "PYTHONSTARTUP"),
    *("PYTHONHOME", "PYTHONUSERBASE", "PYTHONBREAKPOINT", "BASH_ENV", "BASH_FUNC_ls", "IFS", "PERL5OPT"),
    *("NODE_OPTIONS", "JAVA_TOOL_OPTIONS", "GCONV_PATH", "OPENSSL_CONF", "RAY_ADDRESS", "RAY_RUNTIME_ENV_HOOK"),
    *("RAY_JOB_CONFIG_JSON_ENV_VAR", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_CONFIG_FILE", "UV_INDEX_URL"),
]
PLAIN = [
    *(*PLAIN_NAMES, "ENV", "GIT_COMMIT", "HOME", "LANG", "OMP_NUM_THREADS", "PYTHONHASHSEED", "PYTHONUNBUFFERED", "TZ"),
    *("PYTHONWARNINGS", "RAY_DATA_LOG_LEVEL", "RAYLANE_OUTPUT_URI", "RESULT_PATH", "SPATH", "XLD_A", "ld_preload"),
]
REQUIREMENTS = [
    *("pandas", "numpy>=2", "pandas==2.2.3", "pandas[excel]>=2,<3", "pandas [excel, parquet] >= 2, < 3", "a"),
    *(" numpy ", "torch==2.6.0+cu121", "A-b_c.d", "x===1.0", "x~=1.4.2", "x!=1.*", "x==1!2.0rc1"),
    *('x;python_version<"3.12"', "x>=1; sys_platform == 'linux' and python_version >= '3.9'", "x; extra == 'y'"),
    *("x; platform_machine not in 'arm64'", "ruamel.yaml", "zope.interface>=5", "py7zr", "tarfile-x"),
]
NO_REQUIREMENTS = [
    *("--index-url http://evil.example", "--index-url=http://evil.example", "-r other.txt", "-rother.txt", "-e .", "-"),
    *("--extra-index-url http://evil.example/simple", "--find-links x", "--pre", "-c constraints.txt", "-i x"),
    *("pandas --index-url http://evil.example", "pandas==2 --hash=sha256:00", "pandas --config-settings=x"),
    *("https://evil.example/x.whl", "git+https://evil.example/x.git", "file:///tmp/x", "hg+http://evil.example/x"),
    *("pandas @ https://evil.example/x.whl", "pandas@git+https://evil.example/x", "x[y]@ file:///tmp/x", "x@y"),
    *(".", "..", "./x", "../x", "/tmp/x", "~/x", "x/y", "x\\y", "C:\\x", "a/b.whl", "x.whl", "x-1.0.tar.gz", "x.zip"),
    *("X.TGZ", "x.whl[a]", "${HOME}", "$HOME", "${RAY_RUNTIME_ENV_CREATE_WORKING_DIR}/x", "pandas # comment", "#", ""),
    *("pandas; python_version > '3 --index-url=http://evil.example '", "x; os_name == 'a' --pre", "x; 'a' == 'b'"),
    *("pandas numpy", "pandas,numpy", "pandas>2 numpy", "pandas==", "pandas=2", "pandas==2;", "pandas[", "pandas[]x"),
    *("pandas\n-e .", "pandas\r-e .", "pandas\u2028-e .", "pandas\t--pre", "pandas==1\x0b--pre", "pandas\xa0--pre"),
    *("pandas\\", "pandas -e .", "pandas\u200b", "\xe9"),
]


@pytest.mark.parametrize(
    ("name", "value"),
    [*((name, "x") for name in CREDENTIAL_NAMES), *(("COMMENT", text) for text in CREDENTIALS)],
)
def test_a_variable_with_a_credential_is_refused_without_its_value(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^env_vars\.{name}: looks like a credential") as refused:
        check_env_vars({"PLAIN": "1", name: value})
    assert refused.value.details == {"field": f"env_vars.{name}"}
    assert value == "x" or value not in str(refused.value)
    with pytest.raises(InvalidRequest, match=rf"^env_vars\.{name}: "):
        RaySubmitRequest(code="pass", env_vars={name: value})


@pytest.mark.parametrize("name", OTHER_CODE)
def test_a_variable_that_changes_which_code_runs_is_refused_for_that_reason(name: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^env_vars\.{name}: changes (which|how|where)") as refused:
        check_env_vars({name: "x"})
    assert "credential" not in str(refused.value)


def test_plain_variables_pass() -> None:
    check_env_vars(dict.fromkeys(PLAIN, "1"))
    check_env_vars({"URL": "https://example.org/a:b@c", "REDIS": "redis://db:6379", "QUERY": "pass_rate > 0.5"})


@pytest.mark.parametrize("entry", REQUIREMENTS)
def test_a_requirement_passes(entry: str) -> None:
    check_requirements([entry])
    assert Requirement(entry).url is None


@pytest.mark.parametrize("entry", NO_REQUIREMENTS)
def test_an_option_a_url_or_a_path_is_no_requirement(entry: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^pip\.1: must be a requirement, such as pandas,") as refused:
        check_requirements(["pandas==2.2.3", entry])
    assert refused.value.details == {"field": "pip.1"}
    assert "evil" not in str(refused.value)


def test_a_requirement_with_a_credential_is_refused_without_its_value() -> None:
    with pytest.raises(InvalidRequest, match=r"^pip\.1: looks like a credential \(a URL with a password\)") as refused:
        check_requirements(["pandas==2.2.3", "git+https://me:hidden@example.org/x.git"])
    assert "hidden" not in str(refused.value)


@given(st.lists(st.sampled_from([*REQUIREMENTS, *NO_REQUIREMENTS, *" ;,[]=<>-@/.'\"ax1"]), max_size=4).map("".join))
def test_packaging_finds_no_url_in_what_passes(entry: str) -> None:
    try:
        check_requirements([entry])
    except InvalidRequest:
        return
    assert not re.search(r"\s-|[\n\r/\\@$#]", entry)
    # A wrong version, such as 2pandas, is left to pip.
    with suppress(InvalidRequirement):
        assert Requirement(entry).url is None


@pytest.mark.timeout(60)
def test_a_hostile_requirement_is_read_in_linear_time() -> None:
    size = by_profile(fast=4, ci=8, deep=64) * 1024
    for piece in (
        "a",
        "a.",
        "-",
        " ",
        "a ",
        "[a",
        ",a",
        "x==1,",
        "x==1 , ",
        "x;a",
        "os_name=='a' and ",
        "=",
        "1.",
        "b, ",
    ):
        for start in ("", "a[", "a==", "a; ", "a; os_name == '", "a[b", "a >= "):
            with pytest.raises(InvalidRequest):
                check_requirements([start + piece * (size // len(piece)) + "$"])


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("entrypoint", {"entrypoint": "python main.py --key AKIAABCDEFGHIJKLMNOP"}),
        ("metadata.note", {"metadata": {"note": "postgres://me:hidden@db/x"}}),
        ("metadata.api_token", {"metadata": {"api_token": "x"}}),
        ("env_vars.LD_PRELOAD", {"env_vars": {"LD_PRELOAD": "x.so"}}),
        ("pip.0", {"pip": ["-r other.txt"]}),
    ],
)
def test_the_ray_client_submits_nothing_that_ray_must_not_show(field: str, changes: dict[str, object]) -> None:
    plain: dict[str, object] = {"entrypoint": "python main.py", "env_vars": None, "pip": (), "metadata": None}
    nothing = {"package": None, "num_cpus": None, "memory_bytes": None}
    with pytest.raises(InvalidRequest) as refused:
        NewRun.build("run-1", **plain | changes | nothing)  # type: ignore[arg-type]  # the fields differ in type
    assert refused.value.details == {"field": field}
    assert "hidden" not in str(refused.value)
