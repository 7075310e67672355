"""Settings in the original app's form: what can change, and that nothing changes half."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from raylane.gateway.original._addresses import address_of, shown

if TYPE_CHECKING:
    from tests.unit.gateway.original.conftest import App


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # The producer of a gateway has the gateway's settings; the one of the tests reads the environment.
    monkeypatch.setenv("RAYLANE_RAY__PRIVATE_URL", "http://10.0.0.5:8265")
    monkeypatch.setenv("RAYLANE_RAY__ALLOWED_HOSTS", '["h"]')


async def post(app: App, **body: Any) -> Any:
    return (await app.http.post("/settings", json=body)).json()


async def test_settings_are_shown_in_five_groups(app: App) -> None:
    assert (await app.http.get("/settings")).json() == {
        "ray_cluster": {"private_ip": "10.0.0.5", "public_ip": ""},
        "s3": {"bucket": "raylane"},
        "global": {"bedrock_model": "", "bedrock_region": "", "code_gen_agent_arn": ""},
        "spark": {},
        "ray": {"gateway_url": "", "supervisor_arn": ""},
    }


async def test_an_address_changes_and_returns_to_the_default(app: App) -> None:
    changed = await post(app, ray_private_ip="h", ray_public_ip="", s3_bucket="raylane", spark_max_retries=3, other=1)
    assert changed == {
        "success": True,
        "message": "Settings updated successfully",
        "ignored": ["other", "spark_max_retries"],
    }
    assert await app.producer.settings.all() == {"ray.private_url": "http://h:8265"}
    assert (await app.http.get("/settings")).json()["ray_cluster"]["private_ip"] == "h"
    assert (await app.http.get("/health")).json()["ray_private_ip"] == "h"
    restored = await app.http.post("/settings/restore-defaults")
    assert restored.json() == {"success": True, "message": "Settings restored to defaults"}
    assert await app.producer.settings.all() == {}


async def test_the_form_of_the_answer_changes_settings_too(app: App) -> None:
    shown = (await app.http.get("/settings")).json()
    assert await post(app, **shown) == {
        "success": True,
        "message": "Settings updated successfully",
        "ignored": ["global.code_gen_agent_arn", "ray.gateway_url", "ray.supervisor_arn"],
    }
    assert await app.producer.settings.all() == {}
    changed = await post(
        app, ray_cluster={"private_ip": "h", "port": 1}, s3={}, spark={"max_retries": 3}, more={"a": 1}
    )
    assert changed["ignored"] == ["more", "ray_cluster.port", "spark.max_retries"]
    assert await app.producer.settings.all() == {"ray.private_url": "http://h:8265"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ray_private": "h"}, "ray_private: is no setting; ray_private_ip, ray_public_ip, s3_bucket can change"),
        ({"s3": {"buckett": "b"}, "z": 1}, "s3.buckett: is no setting"),
        ({"s3": "b"}, "s3: is no setting"),
        ({"s3": {"bucket": 5}}, "s3.bucket: must be text"),
        ({"s3": {"bucket": "b"}, "s3_bucket": "c"}, "s3.bucket: is there twice, as s3_bucket"),
    ],
)
async def test_a_change_of_nothing_that_is_known_is_refused(app: App, body: dict[str, Any], said: str) -> None:
    answer = await app.http.post("/settings", json=body)
    assert (answer.status_code, answer.json()["error_code"]) == (422, "invalid_request")
    assert answer.json()["error"].startswith(said)


async def test_an_empty_field_removes_what_was_set_at_run_time(app: App) -> None:
    await post(app, ray_private_ip="h:8266")
    assert await app.producer.settings.all() == {"ray.private_url": "http://h:8266"}
    assert (await post(app, ray_private_ip=""))["success"] is True
    assert await app.producer.settings.all() == {}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"ray_private_ip": "h", "ray_public_ip": "http://elsewhere.example.org"}, "ray.public_url: "),
        ({"ray_private_ip": "h", "s3_bucket": "others"}, "storage.bucket: 'others' is not allowed"),
        ({"ray_private_ip": "h", "global_bedrock_model": "bedrock:x"}, "global_bedrock_model: cannot change"),
        ({"ray_private_ip": ""}, "ray_private_ip: cannot be empty"),
        ({"ray_private_ip": "h", "s3_bucket": ""}, "s3_bucket: cannot be empty"),
        ({"ray_private_ip": "169.254.169.254"}, "ray.private_url: "),
        ({"ray_private_ip": "h\nX: y"}, "ray.private_url: "),
        ({"ray_private_ip": "file:///etc/passwd"}, "ray.private_url: "),
        ({"ray_private_ip": "user:secret@h"}, "ray.private_url: "),
    ],
)
async def test_a_wrong_setting_changes_none(app: App, body: dict[str, str], said: str) -> None:
    answer = await post(app, **body)
    assert (answer["success"], answer["error_code"]) == (False, "invalid_request")
    assert answer["error"].startswith(said)
    assert await app.producer.settings.all() == {}


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("http://10.0.0.5:8265", "10.0.0.5"),
        ("http://[fd12::5]:8265", "fd12::5"),
        ("http://ray.internal:8266", "http://ray.internal:8266"),
        ("https://ray.example.org/path", "https://ray.example.org/path"),
    ],
)
def test_an_address_is_shown_as_it_can_be_given(url: str, text: str) -> None:
    assert shown(url) == text
    assert address_of(text) == url


def test_a_login_is_not_shown() -> None:
    assert shown("http://user:secret@10.0.0.5:8265") == "10.0.0.5"
    assert shown("https://user:secret@ray.example.org") == "https://ray.example.org"
