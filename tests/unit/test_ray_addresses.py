"""Which addresses may be used, and with what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from raylane_common.errors import InvalidRequest
from raylane_common.ray.addresses import configured, is_private
from raylane_common.ray.models import RayVersion
from raylane_common.ray.security import weaknesses
from raylane_common.ray.settings import RaySettings
from raylane_common.wire.ray import RaySubmitRequest

if TYPE_CHECKING:
    from pathlib import Path

PRIVATE = "http://10.0.0.5:8265"
PUBLIC = "https://ray.example.org"


def settings(**fields: Any) -> RaySettings:
    return RaySettings.model_validate(fields)


@pytest.mark.parametrize(
    "host",
    [
        *("10.0.0.5", "172.31.7.1", "192.168.1.1", "127.0.0.1", "::1", "fd00::1", "169.254.1.1"),
        *("ray", "localhost", "ray-head.svc", "ray.default.svc.cluster.local", "ip-10-0-0-5.ec2.internal", "RAY.LAN."),
    ],
)
def test_hosts_of_private_networks_are_private(host: str) -> None:
    assert is_private(host)


@pytest.mark.parametrize(
    "host", ["8.8.8.8", "2606:4700::1111", "ray.example.org", "ec2-1-2-3-4.compute-1.amazonaws.com"]
)
def test_other_hosts_are_public(host: str) -> None:
    assert not is_private(host)


@pytest.mark.parametrize("url", ["http://8.8.8.8:8265", "http://ray.example.org"])
def test_a_public_address_has_to_be_https(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"ray\.public_url: .* must be https://.*ALLOW_INSECURE_PUBLIC") as refused:
        configured(settings(public_url=url))
    assert refused.value.details == {"field": "ray.public_url"}
    [address] = configured(settings(public_url=url, allow_insecure_public=True))
    assert not address.is_private
    [address] = configured(settings(public_url=url.replace("http:", "https:")))
    assert address.connect_timeout_s == 3.0


def test_the_two_urls_are_a_short_form_of_endpoints() -> None:
    private, public = configured(settings(private_url=PRIVATE, public_url=PUBLIC, token="t"))
    assert [(address.name, address.url, address.is_private) for address in (private, public)] == [
        ("private", PRIVATE, True),
        ("public", PUBLIC, False),
    ]
    assert private.token.header() == public.token.header() == {"Authorization": "Bearer t"}
    assert (private.connect_timeout_s, private.tls) == (1.0, True)


def test_each_endpoint_may_have_its_own_settings(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("second\n")
    endpoints = [
        {"name": "vpc", "url": PRIVATE, "token": "first", "connect_timeout_s": 0.3, "answer_timeout_s": 2},
        {"name": "vpn", "url": "https://10.1.0.5", "token_file": str(token_file), "tls_verify": "none"},
        {"name": "public", "url": PUBLIC},
    ]
    vpc, vpn, public = configured(settings(endpoints=endpoints, token="shared"))
    assert (vpc.connect_timeout_s, vpc.answer_timeout_s) == (0.3, 2)
    assert [each.token.header() for each in (vpc, vpn, public)] == [
        {"Authorization": f"Bearer {token}"} for token in ("first", "second", "shared")
    ]
    assert not isinstance(vpn.tls, bool)
    assert not vpn.tls.check_hostname


def test_a_token_file_is_read_again_when_it_was_replaced(tmp_path: Path) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("old")
    [address] = configured(settings(private_url=PRIVATE, token_file=str(token_file)))
    assert address.token.header() == {"Authorization": "Bearer old"}
    token_file.write_text("new")
    os.utime(token_file, ns=(1, 2))
    assert address.token.header() == {"Authorization": "Bearer new"}
    token_file.unlink()
    with pytest.raises(InvalidRequest, match=r"ray\.token: cannot be read"):
        address.token.header()


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"private_url": PRIVATE, "endpoints": [{"name": "a", "url": PUBLIC}]}, "give either endpoints"),
        ({"endpoints": [{"name": "a", "url": PUBLIC}, {"name": "a", "url": PRIVATE}]}, "different names"),
        ({"endpoints": [{"name": "a", "url": "ftp://a"}]}, "must start with http"),
        ({"endpoints": [{"name": "A B", "url": PUBLIC}]}, "pattern"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        settings(**fields)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"private_url": "http://:8265"}, "must be like"),
        ({"private_url": "http://10.0.0.5:99999"}, "must be like"),
        ({"private_url": "http://me:secret@10.0.0.5", "token": "t"}, "must not contain a user"),
        ({"private_url": PRIVATE, "token": "t", "token_file": __file__}, "both a token and a token_file"),
        ({"private_url": "https://10.0.0.5", "ca_file": __file__}, "ca_file .* cannot be used"),
    ],
)
def test_addresses_that_cannot_be_used_are_refused(fields: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem) as refused:
        configured(settings(**fields))
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("ray_version", "mode", "found"),
    [
        ("2.60.0", None, []),
        ("2.60.0", "token", []),
        ("3.0.0.dev0", "token", []),
        ("2.54.1", "token", ["known vulnerabilities"]),
        ("2.55.0", "token", []),
        ("2.60.0", "disabled", ["without a token"]),
        ("2.9.3", "disabled", ["known vulnerabilities", "without a token"]),
        pytest.param("2." + "9" * 5000, "token", [], id="a number that Python does not read"),
    ],
)
def test_weaknesses_of_a_cluster_are_listed(ray_version: str, mode: str | None, found: list[str]) -> None:
    [address] = configured(settings(public_url=PUBLIC))
    told = weaknesses(address, RayVersion(ray_version=ray_version, authentication_mode=mode))
    assert len(told) == len(found)
    assert all(part in weakness for part, weakness in zip(found, told, strict=True))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("GITHUB_TOKEN", "x"),
        ("db_password", "x"),
        ("OPENAI_API_KEY", "x"),
        ("COMMENT", "AKIA" + "A" * 16),
        ("DATABASE_URL", "postgres://me:hidden@db/x"),
        ("CERT", "-----BEGIN RSA PRIVATE KEY-----"),
    ],
)
def test_a_request_with_a_credential_is_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest, match=f"env_vars.{name}: looks like a credential") as refused:
        RaySubmitRequest(code="pass", env_vars={name: value})
    assert "hidden" not in str(refused.value)


def test_a_request_without_credentials_is_accepted() -> None:
    plain = {"RAY_DATA_LOG_LEVEL": "WARNING", "AUTHOR": "Ada", "MONKEY": "x", "URL": "https://example.org/a:b@c"}
    request = RaySubmitRequest(code="pass", env_vars=plain, pip=("pandas==2.2.3", "numpy>=2"))
    assert request.env_vars == plain
    with pytest.raises(InvalidRequest, match=r"pip\.0"):
        RaySubmitRequest(code="pass", pip=("git+https://me:hidden@example.org/x.git",))


@pytest.mark.parametrize("path", ["main.py", "../a.py", "/a.py", "a//b.py", ""])
def test_a_file_of_a_script_needs_a_plain_path_other_than_the_script(path: str) -> None:
    with pytest.raises(ValidationError, match="must be a plain relative path"):
        RaySubmitRequest(code="pass", files={path: "x"})
    assert RaySubmitRequest(code="pass", files={"lib/a.py": "x"}).files == {"lib/a.py": "x"}
