"""An issuer of JWTs: keys of its own, and the address where its public keys are."""

from __future__ import annotations

import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import get_default_algorithms
from jwt.api_jws import PyJWS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from jwt.algorithms import AllowedPrivateKeys

ISSUER: Final = "https://issuer.example"
AUDIENCE: Final = "raylane"
# Making an RSA key takes a while.
RSA_KEY: Final = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY: Final = ec.generate_private_key(ec.SECP256R1())
ED_KEY: Final = ed25519.Ed25519PrivateKey.generate()


def public_jwk(key: AllowedPrivateKeys, algorithm: str, **fields: object) -> dict[str, object]:
    """The public half of a key as an issuer lists it."""
    document = get_default_algorithms()[algorithm].to_jwk(key.public_key(), as_dict=True)
    return {**document, **fields}


def claims(**changed: object) -> dict[str, object]:
    """The claims of a token that is right, but for those that are changed; None leaves one out."""
    given: dict[str, object] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ada",
        # It may be made long before the test that sends it runs.
        "exp": int(time.time()) + 24 * 3600,
        "raylane_rights": ["ask", "read"],
        "raylane_sessions": ["ada-"],
    }
    return {name: value for name, value in (given | changed).items() if value is not None}


def signed(
    payload: dict[str, object], key: AllowedPrivateKeys | str = RSA_KEY, algorithm: str = "RS256", **header: Any
) -> str:
    """A token with these claims."""
    # `jwt.encode` would refuse some of the wrong claims.
    return PyJWS().encode(json.dumps(payload).encode(), key, algorithm, headers={"kid": "one"} | header)


@dataclass
class Issuer:
    """What the address of the keys answers, and how often it was asked."""

    url: str = ""
    keys: list[dict[str, object]] = field(default_factory=lambda: [public_jwk(RSA_KEY, "RS256", kid="one")])
    status: int = 200
    body: bytes | None = None
    asked: int = 0

    async def answer(self, _request: web.Request) -> web.Response:
        """Answers with the keys, or with what a test wants instead."""
        self.asked += 1
        body = json.dumps({"keys": self.keys}).encode() if self.body is None else self.body
        return web.Response(body=body, status=self.status)


@asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    """An issuer on a free port."""
    running = Issuer()
    app = web.Application()
    app.router.add_get("/keys", running.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        running.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
        yield running
    finally:
        await runner.cleanup()
