from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from raylane.testing import Address, Break, FakeRay
from raylane_common.errors import InvalidRequest, RayAuth, RayRejected, RayServerError, RayUnreachable, RunNotFound
from raylane_common.ray.client import RayClient
from raylane_common.ray.models import EndpointState, RunStatus
from raylane_common.ray.package import build_package
from raylane_common.ray.settings import RaySettings
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TOKEN = "0123456789abcdef-not-for-logs"


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    async with Address(FakeRay()) as address:
        yield address


@pytest.fixture
async def client(address: Address) -> AsyncIterator[RayClient]:
    async with RayClient(RaySettings(private_url=address.url)) as client:
        yield client


async def test_a_jobs_whole_life(client: RayClient, address: Address) -> None:
    package = build_package({"main.py": "print(1)"})
    submission = await client.submit(
        submission_id="rl-a-1",
        entrypoint="python main.py",
        package=package,
        env_vars={"A": "1"},
        metadata={"raylane_job_id": "a"},
    )
    assert (submission.submission_id, submission.endpoint) == ("rl-a-1", "private")
    assert address.ray.packages == {package.name: package.data}
    assert address.ray.jobs["rl-a-1"]["runtime_env"] == {"env_vars": {"A": "1"}, "working_dir": package.uri}

    address.ray.jobs["rl-a-1"]["unknown_to_us"] = {"a": 1}
    job = await client.job("rl-a-1")
    assert (job.status, job.metadata, job.endpoint) == (RunStatus.RUNNING, {"raylane_job_id": "a"}, "private")
    assert "runtime_env" not in job.model_dump()
    address.ray.write("rl-a-1", "hello\n")
    logs = await client.logs("rl-a-1")
    assert (logs.truncated, logs.endpoint) == (False, "private")
    assert logs.text.endswith("Running entrypoint for job rl-a-1: python main.py\nhello\n")
    with pytest.raises(RayRejected, match="non-terminal state"):
        await client.delete("rl-a-1")
    assert await client.ask_to_stop("rl-a-1") is True
    assert await client.ask_to_stop("rl-a-1") is False
    assert await client.delete("rl-a-1") is True
    with pytest.raises(RunNotFound, match="Job rl-a-1 does not exist"):
        await client.job("rl-a-1")


async def test_version_names_the_cluster_and_the_endpoint(client: RayClient, address: Address) -> None:
    version = await client.version()
    assert (version.ray_version, version.session_name) == ("2.60.0", address.ray.session_name)
    assert version.endpoint == "private"


async def test_jobs_are_listed_newest_first_with_drivers_and_what_has_not_started(
    client: RayClient, address: Address
) -> None:
    for name in "abc":
        await client.submit(submission_id=name, entrypoint="true")
    address.ray.jobs["driver"] = {"type": "DRIVER", "submission_id": None, "job_id": "02000000", "status": "RUNNING"}
    jobs = await client.jobs()
    assert [job.submission_id for job in jobs] == [None, "c", "b", "a"]
    assert {job.endpoint for job in jobs} == {"private"}


@pytest.mark.parametrize("method", ["job", "logs", "stop", "delete"])
async def test_every_call_reports_an_unknown_run(client: RayClient, method: str) -> None:
    with pytest.raises(RunNotFound):
        await getattr(client, method)("nope")


@pytest.mark.parametrize("bad", ["", "a/b", "a b", "../x", "-a", "a" * 65, "a\n", "é", "a?b"])
async def test_an_invalid_id_is_never_sent(client: RayClient, address: Address, bad: str) -> None:
    for call in (client.job, client.logs, client.ask_to_stop, client.stop, client.delete):
        with pytest.raises(InvalidRequest) as caught:
            await call(bad)
        assert caught.value.details["field"] == "submission_id"
    with pytest.raises(InvalidRequest):
        await client.submit(submission_id=bad, entrypoint="true")
    with pytest.raises(InvalidRequest, match="entrypoint"):
        await client.submit(submission_id="a", entrypoint=" ")
    assert address.requests == []


@pytest.mark.parametrize(
    ("method", "arguments", "field"),
    [
        ("job", {"submission_id": None}, "submission_id"),
        ("job", {"submission_id": b"rl-1"}, "submission_id"),
        ("jobs", {"status": "DONE"}, "status"),
        ("jobs", {"metadata": [("a", "b")]}, "metadata"),
        ("jobs", {"limit": -1}, "limit"),
        ("jobs", {"limit": "5"}, "limit"),
        ("wait", {"submission_id": "rl-1", "timeout_s": "5"}, "timeout_s"),
        ("wait", {"submission_id": "rl-1", "timeout_s": float("nan")}, "timeout_s"),
        ("logs", {"submission_id": "rl-1", "max_bytes": "5"}, "max_bytes"),
        ("follow_logs", {"submission_id": "rl-1", "after": None}, "after"),
        ("stop", {"submission_id": "rl-1", "timeout_s": None}, "timeout_s"),
        ("stop", {"submission_id": "rl-1", "appear_timeout_s": "5"}, "appear_timeout_s"),
        ("has_package", {"package": "a.zip"}, "package"),
        ("upload_package", {"package": b"PK"}, "package"),
        ("use", {"settings": {"private_url": "http://127.0.0.1:1"}}, "settings"),
        ("submit", {"entrypoint": ["python", "main.py"]}, "entrypoint"),
        ("submit", {"entrypoint": "python \udcff"}, "entrypoint"),
        ("submit", {"package": {"main.py": "print(1)"}}, "package"),
        # The letters of one text must not become a list of requirements.
        ("submit", {"pip": "polars"}, "pip"),
        ("submit", {"pip": [5]}, r"pip\.0"),
        ("submit", {"env_vars": ["A=b"]}, "env_vars"),
        ("submit", {"env_vars": {5: "b"}}, "env_vars"),
        ("submit", {"env_vars": {"A": "\udcff"}}, r"env_vars\.A"),
        ("submit", {"metadata": "a=b"}, "metadata"),
    ],
    ids=str,
)
async def test_an_argument_of_another_kind_is_refused_by_name_and_never_sent(
    client: RayClient, address: Address, method: str, arguments: dict[str, Any], field: str
) -> None:
    if method == "submit":
        arguments = {"submission_id": "rl-1", "entrypoint": "python main.py", **arguments}
    with pytest.raises(InvalidRequest, match=f"^{field}: ") as raised:
        await getattr(client, method)(**arguments)
    assert raised.value.info().model_dump_json()
    assert address.requests == []


def test_a_client_without_settings_says_what_it_needs() -> None:
    settings: Any = "http://127.0.0.1:8265"
    with pytest.raises(InvalidRequest, match=r"^settings: must be a RaySettings, not str"):
        RayClient(settings)


async def test_jobs_can_be_selected_by_the_text_of_a_status(client: RayClient, address: Address) -> None:
    await client.submit(submission_id="rl-1", entrypoint="python main.py")
    address.ray.end("rl-1")
    status: Any = "SUCCEEDED"
    assert [job.submission_id for job in await client.jobs(status=status)] == ["rl-1"]


async def test_logs_keep_the_end_of_a_body_of_any_size(client: RayClient, address: Address) -> None:
    await client.submit(submission_id="a", entrypoint="true")
    text = "".join(f"line {number} ü€😀 \\n\n" for number in range(20_000))
    address.ray.logs["a"] = text
    whole = await client.logs("a")
    assert (whole.text, whole.truncated) == (text, False)
    tail = await client.logs("a", max_bytes=1000)
    assert tail.truncated
    assert text.endswith(tail.text)
    assert 990 < len(tail.text.encode()) <= 1000
    with pytest.raises(InvalidRequest, match="max_bytes"):
        await client.logs("a", max_bytes=0)


async def test_an_answer_that_is_too_long_is_refused(client: RayClient, address: Address) -> None:
    await client.submit(submission_id="a", entrypoint="true")
    address.ray.jobs["a"]["message"] = "x" * (33 * 1024 * 1024)
    with pytest.raises(RayServerError, match="more than 33554432 bytes") as caught:
        await client.jobs()
    assert not caught.value.retryable


async def test_a_500_of_rays_does_not_put_an_address_down(client: RayClient, address: Address) -> None:
    await client.version()
    address.ray.error = (500, "Traceback (most recent call last):\n  x\nRuntimeError: GCS is away\n")
    with pytest.raises(RayServerError, match="RuntimeError: GCS is away") as caught:
        await client.jobs()
    assert caught.value.retryable
    assert address.count("GET /api/jobs/") == 1
    assert client.endpoints()[0].state is EndpointState.UP


async def test_an_address_that_is_not_rays_dashboard_is_unreachable_with_the_reason(address: Address) -> None:
    async with RayClient(RaySettings(private_url=f"{address.url}/wrong")) as client:
        with pytest.raises(RayUnreachable, match="has no such route"):
            await client.jobs()


async def test_an_unknown_route_is_not_a_missing_run(client: RayClient, address: Address) -> None:
    await client.version()
    address.ray.error = (404, "404: Not Found")
    with pytest.raises(RayRejected, match="no such route"):
        await client.job("a")


async def test_json_outside_of_rays_api_is_an_error(client: RayClient, address: Address) -> None:
    await client.submit(submission_id="a", entrypoint="true")
    address.ray.jobs["a"]["status"] = "LEVITATING"
    with pytest.raises(RayServerError, match="valid RayRun"):
        await client.job("a")


async def test_the_token_is_sent_and_never_shown(address: Address, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    address.ray.token = TOKEN
    settings = RaySettings.model_validate({"private_url": address.url, "token": TOKEN})
    async with RayClient(settings) as client:
        await client.version()
        assert address.headers[-1]["Authorization"] == f"Bearer {TOKEN}"
        assert "Mozilla" not in address.headers[-1]["User-Agent"]
        address.break_with(Break.CUT_BEFORE)
        with pytest.raises(RayUnreachable) as caught:
            await client.jobs()
        address.break_with(None)
        address.ray.token = "another"
        with pytest.raises(RayAuth) as refused:
            await client.jobs()
        seen: list[object] = [client, settings, client.endpoints(), caplog.text]
        error: BaseException | None = caught.value
        while error is not None:
            seen += [error, error.args, getattr(error, "details", None)]
            error = error.__cause__ or error.__context__
        seen += [refused.value, refused.value.details]
        assert TOKEN not in repr(seen)


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"public_url": "http://"}, "ray.public_url"),
        ({"private_url": "http://host:notaport"}, "ray.private_url"),
        ({"private_url": "http://host:8265?x=1"}, "ray.private_url"),
        ({"private_url": "http://user:pw@host:8265", "token": "t"}, "ray.private_url"),
        ({"private_url": "http://host:8265", "token": "a\nb"}, "ray.token"),
    ],
)
async def test_settings_that_cannot_work_are_named_at_once(settings: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        RayClient(RaySettings.model_validate(settings))
    assert caught.value.details["field"] == field


async def test_a_call_without_an_address_says_what_to_set() -> None:
    async with RayClient(RaySettings()) as client:
        assert client.endpoints() == ()
        with pytest.raises(RayUnreachable, match=r"set RAYLANE_RAY__PRIVATE_URL .* on the workers") as caught:
            await client.version()
    assert not caught.value.retryable
    assert caught.value.details["endpoints"] == []


async def test_user_and_password_of_a_url_are_used_and_not_shown(address: Address) -> None:
    url = address.url.replace("http://", "http://joe:pw@")
    async with RayClient(RaySettings(private_url=url)) as client:
        await client.version()
        assert address.headers[-1]["Authorization"].startswith("Basic ")
        assert client.endpoints()[0].url == address.url


async def test_nothing_is_left_after_closing(address: Address) -> None:
    async with (
        Address(address.ray, Break.NEVER_ANSWERS) as dead,
        RayClient(RaySettings(private_url=dead.url, public_url=address.url, reprobe_min_s=0.01)) as client,
    ):
        await asyncio.gather(*(client.jobs() for _ in range(20)))
        # Closed while a background probe hangs on the dead address.
        await until(lambda: dead.waiting >= 2)
        before = asyncio.all_tasks()
        await client.aclose()
        ours = [task for task in before - asyncio.all_tasks() if "raylane_common" in repr(task)]
        assert ours
        assert not any("raylane_common" in repr(task) for task in asyncio.all_tasks())
        await until(lambda: address.connections == dead.connections == 0)


async def test_closing_twice_and_without_a_call_is_harmless() -> None:
    client = RayClient(RaySettings(private_url="http://127.0.0.1:1"))
    await client.aclose()
    await client.aclose()


def test_the_models_import_no_http_library() -> None:
    code = "import sys, raylane_common.ray.models; print('aiohttp' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
