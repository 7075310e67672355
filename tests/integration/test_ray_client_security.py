"""TLS, tokens and clusters that must not be used."""

from __future__ import annotations

import logging
import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from raylane.testing import Address, Break, FakeRay
from raylane_common.errors import InvalidRequest, RayInsecure, RayServerError, RayUnreachable, WrongCluster
from raylane_common.ray import addresses, probing, rounds
from raylane_common.ray.client import RayClient
from raylane_common.ray.package import build_package
from raylane_common.ray.settings import RaySettings
from raylane_worker.embedded import HOST
from tests.helpers.tls import Authority, an_authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@asynccontextmanager
async def served(ray: FakeRay, authority: Authority, address: str = HOST) -> AsyncIterator[str]:
    """The cluster over https, with a certificate for `address`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign(address))
    runner = web.AppRunner(ray.application(), access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0, ssl_context=context).start()
    try:
        yield f"https://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def connected(**fields: object) -> AsyncIterator[RayClient]:
    fields = {"reprobe_min_s": 60.0, "failover_delay_s": 5.0, "connect_timeout_s": 10.0} | fields
    async with RayClient(RaySettings.model_validate(fields)) as client:
        yield client


async def test_only_the_authority_of_the_address_is_trusted(tmp_path: Path) -> None:
    ours, other = an_authority(tmp_path, "ours"), an_authority(tmp_path, "other")
    ray = FakeRay()
    async with served(ray, ours) as url:
        async with connected(private_url=url, ca_file=str(ours.file)) as client:
            assert (await client.version()).endpoint == "private"
            await client.submit(submission_id="a", entrypoint="true")
            ray.end("a")
            assert "".join([piece.text async for piece in client.follow_logs("a")]) == ray.logs["a"]
        for ca_file in (None, str(other.file)):
            async with connected(private_url=url, ca_file=ca_file) as client:
                with pytest.raises(RayUnreachable, match=r"TLS: .*certificate verify failed"):
                    await client.version()
        async with connected(private_url=url, tls_verify="none") as client:
            assert (await client.version()).endpoint == "private"


async def test_the_host_name_is_checked_unless_tls_verify_is_ca(tmp_path: Path) -> None:
    authority = an_authority(tmp_path, "ours")
    async with served(FakeRay(), authority, "127.0.0.9") as url:
        async with connected(private_url=url, ca_file=str(authority.file)) as client:
            with pytest.raises(RayUnreachable, match=r"TLS: .*IP address mismatch"):
                await client.version()
        async with connected(private_url=url, ca_file=str(authority.file), tls_verify="ca") as client:
            assert (await client.version()).endpoint == "private"


async def test_each_address_gets_only_its_own_token(tmp_path: Path) -> None:
    ray = FakeRay(token="second")
    file = tmp_path / "token"
    file.write_text("second\n")
    async with Address(ray) as first, Address(ray) as second:
        first.break_with(Break.UNAVAILABLE)
        listed = [
            {"name": "vpc", "url": first.url, "token": "first"},
            {"name": "vpn", "url": second.url, "token_file": str(file)},
        ]
        async with connected(endpoints=listed) as client:
            assert (await client.version()).endpoint == "vpn"
            assert [report.name for report in client.endpoints()] == ["vpc", "vpn"]
        assert {headers["Authorization"] for headers in first.headers} == {"Bearer first"}
        assert {headers["Authorization"] for headers in second.headers} == {"Bearer second"}


async def test_a_redirect_is_not_followed() -> None:
    async with Address(FakeRay()) as elsewhere, Address(FakeRay(), Break.REDIRECT) as private:
        async with connected(private_url=private.url, token="secret") as client:
            with pytest.raises(RayUnreachable, match="a redirect"):
                await client.version()
        assert elsewhere.requests == []
        assert private.count("GET /login") == 0


async def test_proxy_variables_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Address(FakeRay()) as proxy, Address(FakeRay()) as private:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        async with connected(private_url=private.url) as client:
            await client.version()
        assert proxy.requests == []


@pytest.mark.parametrize("token", [None, "secret"], ids=["open", "closed"])
async def test_a_public_cluster_without_authentication_is_reported(
    token: str | None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(addresses, "is_private", lambda host: False)
    async with Address(FakeRay(token=token)) as public:
        fields = {"public_url": public.url, "token": "secret", "allow_insecure_public": True}
        async with connected(**fields) as client:
            for _ in range(2):
                await client.version()
        warned = [record.message for record in caplog.records if record.levelno == logging.WARNING]
        assert len(warned) == (token is None)
        assert all("CVE-2023-48022" in message and "RAY_AUTH_MODE=token" in message for message in warned)
        async with connected(**fields, insecure_cluster="refuse") as client:
            if token is None:
                with pytest.raises(RayInsecure) as refused:
                    await client.submit(submission_id="a", entrypoint="true")
                assert not refused.value.retryable
            else:
                await client.submit(submission_id="a", entrypoint="true")
        assert public.ray.submissions == (token is not None)


async def test_an_address_of_another_cluster_gets_no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "_PAUSES_S", (0.01,))
    ours, theirs = FakeRay(), FakeRay(session_name="theirs")
    async with Address(ours) as private, Address(theirs) as public:
        async with connected(private_url=private.url, public_url=public.url) as client:
            await client.version()
            await private.close()
            with pytest.raises(RayUnreachable):
                await client.version()
            with pytest.raises(WrongCluster, match="WrongCluster: answered for theirs") as caught:
                await client.submit(submission_id="a", entrypoint="true")
            assert caught.value.retryable, "our own address may come back"
        assert theirs.submissions == 0
        assert set(public.requests) == {"GET /api/version"}


async def test_code_is_not_sent_to_an_address_that_moved_to_another_cluster(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(probing, "IDENTITY_TRUST_S", 0.0)
    ours, theirs = FakeRay(), FakeRay(session_name="theirs")
    package = build_package({"main.py": "print('secret')"})
    async with AsyncExitStack() as stack:
        private, public = [await stack.enter_async_context(Address(ours)) for _ in range(2)]
        client = await stack.enter_async_context(connected(private_url=private.url, public_url=public.url))
        await client.version()
        await private.close()
        private.ray = theirs
        await private.open()
        submission = await client.submit(submission_id="a", entrypoint="python main.py", package=package)
        assert submission.endpoint == "public"
    assert (ours.submissions, theirs.submissions, theirs.packages) == (1, 0, {})
    assert "WrongCluster: answered for theirs" in caplog.text


async def test_a_missing_token_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("secret")
    private = Address(FakeRay(token="secret"))
    async with private, connected(private_url=private.url, token_file=str(file)) as client:
        await client.version()
        file.unlink()
        with pytest.raises(InvalidRequest, match="cannot be read"):
            await client.version()


async def test_an_answer_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raylane_common.ray.transport.MAX_ANSWER_BYTES", 1000)
    ray = FakeRay()
    async with Address(ray) as private, connected(private_url=private.url) as client:
        for number in range(20):
            await client.submit(submission_id=f"a{number}", entrypoint="true")
        with pytest.raises(RayServerError, match="with more than 1000 bytes"):
            await client.jobs()
        assert private.count("GET /api/jobs/") == 1
