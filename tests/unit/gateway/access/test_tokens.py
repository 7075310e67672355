"""Callers by the tokens in a file, and what happens when the file changes."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.requests import HTTPConnection

from raylane.gateway.access.authentication import Authentication
from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.access.entries import digest_of, read_callers
from raylane.gateway.access.reader import Reader
from raylane.gateway.access.tokens import Tokens
from raylane_common.errors import InvalidRequest, Unauthenticated
from tests.helpers.gateways import gateway_settings, write_callers
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from pathlib import Path

ADA = {"rights": ["ask", "read"], "sessions": ["ada-"]}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "callers.json"


async def test_a_token_gives_its_holder_rights_in_the_sessions_with_a_prefix(path: Path) -> None:
    tokens = Tokens(write_callers(path, ada=ADA))
    caller = await tokens.caller_of("ada-token")
    assert caller == Caller("ada", frozenset({Right.ASK, Right.READ}), ("ada-",))
    assert caller.may(Right.ASK, "ada-1")
    assert not caller.may(Right.ASK, "adam")
    assert not caller.may(Right.READ, None)


@pytest.mark.parametrize("token", ["", "ada", "ada-token ", "ADA-TOKEN", digest_of("ada-token"), "x" * 10_000])
async def test_any_other_token_has_no_holder(path: Path, token: str) -> None:
    assert await Tokens(write_callers(path, ada=ADA)).caller_of(token) is None


async def test_a_star_means_all_sessions_and_no_sessions_means_none(path: Path) -> None:
    tokens = Tokens(write_callers(path, all={"rights": ["read"], "sessions": ["*"]}, operator={"rights": ["operate"]}))
    everywhere, operator = await tokens.caller_of("all-token"), await tokens.caller_of("operator-token")
    assert everywhere is not None
    assert operator is not None
    assert everywhere.may(Right.READ, "ada-1")
    assert not everywhere.may(Right.READ, None)
    assert operator.may(Right.READ, None)
    assert not operator.may(Right.OPERATE, "ada-1")


async def test_an_expired_token_is_refused_with_the_name_of_its_holder(path: Path) -> None:
    tokens = Tokens(write_callers(path, ada=ADA | {"expires": "2026-01-01T00:00:00Z"}))
    with pytest.raises(Unauthenticated, match="the token of ada has expired"):
        await tokens.caller_of("ada-token")


async def test_a_caller_keeps_its_name_while_a_new_token_replaces_the_old_one(path: Path) -> None:
    entries = [{"name": "ada", "sha256": digest_of(token), **ADA} for token in ("old", "new")]
    path.write_text(json.dumps({"callers": entries}))
    tokens = Tokens(path)
    assert await tokens.caller_of("old") == await tokens.caller_of("new")


async def test_a_changed_file_is_read_again(path: Path) -> None:
    tokens = Tokens(write_callers(path, ada=ADA), look_s=0)
    write_callers(path, bob=ADA)
    assert await tokens.caller_of("ada-token") is None
    assert await tokens.caller_of("bob-token") is not None


async def test_a_file_that_replaces_another_is_read_even_with_the_same_size_and_time(path: Path) -> None:
    tokens = Tokens(write_callers(path, ada=ADA), look_s=0)
    before = path.stat()
    new = write_callers(path.with_suffix(".new"), bob=ADA)
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    new.replace(path)
    assert path.stat().st_size == before.st_size
    assert await tokens.caller_of("bob-token") is not None


async def test_whoever_reads_for_long_is_refused_once_its_token_is_taken_back(
    path: Path,
) -> None:
    authentication = Authentication(gateway_settings(tokens_file=write_callers(path, ada=ADA)).gateway)
    authentication._tokens = Tokens(path, look_s=0)
    request = HTTPConnection({"type": "http", "headers": [(b"authorization", b"Bearer ada-token")]})
    reader = Reader(authentication, request, await authentication.caller_of(request), "ada-1", ask_s=0)
    await reader.check()
    write_callers(path, bob=ADA)
    with pytest.raises(Unauthenticated):
        await reader.check()


@pytest.mark.parametrize("content", ["", "{", "[]", '{"callers": [{"name": "ada"}]}', "\x00", None])
async def test_a_broken_new_file_keeps_the_callers_and_is_logged_once(
    path: Path, content: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = Tokens(write_callers(path, ada=ADA), look_s=0)
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    for _ in range(3):
        assert await tokens.caller_of("ada-token") is not None
    [record] = caplog.records
    assert "the callers stay as they were" in record.message
    assert str(path) in record.message
    write_callers(path, bob=ADA)
    assert await tokens.caller_of("bob-token") is not None


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"name": "a:b"}, "callers.0.name"),
        ({"name": ""}, "callers.0.name"),
        ({"sha256": "A" * 64}, "callers.0.sha256"),
        ({"sha256": "0"}, "callers.0.sha256"),
        ({"rights": []}, "callers.0.rights"),
        ({"rights": ["admin"]}, "callers.0.rights.0"),
        ({"sessions": [""]}, "callers.0.sessions.0"),
        ({"sessions": ["-ada"]}, "callers.0.sessions.0"),
        ({"sessions": ["ada*"]}, "callers.0.sessions.0"),
        ({"sessions": "ada-"}, "callers.0.sessions"),
        ({"expires": "2030-01-01T00:00:00"}, "callers.0.expires"),
        ({"expires": "2030"}, "callers.0.expires"),
        ({"expires": 1893456000}, "callers.0.expires"),
        ({"token": "secret"}, "callers.0.token"),
    ],
)
def test_a_wrong_entry_is_named_at_the_start(path: Path, entry: dict[str, object], named: str) -> None:
    good: dict[str, object] = {"name": "ada", "sha256": digest_of("t"), "rights": ["ask"], "sessions": ["ada-"]}
    path.write_text(json.dumps({"callers": [good | entry]}))
    with pytest.raises(InvalidRequest, match=r"gateway\.tokens_file") as caught:
        Tokens(path)
    assert f"{named}:" in caught.value.message


def test_one_token_cannot_have_two_holders(path: Path) -> None:
    entries = [{"name": name, "sha256": digest_of("t"), "rights": ["ask"]} for name in ("ada", "bob")]
    path.write_text(json.dumps({"callers": entries}))
    with pytest.raises(InvalidRequest, match="ada and bob have the same token"):
        Tokens(path)


def test_a_file_that_is_missing_at_the_start_is_named(path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"callers\.json cannot be read: No such file"):
        Tokens(path)


def test_a_pipe_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with pytest.raises(InvalidRequest, match="is not a file"):
        Tokens(path)


def test_a_file_that_is_no_list_of_callers_is_refused_by_its_size(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(9 * 1024 * 1024)
    with pytest.raises(InvalidRequest, match="is larger than"):
        read_callers(path)


@settings(max_examples=by_profile(fast=10, ci=40, deep=1000))
@given(content=st.binary(max_size=200) | st.recursive(st.none() | st.text(), st.lists).map(json.dumps).map(str.encode))
def test_no_content_of_the_file_raises_anything_but_an_invalid_request(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    with pytest.raises(InvalidRequest):
        read_callers(path)
