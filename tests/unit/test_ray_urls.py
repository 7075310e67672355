"""Which URLs are a cluster's, and which of them may be set while workers run."""

from __future__ import annotations

from typing import Any

import pytest
import yarl
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError

from raylane_common.errors import InvalidRequest
from raylane_common.ray.addresses import configured, is_private
from raylane_common.ray.settings import RaySettings
from raylane_common.ray.urls import Origin, parse
from raylane_common.redis.settings_store import NAMES, check
from raylane_common.settings import Settings

NO_HOST = {
    "metadata": [
        *("169.254.169.254", "[fd00:ec2::254]", "[FD00:EC2:0::254]", "[fd20:ce::254]", "100.100.100.200"),
        *("metadata.google.internal", "Metadata.Google.Internal.", "metadata", "instance-data", "168.63.129.16"),
    ],
    "unspecified": ["0.0.0.0", "0.0.0.1", "[::]", "[0::0]"],
    "multicast": ["224.0.0.1", "239.255.255.250", "[ff02::1]", "255.255.255.255"],
    "numbers": [
        *(
            "2130706433",
            "134744072",
            "0x7f000001",
            "0X7F.1",
            "0177.0.0.1",
            "127.1",
            "127.0.1",
            "127.0.0.1.",
            "1.2.3.256",
        ),
        *("010.0.0.5", "1.2.3.4.5", "ray.1", "0x", "a.0xff"),
    ],
    "an IPv4 address in an IPv6 address": [
        *("[::ffff:169.254.169.254]", "[::ffff:a9fe:a9fe]", "[::ffff:10.0.0.5]", "[::169.254.169.254]"),
        *("[64:ff9b::169.254.169.254]", "[64:ff9b:1::a9fe:a9fe]", "[2002:a9fe:a9fe::1]", "[2001:0:a9fe:a9fe::1]"),
    ],
    "other characters": [
        *("a b", " a", "a\r\nX-Evil: 1", "a\n", "a\t", "a\x00", "a\x7f", "10.0.0.5\\@evil.example", "a\\b", "a%2eb"),
        *(
            "a\u2028b",
            "a\u200bb",
            "a\u00a0b",
            "a\u00adb",
            "a;b",
            "a,b",
            "a'b",
            'a"b',
            "a<b",
            "a|b",
            "a^b",
            "a`b",
            "a{b",
            "a*b",
        ),
    ],
    "other alphabets": [
        "\uff11\uff12\uff17.0.0.1",
        "\u2460",
        "b\u00fccher.example",
        "\u0430pple.com",
        "127\u30020.0.1",
        "\u212aay",
    ],
    "no names": [
        "",
        ".",
        "..",
        "a..b",
        ".a",
        "-a",
        "a-",
        "a.-b",
        "a" * 64,
        "a." * 130,
        "[",
        "[]",
        "[a]",
        "[1.2.3.4]",
        "[::1",
        "::1",
    ],
    "a zone": ["[fe80::1%25eth0]", "[fe80::1%eth0]"],
}


@pytest.mark.parametrize("host", [pytest.param(h, id=f"{k}:{h!r}") for k, hosts in NO_HOST.items() for h in hosts])
def test_a_host_where_no_cluster_can_be_is_refused_everywhere(host: str) -> None:
    for url in (f"http://{host}:8265", f"https://{host}/ray"):
        with pytest.raises(InvalidRequest, match=r"^ray\.private_url: "):
            configured(RaySettings(private_url=url))
        open_to_all = RaySettings(allowed_hosts=("*.internal", "*.example", "*.com"))
        with pytest.raises(InvalidRequest, match=r"^ray\.private_url: ") as refused:
            check(Settings(ray=open_to_all), "ray.private_url", url)
        assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "url",
    [
        *(
            "http://a:0",
            "http://a:65536",
            "http://a:-1",
            "http://a:8265x",
            "http://a:\u0661",
            "http://a:",
            "http://a:1:2",
        ),
        *("http://a?b", "http://a#b", "http://a/x y", "http://a/x\r\nHost: b", "http://a/\u00e9", "http://a/b?c"),
        *("http://b@c@a", "http://a@b:c@d", "http://u:p w@a", "http://u:p\\w@a", "http://\n@a", "http://a/\x7f"),
    ],
)
def test_a_url_that_parsers_may_read_differently_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest, match=r"^ray\.private_url: must "):
        configured(RaySettings(private_url=url))


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("http://10.0.0.5:8265", ("http", "10.0.0.5", 8265)),
        ("https://RAY.Example.org./path/to-ray", ("https", "ray.example.org", 443)),
        ("http://ray_head", ("http", "ray_head", 80)),
        ("http://me:secret@[FD12:0::5]:1", ("http", "fd12::5", 1)),
        ("https://xn--bcher-kva.example", ("https", "xn--bcher-kva.example", 443)),
        ("http://[::1]:8265", ("http", "::1", 8265)),
        ("http://169.254.10.1", ("http", "169.254.10.1", 80)),
        ("http://10-0-0-5.default.pod.cluster.local:8265/", ("http", "10-0-0-5.default.pod.cluster.local", 8265)),
    ],
)
def test_usual_urls_are_read(url: str, origin: tuple[str, str, int]) -> None:
    assert parse(url).origin == Origin(*origin)
    assert configured(RaySettings(private_url=url, allow_insecure_public=True))


_PIECES = st.sampled_from(
    [
        *(
            "http://",
            "https://",
            "a",
            "ray",
            "10.0.0.5",
            "127.1",
            "0x7f",
            ".",
            ":",
            "8265",
            "@",
            "/",
            "\\",
            "[",
            "]",
            "::1",
        ),
        *(
            "%00",
            "%2e",
            "\t",
            "\r\n",
            " ",
            "#",
            "?",
            "\uff0e",
            "\u3002",
            "\u00e9",
            "\u200b",
            "xn--",
            "-",
            "_",
            "*",
            "u:p@",
        ),
    ]
)


@given(
    st.lists(_PIECES, max_size=8).map("".join)
    | st.text(max_size=30)
    | st.lists(_PIECES).map(lambda pieces: "".join(["http://", *pieces]))
)
@example("http://127.0.0.1\\@evil.example/")
@example("http://a@b@c/")
@example("http://[::ffff:7f00:1]/")
@example("http://@a")
@example("http://:p@a")
def test_any_text_is_refused_or_requested_at_exactly_the_host_that_was_checked(text: str) -> None:
    try:
        origin, has_login = parse(text)
    except ValueError as error:
        assert str(error).isprintable()
        return
    # aiohttp requests what yarl reads.
    url = yarl.URL(text + "/api/version")
    assert url.raw_host is not None
    assert (url.scheme, url.raw_host.removesuffix("."), url.port) == origin
    assert has_login == (url.raw_user is not None or url.raw_password is not None)
    assert url.raw_path.endswith("/api/version")


@pytest.mark.parametrize("host", ["134744072", "0x08080808", "8.2056", "010.8.8.8", "::ffff:8.8.8.8", "RAY.1."])
def test_another_form_of_a_public_address_does_not_count_as_private(host: str) -> None:
    assert not is_private(host)


# --- what may be set at run time ----------------------------------------------------------------------------------


def refusal(url: str, **environment: Any) -> str:
    with pytest.raises(InvalidRequest) as refused:
        check(Settings(ray=RaySettings.model_validate(environment)), "ray.private_url", url)
    assert refused.value.details["field"] == "ray.private_url"
    return refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.6:8265",
        "http://10.0.0.5:9999",
        "http://10.0.0.5",
        "https://10.0.0.5:8265",
        "https://evil.example",
        "https://ray.example.org.evil.example",
        "https://evil-ray.example.org",
        "https://xray.internal",
    ],
)
def test_the_token_goes_to_no_host_that_the_environment_does_not_name(url: str) -> None:
    environment = {
        "private_url": "http://10.0.0.5:8265",
        "public_url": "https://ray.example.org",
        "allowed_hosts": ("*.ray.internal", "10.0.0.9:8265"),
        "allow_insecure_public": True,
    }
    message = refusal(url, **environment)
    assert "RAYLANE_RAY__ALLOWED_HOSTS" in message
    assert "RAYLANE_RAY__ALLOWED_HOSTS" in refusal(url), "nothing is configured"


@pytest.mark.parametrize(
    "url",
    [
        *("http://10.0.0.5:8265", "http://10.0.0.5:8265/", "https://ray.example.org:443/", "https://RAY.example.org."),
        *("http://10.0.0.9:8265", "http://b.ray.internal", "http://a.b.ray.internal:1", "http://[fd12::5]:8265"),
    ],
)
def test_addresses_of_hosts_that_the_environment_names_may_be_set(url: str) -> None:
    environment = RaySettings(
        private_url="http://10.0.0.5:8265",
        public_url="https://ray.example.org",
        allowed_hosts=("*.ray.internal", "10.0.0.9:8265", "[FD12::5]"),
        token="t",
    )
    check(Settings(ray=environment), "ray.private_url", url)


def test_an_endpoint_with_its_own_token_does_not_get_that_of_the_others() -> None:
    endpoints = [
        {"name": "own", "url": "http://10.0.0.5:8265", "token": "own"},
        {"name": "shared", "url": "http://10.0.0.6:8265"},
    ]
    environment = {"endpoints": endpoints, "token": "shared"}
    assert "ALLOWED_HOSTS" in refusal("http://10.0.0.5:8265", **environment)
    check(Settings(ray=RaySettings.model_validate(environment)), "ray.private_url", "http://10.0.0.6:8265")


def test_link_local_addresses_and_logins_come_from_the_environment_only() -> None:
    environment = {"private_url": "http://169.254.10.1:8265", "allowed_hosts": ("[fe80::1]", "10.0.0.5")}
    assert "link-local" in refusal("http://169.254.10.1:8265", **environment)
    assert "link-local" in refusal("http://[fe80::1]:8265", **environment)
    message = refusal("http://me:hidden@10.0.0.5:8265", **environment)
    assert "user and password" in message
    assert "hidden" not in message


@pytest.mark.parametrize(
    "entry", ["", "*", "*.", "*.10.0.0.5", "http://a", "a/b", "a b", "2130706433", "::1", "a:b", "*.*.a"]
)
def test_an_entry_of_the_allowed_hosts_that_can_match_nothing_is_refused(entry: str) -> None:
    with pytest.raises(ValidationError):
        RaySettings(allowed_hosts=(entry,))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", ["8\n", "\u2028", "a\x1b[31m", "\r\n2026-01-01 forged line", "\ud800", "\x00"])
def test_no_setting_of_run_time_adds_a_line_to_a_log(name: str, value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check(Settings(ray=RaySettings()), name, value)
    assert str(refused.value).isprintable()
