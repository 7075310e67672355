"""A gateway without tokens: where it may listen, and what it takes from browsers."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from raylane.gateway.access.foreign import check_listening
from raylane.gateway.app import create_app
from raylane.testing import MemoryProducer
from raylane_common.errors import InvalidRequest
from raylane_common.settings import GatewaySettings
from tests.helpers.gateways import client_of, gateway_settings, write_callers

JWTS = {"jwks_url": "https://issuer.example/keys", "jwt_issuer": "i", "jwt_audience": "a"}
CANCEL = "/v1/jobs/none/cancel"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LOCALHOST"])
def test_without_tokens_it_listens_on_loopback(host: str) -> None:
    check_listening(GatewaySettings(host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "gateway.example", "127.0.0.1.example"])
def test_without_tokens_it_refuses_to_listen_elsewhere_and_says_what_to_set(host: str) -> None:
    with pytest.raises(InvalidRequest, match="RAYLANE_GATEWAY__TOKENS_FILE") as caught:
        check_listening(GatewaySettings(host=host))
    assert caught.value.details == {"field": "gateway.host"}


def test_with_tokens_or_jwts_it_listens_anywhere(tmp_path: Any) -> None:
    check_listening(GatewaySettings(host="0.0.0.0", tokens_file=tmp_path / "callers.json"))
    check_listening(GatewaySettings.model_validate({"host": "0.0.0.0"} | JWTS))


def test_without_tokens_not_every_page_may_use_it() -> None:
    with pytest.raises(InvalidRequest, match="cors_origins"):
        check_listening(GatewaySettings(cors_origins=("*",)))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:8000", "localhost", "LocalHost:8000", "[::1]", "[::1]:8000", "127.9.9.9:1"]
)
async def test_a_loopback_name_reaches_it(host: str) -> None:
    async with client_of(gateway_settings()) as client:
        assert (await client.get("/v1/jobs/none", headers={"Host": host})).status_code == 404


@pytest.mark.parametrize(
    "host",
    [
        *("rebind.example", "rebind.example:8000", "127.0.0.1.example", "127.0.0.1@rebind.example", "10.0.0.1"),
        *("", "[::1", "[::1]x", "127.0.0.1:8000:9", "127.0.0.1:x", "::1"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_name_that_somebody_resolved_to_loopback_does_not(host: str, method: str) -> None:
    async with client_of(gateway_settings()) as client:
        answer = await client.request(method, "/openapi.json", headers={"Host": host})
    assert answer.status_code == 403
    assert answer.json()["code"] == "foreign_request"


async def test_two_hosts_are_none() -> None:
    async with client_of(gateway_settings()) as client:
        headers = [("Host", "127.0.0.1"), ("Host", "rebind.example")]
        answer = await client.get("/v1/jobs/none", headers=headers)
    assert answer.status_code == 422
    assert "Host" in answer.json()["detail"]


@pytest.mark.parametrize("origin", ["https://page.example", "null", "http://127.0.0.1:9", "http://localhost", ""])
async def test_a_page_of_another_origin_may_not_write(origin: str) -> None:
    async with client_of(gateway_settings()) as client:
        assert (await client.post(CANCEL, headers={"Origin": origin})).json()["code"] == "foreign_request"


async def test_its_own_pages_and_those_that_are_named_may_write() -> None:
    async with client_of(gateway_settings(cors_origins=["https://page.example"])) as client:
        for origin in ("http://127.0.0.1", "https://page.example", "https://PAGE.example"):
            answer = await client.post(CANCEL, headers={"Origin": origin})
            assert answer.json()["code"] == "job_not_found"


@pytest.mark.parametrize("peer", ["10.0.0.1", "fd00::1"])
async def test_a_request_from_elsewhere_is_refused_even_with_a_loopback_host(peer: str) -> None:
    app = create_app(gateway_settings(), producer=MemoryProducer())
    transport = httpx.ASGITransport(app, client=(peer, 1234))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        assert (await client.get("/v1/jobs/none")).json()["code"] == "foreign_request"


async def test_with_tokens_any_name_and_any_page_may_ask(tmp_path: Any) -> None:
    path = write_callers(tmp_path / "callers.json", ada={"rights": ["ask"], "sessions": ["*"]})
    async with client_of(gateway_settings(tokens_file=path), base_url="http://gateway.example") as client:
        headers = {"Authorization": "Bearer ada-token", "Origin": "https://page.example"}
        assert (await client.post(CANCEL, headers=headers)).json()["code"] == "job_not_found"


async def test_pages_cannot_read_answers_unless_their_origin_is_named() -> None:
    page = {"Origin": "https://page.example"}
    async with client_of(gateway_settings()) as client:
        assert "access-control-allow-origin" not in (await client.get("/v1/jobs/none", headers=page)).headers
    async with client_of(gateway_settings(cors_origins=["https://page.example"])) as client:
        named = await client.get("/v1/jobs/none", headers=page)
        other = await client.get("/v1/jobs/none", headers={"Origin": "https://other.example"})
        asked = await client.options(
            "/v1/jobs",
            headers=page
            | {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "idempotency-key"},
        )
    assert named.headers["access-control-allow-origin"] == "https://page.example"
    assert "access-control-allow-credentials" not in named.headers
    assert "access-control-allow-origin" not in other.headers
    assert asked.status_code == 200


@pytest.mark.parametrize("origin", ["page.example", "https://page.example/", "https://*.example", "https:"])
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    with pytest.raises(ValueError, match="cors_origins"):
        GatewaySettings(cors_origins=(origin,))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"jwt_audience": None}, "jwks_url needs jwt_audience"),
        ({"jwt_issuer": ""}, "jwks_url needs jwt_issuer"),
        ({"jwks_url": None}, "jwt_issuer needs jwks_url"),
        ({"jwks_url": "http://issuer.example/keys"}, "must be an https: address"),
        ({"jwks_url": "file:///etc/keys"}, "must be an https: address"),
        ({"jwks_url": "https:///keys"}, "must be an https: address"),
    ],
)
def test_jwts_need_an_issuer_an_audience_and_keys_that_nobody_changes_on_their_way(
    changed: dict[str, object], problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        GatewaySettings.model_validate(JWTS | changed)
