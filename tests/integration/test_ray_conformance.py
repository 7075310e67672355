"""The fake cluster of `raylane.testing` answers as a real Ray head does: the same tests, against both."""

from __future__ import annotations

import asyncio
import io
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from raylane.testing import Address, FakeRay
from raylane_common.ray.signature import is_rays_error
from tests.helpers.clusters import TIME_LIMIT_S, Answer, Api, Cluster, Fake, Real, rest
from tests.helpers.servers import Background
from tests.helpers.waiting import until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

LARGEST_PACKAGE_BYTES = 100 * 1024 * 1024
TRACEBACK = "Traceback (most recent call last):\n"
MISSING, INVALID = "Unauthorized: Missing authentication token", "Forbidden: Invalid authentication token"


REAL = pytest.param("real", marks=[pytest.mark.ray, pytest.mark.xdist_group("ray_head")])


@pytest.fixture(scope="module", params=["fake", REAL])
def cluster(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    if request.param == "real":
        yield Real(request.getfixturevalue("ray_head"), tmp_path_factory.mktemp("played"))
        return
    with Background() as background:
        yield Fake(background.enter(Address(FakeRay(token="0123456789abcdef"))))


class Recognized(Api):
    """Each error must be one that the client takes for Ray's."""

    async def ask(
        self, line: str, body: object = None, *, data: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        answer = await super().ask(line, body, data=data, headers=headers)
        assert answer.status < 400 or is_rays_error(answer.status, answer.text.encode()), answer.text
        return answer


@asynccontextmanager
async def connected(cluster: Cluster) -> AsyncIterator[Api]:
    async with aiohttp.ClientSession() as session:
        yield Recognized(cluster, session)


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Api]:
    async with connected(cluster) as api:
        yield api


@dataclass(frozen=True)
class Life:
    """What the cluster said of a job while it ran and after its end."""

    running: dict[str, Any]
    ended: dict[str, Any]


# A real job costs seconds, so tests share those that they only look at.
@pytest.fixture(scope="module")
def running(cluster: Cluster) -> Iterator[str]:
    """The id of a job that runs as long as the tests."""

    async def start() -> None:
        async with connected(cluster) as api:
            await api.run("shared", prints=b"one\n", metadata={"life": "1"})

    async def end() -> None:
        async with connected(cluster) as api:
            await api.finish("shared")

    asyncio.run(start())
    yield "shared"
    asyncio.run(end())


METADATA, ENVIRONMENT = {"raylane_job_id": "a"}, {"env_vars": {"A": "1"}}


@pytest.fixture(scope="module")
def life(cluster: Cluster) -> Life:
    """A job `life`, which succeeded."""

    async def live() -> Life:
        async with connected(cluster) as api:
            await api.run("life", prints="one ü€😀\n\n".encode(), metadata=METADATA, runtime_env=ENVIRONMENT)
            running = await api.job("life")
            api.cluster.prints("life", b"10 %\r20 %\r\nthe end has no line break")
            return Life(running, await api.finish("life"))

    return asyncio.run(live())


@pytest.fixture(scope="module")
def failed(cluster: Cluster) -> dict[str, Any]:
    """A job `failed`, which printed long and short lines and exited with 3."""
    lines = [b"X" * 30_000, *[b"Y" * 8_000] * 4, *(b"%d" % number for number in range(25))]

    async def fail() -> dict[str, Any]:
        async with connected(cluster) as api:
            await api.run("failed", prints=b"\n".join(lines) + b"\n")
            return await api.finish("failed", exit_code=3)

    return asyncio.run(fail())


async def test_the_version_names_ray_and_the_session_of_its_head(api: Api) -> None:
    version = (await api.ask("GET /api/version")).data
    assert version.keys() == {"version", "ray_version", "ray_commit", "session_name"}
    assert (version["version"], version["ray_version"].split(".")[0]) == ("4", "2")
    assert version["session_name"].startswith("session_")
    assert (await api.ask("HEAD /api/version")).status == 200
    wrong = await api.ask("POST /api/version")
    assert (wrong.status, wrong.text) == (405, "405: Method Not Allowed")


@pytest.mark.parametrize("line", ["GET /api/version", "GET /api/jobs/", "POST /api/jobs/", "GET /no/such/route"])
async def test_nothing_is_answered_without_the_token(api: Api, line: str) -> None:
    async def refused(**headers: str) -> tuple[int, str]:
        answer = await api.ask(line, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return answer.status, answer.text

    token = api.cluster.token
    assert await refused() == await refused(Authorization="") == (401, MISSING)
    for wrong in ("Bearer wrong", token, f"bearer {token}", f"Bearer {token}x", "Basic eDp5"):
        assert await refused(Authorization=wrong) == (403, INVALID)
    assert await refused(Authorization="Bearer wrong", X_Ray_Authorization=f"Bearer {token}") == (403, INVALID)


@pytest.mark.parametrize("header", ["X-Ray-Authorization", "Cookie"])
async def test_the_token_may_be_in_another_header_or_a_cookie(api: Api, header: str) -> None:
    value = "ray-authentication-token={}" if header == "Cookie" else "Bearer {}"
    assert (await api.ask("GET /api/version", headers={header: value.format(api.cluster.token)})).status == 200


async def test_health_and_authentication_mode_need_no_token(api: Api) -> None:
    healthy = await api.ask("GET /api/gcs_healthz", headers={})
    assert (healthy.status, healthy.content_type, healthy.text) == (200, "application/text", "success")
    assert (await api.ask("GET /api/authentication_mode", headers={})).data == {"authentication_mode": "token"}


@pytest.mark.parametrize(
    "header", [{"User-Agent": "Mozilla/5.0"}, {"Origin": "http://x"}, {"Referer": "http://x"}, {"Sec-Fetch-Site": "x"}]
)
async def test_state_changing_requests_from_browsers_are_refused(api: Api, header: dict[str, str]) -> None:
    for line in ("POST /api/jobs/", "PUT /api/packages/gcs/_ray_pkg_browser.zip", "DELETE /api/jobs/browser"):
        answer = await api.ask(line, {"entrypoint": "true"}, headers=api.authorized | header)
        method = line.split(" ")[0]
        assert (answer.status, answer.text) == (405, f"'{method}' method not allowed for browser traffic.")
    assert isinstance((await api.ask("GET /api/jobs/", headers=api.authorized | header)).data, list)
    assert (await api.ask("POST /api/jobs/", {}, headers=header)).text == MISSING


@pytest.mark.parametrize(
    "line",
    [
        *("GET /api/version/", "GET /api/jobs", "POST /api/jobs", "GET /api/jobs/any/", "DELETE /api/jobs/any/"),
        *("GET /api/jobs/any/logs/", "GET /api/jobs/any/logs/tail/", "POST /api/jobs/any/stop/"),
        *("PUT /api/packages/gcs/a.zip/", "GET /api/v0/nodes/", "GET /api/cluster_status/", "GET /api/nothing"),
    ],
)
async def test_a_wrong_slash_is_another_route(api: Api, line: str) -> None:
    answer = await api.ask(line)
    assert (answer.status, answer.content_type, answer.text) == (404, "text/plain", "404: Not Found")


@pytest.mark.parametrize(
    "line", ["GET {}", "DELETE {}", "POST {}/stop", "GET {}/logs", "GET {}/logs/tail"], ids=lambda line: str(line)
)
async def test_an_unknown_job_is_named(api: Api, line: str) -> None:
    answer = await api.ask(line.format("/api/jobs/nope"))
    assert (answer.status, answer.content_type, answer.text) == (404, "text/plain", "Job nope does not exist")


async def test_a_job_is_accepted_runs_and_ends(api: Api, life: Life) -> None:
    running, ended = life.running, life.ended
    assert running.keys() == {
        *("type", "job_id", "submission_id", "driver_info", "status", "entrypoint", "message", "error_type"),
        *("start_time", "end_time", "metadata", "runtime_env", "driver_exit_code"),
        *("driver_agent_http_address", "driver_node_id"),
    }
    assert (running["status"], running["message"]) == ("RUNNING", "Job is currently running.")
    assert running["start_time"] > 1_700_000_000_000
    assert [running[name] for name in ("end_time", "error_type", "driver_exit_code", "job_id", "driver_info")] == [
        None
    ] * 5
    assert running["driver_agent_http_address"].startswith("http://")
    assert isinstance(running["driver_node_id"], str)

    assert (ended["status"], ended["message"]) == ("SUCCEEDED", "Job finished successfully.")
    assert (ended["driver_exit_code"], ended["error_type"]) == (0, None)
    assert ended["end_time"] >= ended["start_time"]
    same = ("type", "submission_id", "entrypoint", "metadata", "runtime_env", "start_time", "driver_node_id")
    assert {name: ended[name] for name in same} == {name: running[name] for name in same}
    assert (ended["type"], ended["submission_id"]) == ("SUBMISSION", "life")
    assert (ended["metadata"], ended["runtime_env"]) == (METADATA, ENVIRONMENT)

    listed = (await api.ask("GET /api/jobs/")).data
    assert isinstance(listed, list)
    assert [job for job in listed if job["submission_id"] == "life"] == [ended]


async def test_a_failed_job_has_the_end_of_its_log_as_message(failed: dict[str, Any]) -> None:
    assert (failed["status"], failed["driver_exit_code"]) == ("FAILED", 3)
    assert failed["error_type"] == "JOB_ENTRYPOINT_COMMAND_ERROR"
    last_ten = "".join(f"{number}\n" for number in range(15, 25))
    assert failed["message"] == (
        "Job entrypoint command failed with exit code 3, last available logs (truncated to 20,000 chars):\n" + last_ten
    )


async def test_a_submission_id_is_accepted_once(api: Api, running: str, life: Life) -> None:
    for name in (running, life.ended["submission_id"]):
        with_old_name = {"job_id": name, "entrypoint": "x"}
        for again in (await api.submit(name), await api.ask("POST /api/jobs/", with_old_name)):
            assert (again.status, again.content_type) == (500, "text/plain")
            assert again.text.startswith(TRACEBACK)
            assert f"RuntimeError: Request failed with status code 400: {TRACEBACK}" in again.text
            assert again.text.endswith(
                f"\nValueError: Job with submission_id {name} already exists. "
                "Please use a different submission_id.\n.\n"
            )


async def test_a_missing_id_is_generated_and_other_missing_fields_are_null(api: Api) -> None:
    nulls = {"metadata": None, "runtime_env": None}
    for fields in ({}, {"submission_id": ""}, {"submission_id": None, **nulls}):
        answer = (await api.ask("POST /api/jobs/", {"entrypoint": api.cluster.entrypoint("unnamed")} | fields)).data
        assert answer["submission_id"] == answer["job_id"]
        assert answer["submission_id"].startswith("raysubmit_")
        job = await api.job(answer["submission_id"])
        assert (job["metadata"], job["runtime_env"]) == (None, None)
        assert (await api.ask(f"POST /api/jobs/{answer['submission_id']}/stop")).status == 200


@pytest.mark.parametrize("body", [b"{not json", b"", b"[]", b"1"])
async def test_a_body_that_is_no_json_object_is_a_500(api: Api, body: bytes) -> None:
    answer = await api.ask("POST /api/jobs/", data=body)
    assert (answer.status, answer.content_type) == (500, "text/plain")
    assert answer.text == "500 Internal Server Error\n\nServer got itself in trouble"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"entrypoint": None}, "JobSubmitRequest.__init__() missing 1 required positional argument: 'entrypoint'"),
        ({"entrypoint": 1}, "entrypoint must be a string, got <class 'int'>"),
        ({"submission_id": 1}, "submission_id must be a string if provided, got <class 'int'>"),
        ({"metadata": {"a": 1}}, "metadata values must be strings, got <class 'int'>"),
        ({"metadata": []}, "metadata must be a dict, got <class 'list'>"),
        ({"runtime_env": []}, "runtime_env must be a dict, got <class 'list'>"),
        ({"unknown": 1}, "JobSubmitRequest.__init__() got an unexpected keyword argument 'unknown'"),
    ],
)
async def test_a_bad_submission_is_refused_with_a_traceback(api: Api, fields: dict[str, object], error: str) -> None:
    answer = await api.submit("bad", **fields)
    assert (answer.status, answer.content_type) == (400, "text/plain")
    assert answer.text.startswith(TRACEBACK)
    assert answer.text.endswith(f"\nTypeError: {error}\n")
    assert (await api.ask("GET /api/jobs/bad")).status == 404


async def test_a_job_is_stopped_once(api: Api, life: Life) -> None:
    await api.run("stopped")
    assert (await api.ask("POST /api/jobs/stopped/stop")).data == {"stopped": True}
    job = await api.ended("stopped")
    assert (job["status"], job["message"]) == ("STOPPED", "Job was intentionally stopped.")
    assert (job["driver_exit_code"], job["error_type"]) == (None, None)
    assert job["end_time"] >= job["start_time"]
    for name in ("stopped", "life"):
        await until(lambda: answers_false(api, name), timeout_s=TIME_LIMIT_S)  # noqa: B023  # called in this turn only
    assert await api.job("life") == life.ended


async def answers_false(api: Api, name: str) -> bool:
    # Ray says True as long as the job's supervisor is there, which may outlive the job for a moment.
    return not (await api.ask(f"POST /api/jobs/{name}/stop")).data["stopped"]


async def test_a_running_job_is_not_deleted(api: Api, running: str) -> None:
    refused = await api.ask(f"DELETE /api/jobs/{running}")
    assert (refused.status, refused.content_type) == (500, "text/plain")
    assert refused.text.startswith(TRACEBACK)
    assert refused.text.endswith(
        f"\nRuntimeError: Attempted to delete job '{running}', but it is in a non-terminal state RUNNING.\n.\n"
    )


async def test_a_deleted_job_frees_its_id_and_the_next_one_appends_to_the_same_log(api: Api) -> None:
    await api.run("again", prints=b"of the first\n", metadata={"life": "1"})
    await api.finish("again")
    # Ray watches a job for another second after its end, and would take the next one of this id for dead. A whole
    # tail takes longer.
    await api.tailed("again")
    assert (await api.ask("DELETE /api/jobs/again")).data == {"deleted": True}
    for line in ("GET /api/jobs/again", "GET /api/jobs/again/logs", "DELETE /api/jobs/again"):
        assert (await api.ask(line)).text == "Job again does not exist"
    assert "again" not in [job["submission_id"] for job in (await api.ask("GET /api/jobs/")).data]
    await api.run("again", prints=b"of the second\n", metadata={"life": "2"})
    assert (await api.finish("again"))["metadata"] == {"life": "2"}
    logs = await api.logs("again")
    assert logs.index("of the first\n") < logs.index("of the second\n")


async def test_logs_have_the_output_after_the_lines_of_ray_and_line_breaks_for_carriage_returns(
    api: Api, life: Life
) -> None:
    lines = (await api.logs("life")).split("\n")
    assert lines[0].endswith(" -- Runtime env is setting up.")
    assert lines[1:] == [
        f"Running entrypoint for job life: {life.ended['entrypoint']}",
        *("one ü€😀", "", "10 %", "20 %", "the end has no line break"),
    ]


async def test_a_log_that_is_not_utf8_cannot_be_read(api: Api) -> None:
    await api.run("binary")
    api.cluster.prints("binary", b"caf\xe9\n")
    job = await api.finish("binary", exit_code=1)
    assert job["message"].endswith("\ncaf\ufffd\n")
    answer = await api.ask("GET /api/jobs/binary/logs")
    assert (answer.status, answer.content_type) == (500, "text/plain")
    assert answer.text.startswith(TRACEBACK)
    assert "UnicodeDecodeError: 'utf-8' codec can't decode byte" in answer.text
    assert await api.tailed("binary") == []


async def test_a_tail_sends_the_whole_log_and_closes_when_the_job_has_ended(api: Api) -> None:
    await api.run("tail", prints=b"one\n")
    async with api.tail("tail") as socket:
        heard = ""
        while "one\n" not in heard:
            heard += await socket.receive_str()
        api.cluster.prints("tail", b"two\n")
        while "two\n" not in heard:
            heard += await socket.receive_str()
        assert not socket.closed
        api.cluster.prints("tail", b"three, without a line break")
        await api.finish("tail")
        heard += "".join(await rest(socket))
    assert heard == await api.logs("tail")
    assert heard.endswith("one\ntwo\nthree, without a line break")
    # Every connection starts at the beginning.
    assert "".join(await api.tailed("tail")) == heard


@pytest.mark.usefixtures("failed")
async def test_a_tail_has_at_most_ten_lines_in_a_frame_and_a_line_in_one_piece(api: Api) -> None:
    frames = await api.tailed("failed")
    assert "".join(frames) == await api.logs("failed")
    # More than 20,000 characters end a frame; the first has Ray's own two lines.
    assert [(frame.count("\n"), frame.count("X"), frame.count("Y")) for frame in frames] == [
        (3, 30_000, 0),
        (3, 0, 24_000),
        (10, 0, 8_000),
        (10, 0, 0),
        (6, 0, 0),
    ]


async def test_a_line_of_more_than_4_mib_ends_a_tail_in_order(api: Api) -> None:
    await api.run("long", prints=b"before\n")
    api.cluster.prints("long", b"z" * (5 * 1024 * 1024) + b"\nafter\n")
    await api.finish("long")
    assert (await api.logs("long")).endswith("zzz\nafter\n")
    assert "after" not in "".join(await api.tailed("long"))


async def test_a_client_that_leaves_a_tail_gets_no_answer(api: Api, running: str) -> None:
    async with api.tail(running) as socket:
        assert await socket.receive_str()
    assert socket.close_code == 1006
    assert await api.status(running) == "RUNNING"


async def test_a_tail_is_a_websocket_of_a_known_job(api: Api, running: str) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await api.tailed("nope")
    assert caught.value.status == 404
    answer = await api.ask(f"GET /api/jobs/{running}/logs/tail")
    assert (answer.status, answer.text) == (500, "500: WebSocket proxy error")


async def test_packages_are_kept_by_name(api: Api) -> None:
    path = "/api/packages/gcs/_ray_pkg_0123.zip"
    missing = await api.ask(f"GET {path}")
    assert (missing.status, missing.text) == (404, "Package gcs://_ray_pkg_0123.zip does not exist")
    for _ in range(2):
        stored = await api.ask(f"PUT {path}", data=b"PK")
        assert (stored.status, stored.text) == (200, "")
        found = await api.ask(f"GET {path}")
        assert (found.status, found.text) == (200, "")


async def test_a_package_over_100_mib_is_too_large(api: Api) -> None:
    path = "/api/packages/gcs/_ray_pkg_large.zip"
    answer = await api.ask(f"PUT {path}", data=io.BytesIO(bytes(LARGEST_PACKAGE_BYTES + 1)))
    assert answer.status == 413
    assert answer.text.startswith(f"Maximum request body size {LARGEST_PACKAGE_BYTES} exceeded")
    assert (await api.ask(f"GET {path}")).status == 404


async def test_a_job_without_its_package_is_accepted_and_fails(api: Api) -> None:
    uri = "gcs://_ray_pkg_never_sent.zip"
    assert (await api.submit("unpacked", runtime_env={"working_dir": uri})).status == 200
    job = await api.ended("unpacked")
    assert (job["status"], job["error_type"]) == ("FAILED", "RUNTIME_ENV_SETUP_FAILURE")
    assert job["message"].startswith("runtime_env setup failed: Failed to set up runtime environment.\n")
    assert f"OSError: Failed to download runtime_env file package {uri} from the GCS" in job["message"]
    nothing = ("driver_exit_code", "driver_agent_http_address", "driver_node_id")
    assert [job[name] for name in nothing] == [None] * 3
    assert await api.logs("unpacked") == ""
    assert await api.tailed("unpacked") == []


async def test_nodes_are_listed_with_their_resources(api: Api) -> None:
    answer = (await api.ask("GET /api/v0/nodes")).data
    assert (answer.keys(), answer["result"], answer["msg"]) == ({"result", "msg", "data"}, True, "")
    listed = answer["data"]["result"]
    [head] = listed.pop("result")
    counts = dict.fromkeys(("total", "num_after_truncation", "num_filtered"), 1)
    assert listed == counts | {"partial_failure_warning": "", "warnings": None}
    assert head.keys() == {
        *("node_id", "node_ip", "is_head_node", "state", "state_message", "node_name"),
        *("resources_total", "labels"),
    }
    assert (head["node_ip"], head["is_head_node"], head["state"]) == ("127.0.0.1", True, "ALIVE")
    assert head["resources_total"]["CPU"] == 2.0
    assert head["resources_total"].keys() == {
        *("CPU", "memory", "object_store_memory", "node:127.0.0.1", "node:__internal_head__")
    }


async def test_the_status_of_the_cluster_has_its_resources(api: Api) -> None:
    async def status() -> dict[str, Any]:
        answer = (await api.ask("GET /api/cluster_status")).data
        assert (answer["result"], answer["msg"]) == (True, "Got cluster status.")
        assert answer["data"].keys() == {"autoscalingStatus", "autoscalingError", "clusterStatus"}
        data: dict[str, Any] = answer["data"]
        return data

    async def is_known() -> bool:
        # A head tells nothing in its first seconds.
        return (await status())["autoscalingStatus"] is not None

    await until(is_known, timeout_s=TIME_LIMIT_S)
    data = await status()
    assert data["autoscalingStatus"].startswith("Cluster status: ")
    assert " - ResourceUsage: 0.0/2.0 CPU" in data["autoscalingStatus"]
    assert data["autoscalingError"] is None
    report = data["clusterStatus"]
    load = report["loadMetricsReport"]
    assert load["usage"].keys() == {"CPU", "memory", "objectStoreMemory", "node:127.0.0.1", "node:InternalHead"}
    assert load["usage"]["CPU"] == [0.0, 2.0]
    assert (load["resourceDemand"], load["pgDemand"], load["requestDemand"]) == ([], [], [])
    assert list(report["autoscalerReport"]["activeNodes"].values()) == [1]
    assert report["autoscalerReport"]["pendingNodes"] == report["autoscalerReport"]["failedNodes"] == []
    assert isinstance(report["time"], float)
