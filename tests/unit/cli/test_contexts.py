"""Contexts: named deployments in a file of the user, and what comes before what."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane.cli import connecting, contexts
from raylane.cli.contexts import Context, Contexts
from raylane_common.errors import InvalidRequest

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result

    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.cli.conftest import Cli

NOWHERE = "redis://127.0.0.1:1"


@pytest.fixture(autouse=True)
def _no_choice() -> None:
    contexts.choose(None)


async def _facts(cli: Cli, *options: str, **env: str) -> dict[str, tuple[str | None, str | None]]:
    """What `context show` says: each value, and where it comes from. Without a URL in the environment."""
    ran = await cli(*options, "context", "show", "--json", **{"RAYLANE_REDIS__URL": "", **env})
    assert ran.exit_code == 0, ran.output
    return {name: (fact["value"], fact["from"]) for name, fact in json.loads(ran.stdout).items()}


def _is_refused(ran: Result, *said: str) -> None:
    assert ran.exit_code == 2, ran.output
    for each in said:
        assert each in ran.stderr
    assert "Traceback" not in ran.output


async def test_a_context_says_which_redis_and_which_session(cli: Cli, valkey: EmbeddedValkey) -> None:
    made = await cli("context", "set", "dev", "--redis-url", valkey.url, "--session", "ada")
    assert made.stdout == f"dev written to {contexts.path()}; it is used from now on\n"
    await cli("context", "set", "prod", "--redis-url", NOWHERE)
    no_url = {"RAYLANE_REDIS__URL": ""}
    assert (await cli("history", **no_url)).stderr == "no history\n"
    assert (await cli("--context", "prod", "jobs", **no_url)).exit_code == 69
    assert (await cli("jobs", RAYLANE_CONTEXT="prod", **no_url)).exit_code == 69
    await cli("context", "use", "prod")
    assert (await cli("jobs", **no_url)).exit_code == 69
    assert (await cli("--context", "dev", "jobs", **no_url)).exit_code == 0
    assert (await cli("context", "use", "")).stdout == "using no context\n"
    assert (await _facts(cli))["redis"] == ("redis://127.0.0.1:6379/0", "default")


async def test_an_option_comes_before_the_environment_and_that_before_the_context(cli: Cli) -> None:
    await cli("context", "set", "dev", "--redis-url", "redis://dev", "--session", "of-dev")
    await cli("context", "set", "prod", "--redis-url", "redis://prod", "--session", "of-prod", "--prefix", "p")
    facts = await _facts(cli)
    assert facts["context"] == ("dev", str(contexts.path()))
    assert (facts["redis"], facts["session"]) == (
        ("redis://dev", "the context dev"),
        ("of-dev", "the context dev"),
    )
    env = {"RAYLANE_REDIS__URL": "redis://env", "RAYLANE_SESSION": "of-env"}
    facts = await _facts(cli, RAYLANE_CONTEXT="prod", **env)
    assert facts["context"] == ("prod", "RAYLANE_CONTEXT")
    assert facts["redis"] == ("redis://env", "RAYLANE_REDIS__URL")
    assert facts["session"] == ("of-env", "RAYLANE_SESSION")
    # Whoever names a context on the command line means it.
    facts = await _facts(cli, "--context", "prod", **env)
    assert facts["context"] == ("prod", "--context")
    assert (facts["redis"], facts["session"], facts["prefix"]) == (
        ("redis://prod", "the context prod"),
        ("of-prod", "the context prod"),
        ("p", "the context prod"),
    )
    shown = await cli("--context", "prod", "context", "show", "--redis-url", "redis://:secret@option")
    assert "redis://:***@option" in shown.stdout
    assert "from --redis-url" in shown.stdout
    assert shown.stderr == "--redis-url overrides the context prod\n"


async def test_the_login_of_the_environment_is_not_sent_to_the_address_of_a_context(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RAYLANE_REDIS__USERNAME", "of-env")
    monkeypatch.setenv("RAYLANE_REDIS__PASSWORD", "secret-of-env")
    monkeypatch.setenv("RAYLANE_REDIS__GIVE_UP_S", "7")
    (tmp_path / "password").write_text("of-file\n")
    await cli("context", "set", "plain", "--redis-url", "redis://plain")
    await cli(
        *("context", "set", "file", "--redis-url", "redis://file", "--username", "ada"), "--password-file", "password"
    )
    await cli("context", "set", "env", "--redis-url", "redis://env", "--password-env", "PROD_PASSWORD")
    monkeypatch.setenv("PROD_PASSWORD", "of-variable")
    found = {}
    for name in ("plain", "file", "env"):
        contexts.choose(name)
        redis = connecting.settings(None).redis
        found[name] = (redis.username, redis.password.get_secret_value() if redis.password else None)
        assert redis.give_up_s == 7
    assert found == {"plain": (None, None), "file": ("ada", "of-file"), "env": (None, "of-variable")}


async def test_a_password_that_is_not_where_the_context_says_is_an_error_that_names_the_place(cli: Cli) -> None:
    await cli("context", "set", "file", "--redis-url", NOWHERE, "--password-file", "none")
    await cli("context", "set", "env", "--redis-url", NOWHERE, "--password-env", "NONE")
    no_url = {"RAYLANE_REDIS__URL": ""}
    _is_refused(await cli("--context", "file", "jobs", **no_url), "redis_password_file: none cannot be read")
    _is_refused(await cli("--context", "env", "jobs", **no_url), "the variable NONE is not set")


async def test_the_file_is_for_its_user_alone_and_holds_no_password(cli: Cli) -> None:
    await cli("context", "set", "dev", "--redis-url", NOWHERE)
    assert stat.S_IMODE(contexts.path().stat().st_mode) == 0o600
    assert stat.S_IMODE(contexts.path().parent.stat().st_mode) == 0o700
    for url in (
        "redis://:secret@h",
        "redis://ada:se@cret@h/0",
        "redis+sentinel://a:secret@h1,h2/main",
        "unix:///x?password=secret",
    ):
        ran = await cli("context", "set", "dev", "--redis-url", url)
        _is_refused(ran, "redis_url: must not hold a password", "--password-file or --password-env")
        assert "secret" not in ran.output + contexts.path().read_text()
    assert (await cli("context", "set", "dev", "--redis-url", "redis://ada@h")).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--redis-url", "http://h"], "redis_url: must start with"),
        (["--redis-url", "redis://h?socket_timeout=1"], "redis_url: must not contain socket_timeout"),
        (["--session", "a/b"], "session_id"),
        (["--prefix", "a b"], "prefix"),
        (["--password-file", "f", "--password-env", "E"], "cannot be combined"),
    ],
)
async def test_a_context_that_no_command_could_use_is_refused(cli: Cli, arguments: list[str], said: str) -> None:
    _is_refused(await cli("context", "set", "dev", *arguments), said)
    assert not contexts.path().exists()


async def test_fields_are_changed_one_by_one_and_removed(cli: Cli) -> None:
    await cli("context", "set", "dev", "--redis-url", NOWHERE, "--session", "ada")
    await cli("context", "set", "dev", "--session", "", "--username", "bob")
    [dev] = json.loads((await cli("context", "list", "--json")).stdout)
    assert dev == {"name": "dev", "active": True, "redis_url": NOWHERE, "redis_username": "bob"}
    assert (await cli("context", "remove", "dev")).stdout == "dev removed; no context is used now\n"
    assert (
        await cli("context", "list")
    ).stderr == "no contexts; make one with raylane context set NAME --redis-url URL\n"


async def test_an_unknown_context_is_an_error_that_lists_the_known_ones(cli: Cli) -> None:
    _is_refused(await cli("--context", "prod", "jobs"), "there are none; raylane context set prod makes one")
    await cli("context", "set", "production")
    for command in (
        ["context", "use", "prodution"],
        ["context", "remove", "prodution"],
        ["--context", "prodution", "jobs"],
    ):
        _is_refused(await cli(*command), "there is no context 'prodution'; did you mean production?")
    _is_refused(await cli("jobs", RAYLANE_CONTEXT="x"), "there is no context 'x'; there are production")
    _is_refused(await cli("context", "set", "a/b"), "name: 'a/b' must begin with a letter or digit")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = [", "contexts.toml: "),
        ("currant = 1", "currant is not known"),
        ("current = 1", "`current` must be a name"),
        ("current = 'a'", "there is no such context"),
        ("contexts = 1", "must be written as `[contexts.NAME]`"),
        ("contexts.a = 1", "contexts.a must be a table"),
        ("[contexts.a]\nredis_ulr = 'x'", "contexts.a.redis_ulr is not known; did you mean redis_url?"),
        ("[contexts.a]\nsession = 1", "contexts.a.session must be text in quotes"),
        ("[contexts.a]\nredis_url = 'redis://:secret@h'", "contexts.a.redis_url: must not hold a password"),
    ],
)
async def test_a_file_that_cannot_be_right_is_an_error_that_says_where(cli: Cli, text: str, said: str) -> None:
    contexts.path().parent.mkdir(parents=True)
    contexts.path().write_text(text)
    for command in (["jobs"], ["context", "list"], ["context", "set", "b", "--session", "s"]):
        ran = await cli(*command)
        _is_refused(ran, said, str(contexts.path()))
        assert "secret" not in ran.output
    assert contexts.names() == []


async def test_a_file_that_cannot_be_read_or_written_is_an_error(cli: Cli) -> None:
    contexts.path().mkdir(parents=True)
    _is_refused(await cli("jobs"), "it cannot be read")
    contexts.path().rmdir()
    contexts.path().parent.rmdir()
    contexts.path().parent.write_text("a file")
    _is_refused(await cli("context", "set", "a"), "it cannot be ")


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.dictionaries(texts, st.builds(Context, session=texts, redis_username=st.none() | texts), max_size=4))
def test_what_was_written_is_read_again(by_name: dict[str, Context]) -> None:
    written = Contexts(by_name, next(iter(by_name), None))
    with contexts.alone():
        contexts.save(written)
    assert contexts.load() == written


@given(texts)
def test_no_url_shows_its_password(password: str) -> None:
    shown = contexts.without_password(f"redis://ada:{password}@h/0")
    if "/" not in password:
        assert shown == "redis://ada:***@h/0"
    with pytest.raises(InvalidRequest):
        contexts.checked(Context(redis_url=f"redis://ada:{password.replace('/', '')}x@h/0"))


async def test_a_link_to_the_file_stays_a_link(cli: Cli, tmp_path: Path) -> None:
    kept = tmp_path / "dotfiles" / "contexts.toml"
    kept.parent.mkdir()
    contexts.path().parent.mkdir(parents=True, exist_ok=True)
    contexts.path().symlink_to(kept)
    for name in ("dev", "prod"):
        assert (await cli("context", "set", name, "--redis-url", NOWHERE)).exit_code == 0
        assert contexts.path().is_symlink()
        assert name in kept.read_text()
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600


@pytest.mark.parametrize("home", ["", "a/b"])
async def test_contexts_are_not_written_below_the_working_directory(
    cli: Cli, valkey: EmbeddedValkey, tmp_path: Path, home: str
) -> None:
    no_home = {"HOME": home, "XDG_CONFIG_HOME": "relative"}
    for command in (["set", "dev", "--redis-url", NOWHERE], ["use", ""], ["remove", "dev"]):
        _is_refused(await cli("context", *command, **no_home), "HOME: is", "set HOME, or XDG_CONFIG_HOME, to the absol")
    # There can be none, so a command in a container needs no home.
    assert (await cli("context", "list", **no_home)).exit_code == 0
    assert (await cli("jobs", **no_home)).exit_code == 0
    _is_refused(await cli("--context", "dev", "jobs", **no_home), "there is no context 'dev'")
    assert list(tmp_path.iterdir()) == []


async def test_a_user_without_an_entry_and_a_home_is_told(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pathlib.Path.home", _no_home)
    _is_refused(await cli("context", "set", "dev", XDG_CONFIG_HOME=""), "HOME: is not set; contexts need a place")


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


async def test_what_lies_where_the_file_should_be_is_named(cli: Cli, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("", encoding="utf-8")
    said = f"{config} is a file: move it away, or set XDG_CONFIG_HOME to another directory"
    _is_refused(await cli("context", "set", "dev"), said)
    _is_refused(await cli("context", "list"), said)
    config.unlink()
    contexts.path().mkdir(parents=True)
    _is_refused(await cli("context", "set", "dev"), f"{contexts.path()} is a directory: move it away")


async def test_a_file_that_is_no_toml_says_what_to_do(cli: Cli) -> None:
    contexts.path().parent.mkdir(parents=True)
    contexts.path().write_text("current = ", encoding="utf-8")
    _is_refused(await cli("context", "set", "dev"), "it is not TOML", "remove the file")
    contexts.path().write_bytes(b"current = '\xff'")
    _is_refused(await cli("jobs"), "it is not UTF-8", "byte 11")


async def test_processes_that_change_contexts_at_once_lose_none(valkey: EmbeddedValkey, tmp_path: Path) -> None:
    names = [f"c{number}" for number in range(6)]
    env = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    made = [
        await asyncio.create_subprocess_exec(
            *[sys.executable, "-c", "from raylane.cli import main; main()", "context", "set", name], env=env
        )
        for name in names
    ]
    assert [await process.wait() for process in made] == [0] * len(names)
    assert [*tomllib.loads((tmp_path / "raylane" / "contexts.toml").read_text("utf-8"))["contexts"]] == names


async def test_a_refused_login_names_where_its_password_comes_from(
    cli: Cli, valkey: EmbeddedValkey, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("wrong\n", encoding="utf-8")
    await cli("context", "set", "file", "--redis-url", valkey.url, "--username", "nobody", "--password-file", str(file))
    await cli("context", "set", "env", "--redis-url", valkey.url, "--username", "nobody", "--password-env", "PROD_PW")
    no_url = {"RAYLANE_REDIS__URL": "", "PROD_PW": "wrong"}
    for name, place in (("file", f"the file {file}"), ("env", "the variable PROD_PW")):
        said = (await cli("--context", name, "jobs", **no_url)).stderr
        assert f"check redis_username of the context {name}, and {place}, which has its password" in said
        assert "RAYLANE_REDIS__" not in said


async def test_an_address_without_redis_names_where_it_comes_from(cli: Cli) -> None:
    await cli("context", "set", "prod", "--redis-url", NOWHERE)
    said = (await cli("jobs", RAYLANE_REDIS__URL="")).stderr
    assert "set redis_url of the context prod to the address of Redis" in said
    assert "set --redis-url to the address" in (await cli("jobs", "--redis-url", NOWHERE)).stderr
    assert "set RAYLANE_REDIS__URL to the address" in (await cli("jobs", RAYLANE_REDIS__URL=NOWHERE)).stderr
