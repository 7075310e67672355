from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from raylane_common.errors import InvalidRequest
from raylane_common.settings import Settings, load_settings, unknown_variables
from raylane_common.wire.base import JobKind, RetryPolicy

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("RAYLANE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_nested_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLANE_RAY__PRIVATE_URL", "http://ray.internal:8265/")
    monkeypatch.setenv("RAYLANE_LANES__UPLOAD__CONCURRENCY", "7")
    settings = Settings()
    assert settings.ray.private_url == "http://ray.internal:8265"
    assert settings.lanes.upload.concurrency == 7
    assert settings.lanes.upload.timeout_s == 3600
    assert settings.lanes.generate.concurrency == 8


def test_each_durability_has_its_number_of_replicas(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for durability in ("none", "wait", "waitaof"):
        monkeypatch.setenv("RAYLANE_REDIS__DURABILITY", durability)
        found[durability] = Settings().redis.confirming_replicas
    assert found == {"none": 0, "wait": 1, "waitaof": 0}
    monkeypatch.setenv("RAYLANE_REDIS__DURABILITY_REPLICAS", "2")
    assert Settings().redis.confirming_replicas == 2


@pytest.mark.parametrize(
    ("durability", "name", "value"),
    [("wait", "REPLICAS", "0"), ("waitaof", "TIMEOUT_S", "6"), ("wait", "REPLICAS", "-1"), ("often", "REPLICAS", "1")],
)
def test_a_durability_that_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, durability: str, name: str, value: str
) -> None:
    monkeypatch.setenv("RAYLANE_REDIS__DURABILITY", durability)
    monkeypatch.setenv(f"RAYLANE_REDIS__DURABILITY_{name}", value)
    with pytest.raises(InvalidRequest, match=r"(?i)durability"):
        load_settings()


def test_what_is_left_out_of_a_policy_or_a_lane_keeps_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLANE_RETRIES__UPLOAD__MAX_ATTEMPTS", "2")
    monkeypatch.setenv("RAYLANE_LANES__RAY__PER_SESSION", "3")
    settings = Settings()
    assert settings.retries[JobKind.UPLOAD] == RetryPolicy(max_attempts=2, backoff_base_s=1, backoff_cap_s=60)
    assert settings.retries[JobKind.GENERATE] == RetryPolicy(max_attempts=4, backoff_base_s=1, backoff_cap_s=60)
    assert (settings.lanes.ray.per_session, settings.lanes.ray.concurrency) == (3, 20)


def test_only_generate_jobs_of_one_session_wait_for_each_other_by_default() -> None:
    lanes = Settings().lanes
    assert (lanes.upload.per_session, lanes.generate.per_session, lanes.ray.per_session) == (0, 1, 0)


def test_every_kind_has_its_retries_and_nothing_else_has() -> None:
    assert set(Settings().retries) == set(JobKind)
    with pytest.raises(ValidationError, match=r"retries\.download"):
        Settings.model_validate({"retries": {"download": {"max_attempts": 2}}})


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYLANE_AWS__ENDPOINT_URL", "")
    assert Settings().aws.endpoint_url is None


def test_a_dotenv_file_is_read_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("RAYLANE_STORAGE__BUCKET=from-file\nRAYLANE_AWS__REGION=eu-central-1\n")
    monkeypatch.setenv("RAYLANE_STORAGE__BUCKET", "from-environment")
    settings = Settings()
    assert (settings.storage.bucket, settings.aws.region) == ("from-environment", "eu-central-1")


def test_secrets_come_from_files_and_do_not_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ray__token").write_text("s3cret-token")
    monkeypatch.setenv("RAYLANE_SECRETS_DIR", str(tmp_path))
    settings = Settings()
    assert settings.ray.token is not None
    assert settings.ray.token.get_secret_value() == "s3cret-token"
    assert "s3cret" not in repr(settings)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What `echo RAYLANE_SESSION=s > .env` writes in PowerShell 5.
    (tmp_path / ".env").write_text("RAYLANE_SESSION=s", encoding="utf-16")
    with pytest.raises(InvalidRequest, match=r"^settings: \.env, or a file in RAYLANE_SECRETS_DIR, is not UTF-8"):
        load_settings()
    (tmp_path / ".env").unlink()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "ray__token").write_bytes(b"\xff")
    monkeypatch.setenv("RAYLANE_SECRETS_DIR", str(tmp_path / "secrets"))
    with pytest.raises(InvalidRequest, match="is not UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("RAYLANE_RAY__PRIVATE_URL", "ray.internal:8265"),
        ("RAYLANE_RAY__RUN_TIMEOUT_S", "900"),
        ("RAYLANE_LANES__GENERATE__TIMEOUT_S", "100"),
        ("RAYLANE_GENERATION__MODEL_TIMEOUT_S", "301"),
        ("RAYLANE_LANES__POLL_S", "0"),
        ("RAYLANE_LANES__UPLOAD__CONCURRENCY", "0"),
        ("RAYLANE_LANES__UPLOAD__PER_SESSION", "-1"),
        ("RAYLANE_LANES__UPLOAD__MAX_ATTEMPTS", "3"),
        ("RAYLANE_RETRIES__RAY__MAX_ATTEMPTS", "0"),
        ("RAYLANE_RETRIES__LOAD__MAX_ATTEMPTS", "3"),
        ("RAYLANE_DEAD_TTL_S", "0"),
        ("RAYLANE_RAY__PRIVAT_URL", "http://x:1"),
    ],
)
def test_wrong_values_misspelt_names_and_inverted_deadlines_are_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError):
        Settings()


def test_the_example_file_for_compose_holds_known_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    example = ROOT / ".env.example"
    settings = Settings(_env_file=example)
    assert settings.aws.endpoint_url == "http://moto:5000"
    assert settings.storage.create_bucket


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [
        ("RAYLANE_REDIS_URL", "RAYLANE_REDIS__URL"),
        ("RAYLANE_REDIS__ULR", "RAYLANE_REDIS__URL"),
        ("RAYLANE_RAY_PRIVATE_URL", "RAYLANE_RAY__PRIVATE_URL"),
        ("RAYLANE_RETRIES__UPLOAD__MAX_TRIES", "RAYLANE_RETRIES__UPLOAD__MAX_ATTEMPTS"),
        ("RAYLANE_LANES__UPLOD__CONCURRENCY", "RAYLANE_LANES__UPLOAD__CONCURRENCY"),
        ("RAYLANE_SECRET_DIR", "RAYLANE_SECRETS_DIR"),
        ("raylane_storage_bucket", "RAYLANE_STORAGE__BUCKET"),
        ("RAYLANE_XYZZY", None),
    ],
)
def test_an_unknown_variable_comes_with_the_nearest_known_name(variable: str, nearest: str | None) -> None:
    assert unknown_variables({variable: "x", "PATH": "/bin", "RAYLANE_REDIS__URL": "x"}) == [(variable, nearest)]


def test_every_setting_and_the_variables_of_other_parts_are_known() -> None:
    documented = re.findall(r"^\| `(RAYLANE_\w+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    assert len(documented) > 50
    other = ["RAYLANE_SECRETS_DIR", "RAYLANE_SESSION", "RAYLANE_OUTPUT_URI", "RAYLANE_SEED", "RAYLANE_TEST_PROFILE"]
    json_sections = ["RAYLANE_RAY", "RAYLANE_LANES__UPLOAD", "RAYLANE_RETRIES__GENERATE", "raylane_redis__url"]
    assert unknown_variables(dict.fromkeys([*documented, *other, *json_sections], "x")) == []


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("RAYLANE_REDIS__ULR", "x", "RAYLANE_REDIS__ULR: is not a setting; did you mean RAYLANE_REDIS__URL?"),
        ("RAYLANE_RAY__XYZZY", "x", "RAYLANE_RAY__XYZZY: is not a setting"),
        ("RAYLANE_RAY__PRIVATE_URL", "ray:8265", "RAYLANE_RAY__PRIVATE_URL: must start with http:// or https://"),
        (
            "RAYLANE_RAY__ENDPOINTS",
            '[{"name": "a", "url": "ray:8265"}]',
            "RAYLANE_RAY__ENDPOINTS: 0.url: must start with http:// or https://",
        ),
        ("RAYLANE_REDIS__GIVE_UP_S", "2", "RAYLANE_REDIS: give_up_s must not be below socket_timeout_s"),
        (
            "RAYLANE_RETRIES__LOAD__MAX_ATTEMPTS",
            "3",
            "RAYLANE_RETRIES__LOAD: is not a setting; did you mean",
        ),
        ("RAYLANE_RAY__RUN_TIMEOUT_S", "900", "settings: ray.run_timeout_s must be below lanes.ray.timeout_s"),
        ("RAYLANE_RAY__ENDPOINTS", "http://ray:8265", "RAYLANE_RAY: must be JSON, and so must the lists below it"),
        ("RAYLANE_SECRETS_DIR", "/does/not/exist", 'RAYLANE_SECRETS_DIR: directory "/does/not/exist" does not exist'),
    ],
)
def test_a_wrong_setting_is_named_by_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(InvalidRequest) as raised:
        load_settings()
    assert raised.value.message.startswith(message)
    assert raised.value.details["field"] == message.partition(":")[0]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"lanes": 3}, "lanes"),
        ({"lanes": {"upload": 3}}, "lanes.upload"),
        ({"lanes": {"upload": None}}, "lanes.upload"),
        ({"retries": [1]}, "retries"),
        ({"retries": {"ray": "often"}}, "retries.ray"),
    ],
    ids=str,
)
def test_a_section_that_is_a_single_value_is_refused_by_name(given: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(given)
    assert [".".join(map(str, found["loc"])) for found in caught.value.errors()] == [field]


def test_a_wrong_value_names_the_file_that_holds_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "ray__max_runs").write_text("many", encoding="utf-8")
    monkeypatch.setenv("RAYLANE_SECRETS_DIR", str(secrets))
    name = "RAYLANE_RAY__MAX_RUNS: must be a whole number"
    with pytest.raises(InvalidRequest, match=re.escape(f"{name}; it is set in {secrets}/ray__max_runs")):
        load_settings()
    (tmp_path / ".env").write_text("raylane_ray__max_runs=several\n", encoding="utf-8")
    with pytest.raises(InvalidRequest, match=re.escape(f"{name}; it is set in .env")):
        load_settings()
    monkeypatch.setenv("RAYLANE_RAY__MAX_RUNS", "some")
    with pytest.raises(InvalidRequest, match=rf"{name} \["):
        load_settings()


def test_a_misspelt_name_in_a_file_is_found_there(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("RAYLANE_RAY__MAX_RUN=3\n", encoding="utf-8")
    with pytest.raises(InvalidRequest, match=r"did you mean RAYLANE_RAY__MAX_RUNS\?; it is set in \.env \["):
        load_settings()
