"""Callers by JWTs: what a token must have, and what happens to the keys of its issuer."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from raylane.gateway.access import jwks
from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.access.web_tokens import WebTokens
from raylane_common.errors import KeysUnavailable, Unauthenticated
from raylane_common.settings import GatewaySettings
from tests.helpers.issuers import AUDIENCE, EC_KEY, ED_KEY, ISSUER, RSA_KEY, Issuer, claims, issuer, public_jwk, signed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
async def keys() -> AsyncIterator[Issuer]:
    async with issuer() as running:
        yield running


@pytest.fixture
def tokens(keys: Issuer) -> WebTokens:
    return tokens_of(keys.url)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time of the cache of keys, in seconds."""
    now_s = [1000.0]

    class Clock:
        @staticmethod
        def monotonic() -> float:
            return now_s[0]

    monkeypatch.setattr(jwks, "time", Clock)
    return now_s


def tokens_of(url: str, **fields: Any) -> WebTokens:
    given = {"jwks_url": url, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
    return WebTokens(GatewaySettings.model_validate(given | fields), url)


async def test_claims_become_rights_in_sessions(tokens: WebTokens) -> None:
    caller = await tokens.caller_of(signed(claims()))
    assert caller == Caller("jwt:ada", frozenset({Right.ASK, Right.READ}), ("ada-",))


async def test_claims_may_be_text_and_may_name_rights_of_other_services(tokens: WebTokens) -> None:
    token = signed(claims(raylane_rights="read admin operate", raylane_sessions="ada- shared"))
    caller = await tokens.caller_of(token)
    assert caller == Caller("jwt:ada", frozenset({Right.READ, Right.OPERATE}), ("ada-", "shared"))


async def test_a_token_without_our_claims_may_do_nothing(tokens: WebTokens) -> None:
    caller = await tokens.caller_of(signed(claims(raylane_rights=None, raylane_sessions=None)))
    assert (caller.rights, caller.sessions) == (frozenset(), ())


async def test_the_settings_name_the_claims(keys: Issuer) -> None:
    tokens = tokens_of(keys.url, jwt_rights_claim="https://raylane/rights", jwt_sessions_claim="teams")
    token = signed(claims(**{"https://raylane/rights": ["operate"], "teams": ["*"]}))
    assert (await tokens.caller_of(token)).sessions == ("",)


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"exp": None}, "exp"),
        ({"exp": int(time.time()) - 31}, "has expired"),
        ({"exp": "soon"}, "exp"),
        ({"exp": 1e400}, "not valid here"),
        ({"nbf": int(time.time()) + 3600}, "not yet valid"),
        ({"iss": None}, "iss"),
        ({"iss": "https://other.example"}, "issuer"),
        ({"iss": [ISSUER]}, "not valid here"),
        ({"aud": None}, "aud"),
        ({"aud": "other"}, "Audience"),
        ({"aud": {"raylane": 1}}, "not valid here"),
        ({"sub": None}, "sub"),
        ({"sub": ""}, "sub"),
        ({"sub": "x" * 201}, "sub"),
        ({"raylane_rights": 7}, "raylane_rights"),
        ({"raylane_rights": [["ask"]]}, "raylane_rights"),
        ({"raylane_sessions": {"ada-": 1}}, "raylane_sessions"),
        ({"raylane_sessions": [""]}, "raylane_sessions"),
        ({"raylane_sessions": ["ada-*"]}, "raylane_sessions"),
        ({"raylane_sessions": ["ada\n"]}, "raylane_sessions"),
    ],
)
async def test_a_wrong_claim_is_refused_and_named(tokens: WebTokens, changed: dict[str, object], problem: str) -> None:
    with pytest.raises(Unauthenticated, match=problem):
        await tokens.caller_of(signed(claims(**changed)))


async def test_clocks_may_differ_by_the_leeway(keys: Issuer) -> None:
    late = signed(claims(exp=int(time.time()) - 10))
    assert (await tokens_of(keys.url).caller_of(late)).name == "jwt:ada"
    with pytest.raises(Unauthenticated, match="has expired"):
        await tokens_of(keys.url, jwt_leeway_s=0).caller_of(late)


async def test_a_subject_cannot_forge_a_line_of_the_log(tokens: WebTokens) -> None:
    assert (await tokens.caller_of(signed(claims(sub="ada\nroot")))).name == "jwt:ada\\nroot"


@pytest.mark.parametrize(
    ("key", "algorithm", "listed"),
    [
        (RSA_KEY, "RS512", {}),
        (RSA_KEY, "PS256", {}),
        (RSA_KEY, "RS256", {"alg": "RS256", "use": "sig"}),
        (EC_KEY, "ES256", {}),
        (ED_KEY, "EdDSA", {}),
    ],
)
async def test_signatures_of_key_pairs_are_taken(
    keys: Issuer, tokens: WebTokens, key: Any, algorithm: str, listed: dict[str, object]
) -> None:
    keys.keys = [public_jwk(key, algorithm, kid="one", **listed)]
    assert (await tokens.caller_of(signed(claims(), key, algorithm))).name == "jwt:ada"


def unsigned(token: str) -> str:
    return with_header(token, {"alg": "none", "kid": "one"}).rpartition(".")[0] + "."


def with_header(token: str, header: dict[str, object]) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{encoded}.{token.partition('.')[2]}"


def secret_of_public_key(_: str) -> str:
    """The public key taken as a shared secret, which everybody knows."""
    pem = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
        for part in ({"alg": "HS256", "kid": "one"}, claims())
    )
    signature = get_hmac(f"{header}.{payload}".encode(), pem)
    return f"{header}.{payload}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def get_hmac(message: bytes, key: bytes) -> bytes:
    import hmac

    return hmac.digest(key, message, "sha256")


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        secret_of_public_key,
        lambda _: signed(claims(), "s" * 32, "HS256"),
        lambda _: signed(claims(), OTHER_KEY),
        lambda _: signed(claims(), EC_KEY, "ES256"),
        lambda token: token[:-4] + ("AAAA" if token[-4:] != "AAAA" else "BBBB"),
        lambda token: token.rpartition(".")[0] + ".",
        lambda token: signed(claims(), crit=["exp"]),
        lambda token: with_header(token, {"alg": "RS256", "kid": 7}),
        lambda token: "eyJ.eyJ.eyJ",
        lambda token: "eyJhbGciOiJSUzI1NiJ9..",
        lambda token: token + "A" * 8192,
        lambda token: base64.urlsafe_b64encode(b"[" * 6000).decode() + "..",
        lambda token: base64.urlsafe_b64encode(b'{"a":' * 1200).decode() + "..",
    ],
)
async def test_a_forged_token_is_refused(tokens: WebTokens, forge: Callable[[str], str]) -> None:
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(forge(signed(claims())))


@pytest.mark.parametrize(
    "listed",
    [
        {"alg": "RS512"},
        {"use": "enc"},
        {"kty": "oct", "k": base64.urlsafe_b64encode(b"s" * 32).decode()},
    ],
)
async def test_a_key_is_used_only_for_what_it_is_meant(
    keys: Issuer, tokens: WebTokens, listed: dict[str, object]
) -> None:
    keys.keys = [public_jwk(RSA_KEY, "RS256", kid="one") | listed, public_jwk(OTHER_KEY, "RS256", kid="two")]
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(signed(claims()))


async def test_a_key_on_another_curve_than_the_algorithm_says_is_refused(keys: Issuer, tokens: WebTokens) -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    keys.keys = [public_jwk(key, "ES384", kid="one")]
    header, payload, _ = signed(claims(), EC_KEY, "ES256").split(".")
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(f"{header}.{payload}.{'A' * 86}")


async def test_a_short_key_is_refused(keys: Issuer, tokens: WebTokens) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    keys.keys = [public_jwk(key, "RS256", kid="one")]
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = signed(claims(), key)
    with pytest.raises(Unauthenticated, match="1024"):
        await tokens.caller_of(token)


async def test_a_token_without_a_key_id_means_the_only_key(keys: Issuer) -> None:
    token = jwt.encode(claims(), RSA_KEY, "RS256")
    assert (await tokens_of(keys.url).caller_of(token)).name == "jwt:ada"
    keys.keys.append(public_jwk(OTHER_KEY, "RS256", kid="two"))
    with pytest.raises(Unauthenticated, match="names no key"):
        await tokens_of(keys.url).caller_of(token)


async def test_keys_are_fetched_once_for_all_who_wait(keys: Issuer, tokens: WebTokens) -> None:
    callers = await asyncio.gather(*(tokens.caller_of(signed(claims())) for _ in range(20)))
    assert {caller.name for caller in callers} == {"jwt:ada"}
    assert keys.asked == 1


async def test_an_unknown_key_is_asked_for_once_in_a_minute(
    keys: Issuer, tokens: WebTokens, clock: list[float]
) -> None:
    await tokens.caller_of(signed(claims()))
    for number in range(10):
        with pytest.raises(Unauthenticated, match="does not list"):
            await tokens.caller_of(signed(claims(), OTHER_KEY, kid=f"unknown-{number}"))
    assert keys.asked == 1
    clock[0] += 60
    keys.keys = [public_jwk(OTHER_KEY, "RS256", kid="two")]
    assert (await tokens.caller_of(signed(claims(), OTHER_KEY, kid="two"))).name == "jwt:ada"
    assert keys.asked == 2


async def test_without_keys_it_is_not_known_whether_a_token_is_right(
    keys: Issuer, tokens: WebTokens, caplog: pytest.LogCaptureFixture
) -> None:
    keys.status = 500
    with pytest.raises(KeysUnavailable, match="the log of the server says why") as caught:
        await tokens.caller_of(signed(claims()))
    assert "status 500" in caplog.text
    assert caught.value.retryable
    assert 1 <= (caught.value.retry_after_s or 0) <= 5


async def test_known_keys_go_on_while_the_issuer_is_away(keys: Issuer, tokens: WebTokens, clock: list[float]) -> None:
    await tokens.caller_of(signed(claims()))
    keys.status = 503
    clock[0] += 3600
    for _ in range(3):
        assert (await tokens.caller_of(signed(claims()))).name == "jwt:ada"
    with pytest.raises(KeysUnavailable):
        await tokens.caller_of(signed(claims(), OTHER_KEY, kid="two"))
    assert keys.asked == 2


async def test_a_withdrawn_key_is_no_longer_taken_after_the_keys_were_fetched_again(
    keys: Issuer, tokens: WebTokens, clock: list[float]
) -> None:
    await tokens.caller_of(signed(claims()))
    keys.keys = [public_jwk(OTHER_KEY, "RS256", kid="two")]
    clock[0] += 601
    assert (await tokens.caller_of(signed(claims(), OTHER_KEY, kid="two"))).name == "jwt:ada"
    with pytest.raises(Unauthenticated, match="does not list"):
        await tokens.caller_of(signed(claims()))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"keys": 7}',
        b'{"keys": []}',
        b'{"keys": [7, {}, {"kty": []}]}',
        b"[" * 100_000,
        b" " * 2**21,
    ],
)
async def test_an_answer_that_is_no_set_of_keys_is_a_failure_of_the_issuer(
    keys: Issuer, tokens: WebTokens, body: bytes
) -> None:
    keys.body = body
    with pytest.raises(KeysUnavailable):
        await tokens.caller_of(signed(claims()))


async def test_a_key_that_cannot_be_read_does_not_hinder_the_others(keys: Issuer, tokens: WebTokens) -> None:
    keys.keys.insert(0, {"kty": "RSA", "kid": "broken", "n": "!", "e": 7})
    assert (await tokens.caller_of(signed(claims()))).name == "jwt:ada"
    with pytest.raises(Unauthenticated):
        await tokens.caller_of(signed(claims(), kid="broken"))


async def test_the_keys_are_not_fetched_from_where_the_issuer_redirects(
    keys: Issuer, tokens: WebTokens, caplog: pytest.LogCaptureFixture
) -> None:
    keys.status = 302
    with pytest.raises(KeysUnavailable):
        await tokens.caller_of(signed(claims()))
    assert "status 302" in caplog.text
