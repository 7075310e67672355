"""The address of Redis, read without all other settings: only if that gives the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from raylane_common.settings import RedisSettings, Settings, redis_settings_alone

if TYPE_CHECKING:
    from pathlib import Path

URL = "redis://127.0.0.1:1/0"


@pytest.fixture(autouse=True)
def _empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"RAYLANE_REDIS__URL": URL},
        {"RAYLANE_REDIS__URL": "", "RAYLANE_REDIS__PREFIX": "acme"},
        {"RAYLANE_REDIS__URL": URL, "RAYLANE_REDIS__GIVE_UP_S": "9", "RAYLANE_REDIS__PASSWORD": "p"},
        {"RAYLANE_REDIS__DURABILITY": "wait", "RAYLANE_REDIS__DURABILITY_REPLICAS": "2", "RAYLANE_SESSION": "s1"},
        {"RAYLANE_CONTEXT": "prod", "OTHER": "x"},
    ],
)
def test_it_is_what_all_settings_would_say(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    alone = redis_settings_alone(environ)
    assert alone == Settings().redis
    assert isinstance(alone, RedisSettings)
    assert alone.model_fields_set == Settings().redis.model_fields_set


@pytest.mark.parametrize(
    "environ",
    [
        {"RAYLANE_RAY__TOKEN": "t"},
        {"RAYLANE_REDIS_URL": URL},
        {"RAYLANE_REDIS": "{}"},
        {"raylane_redis__url": URL},
        {"RAYLANE_REDIS__ULR": URL},
        {"RAYLANE_REDIS__URL": "http://x"},
        {"RAYLANE_REDIS__GIVE_UP_S": "soon"},
        {"RAYLANE_SECRETS_DIR": "/run/secrets"},
        {"RAYLANE_XYZZY": ""},
    ],
)
def test_whatever_else_is_said_needs_all_settings(environ: dict[str, str]) -> None:
    assert redis_settings_alone(environ) is None


def test_a_dotenv_file_needs_all_settings(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("")
    assert redis_settings_alone({}) is None
