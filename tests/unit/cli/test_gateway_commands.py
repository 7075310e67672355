"""`raylane gateway token` and `raylane audit`."""

from __future__ import annotations

import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from raylane import Producer
from raylane.cli.app import app
from raylane.gateway.access.caller import Caller, Right
from raylane.gateway.access.token_file import add_entry, new_token
from raylane.gateway.access.tokens import Tokens
from raylane_common.wire.audit import AuditEntry

if TYPE_CHECKING:
    from raylane_worker.embedded import EmbeddedValkey
    from tests.unit.cli.conftest import Cli

FILE = Path("callers.json")
ADA = ("gateway", "token", "ada", "--right", "ask", "--right", "read", "--session", "ada-")


def run(*arguments: str, **env: str) -> Any:
    return CliRunner().invoke(app, arguments, env=env)


async def test_a_token_is_printed_once_and_the_file_has_its_hash() -> None:
    made = run(*ADA, "--file", str(FILE))
    assert made.exit_code == 0
    token = made.stdout.strip()
    assert token not in FILE.read_text()
    assert await Tokens(FILE).caller_of(token) == Caller("ada", frozenset({Right.ASK, Right.READ}), ("ada-",))
    assert "a running gateway takes it" in made.stderr


def test_without_a_file_the_entry_is_printed() -> None:
    made = run(*ADA)
    token, entry = made.stdout.splitlines()
    assert json.loads(entry)["name"] == "ada"
    assert token not in entry
    assert list(Path().iterdir()) == []


def test_the_file_in_the_settings_gets_it() -> None:
    assert run(*ADA, RAYLANE_GATEWAY__TOKENS_FILE=str(FILE)).exit_code == 0
    assert json.loads(FILE.read_text())["callers"][0]["name"] == "ada"


def test_json_has_the_token_and_the_entry() -> None:
    found = json.loads(run(*ADA, "--expires", "90d", "--file", str(FILE), "--json").stdout)
    assert found["file"] == str(FILE)
    assert found["entry"]["expires"].endswith("Z")
    assert found["token"].startswith("raylane_tk_")


def test_a_prefix_that_ends_within_a_word_gets_a_note() -> None:
    made = run("gateway", "token", "ada", "--right", "ask", "--session", "ada", "--file", str(FILE))
    assert "ada also covers the sessions of others" in made.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("ada",), "right: missing"),
        (("ada", "--right", "read"), "session: missing; the right read needs"),
        (("ada", "--right", "ask", "--session", ""), "sessions.0: must be the beginning of session ids"),
        (("ada", "--right", "ask", "--session", "ada*"), "sessions.0: must be"),
        (("a:b", "--right", "operate"), "name: must be 1 to 100 letters"),
        (("ada", "--right", "operate", "--expires", "soon"), "expires: soon is not a time"),
        (("ada", "--right", "operate", "--expires", "0d"), "expires: 0d is not a time"),
        (("ada", "--right", "operate", "--expires", "9999999d"), "expires: 9999999d is not a time"),
        (("ada", "--right", "operate", "--expires", "2020-01-31"), "is past"),
        (("ada", "--right", "operate", "--file", "none/callers.json"), "none/callers.json cannot be written"),
        (("ada", "--right", "operate", "--file", "."), "is not a file"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_made(arguments: tuple[str, ...], problem: str) -> None:
    made = run("gateway", "token", *arguments)
    assert made.exit_code == 2
    assert problem in made.stderr
    assert "raylane_tk_" not in made.output
    assert list(Path().iterdir()) == []


def test_a_file_that_is_wrong_stays_as_it_is() -> None:
    FILE.write_text('{"callers": [7]}')
    assert run(*ADA, "--file", str(FILE)).exit_code == 2
    assert FILE.read_text() == '{"callers": [7]}'
    assert [path.name for path in Path().iterdir()] == [FILE.name]


def test_a_new_file_is_for_its_owner_alone_and_an_old_one_keeps_its_mode() -> None:
    add_entry(FILE, new_token("ada", [Right.OPERATE], []).entry)
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o600
    FILE.chmod(0o640)
    add_entry(FILE, new_token("bob", [Right.OPERATE], []).entry)
    assert stat.S_IMODE(FILE.stat().st_mode) == 0o640


def test_a_link_keeps_leading_to_the_file() -> None:
    Path("real").mkdir()
    FILE.symlink_to("real/callers.json")
    add_entry(FILE, new_token("ada", [Right.OPERATE], []).entry)
    assert FILE.is_symlink()
    assert os.listdir("real") == ["callers.json"]


def test_entries_that_are_added_at_the_same_time_are_all_there() -> None:
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda number: add_entry(FILE, new_token(f"caller-{number}", [Right.OPERATE], []).entry), range(24)
            )
        )
    names = {entry["name"] for entry in json.loads(FILE.read_text())["callers"]}
    assert names == {f"caller-{number}" for number in range(24)}
    assert os.listdir() == [FILE.name]


def test_the_server_does_not_start_where_everybody_reaches_it() -> None:
    refused = run("gateway", "--host", "0.0.0.0", "--port", "0")
    assert refused.exit_code == 2
    assert "RAYLANE_GATEWAY__TOKENS_FILE" in refused.stderr


async def test_the_audit_is_listed_page_by_page(cli: Cli, valkey: EmbeddedValkey) -> None:
    async with Producer(redis_url=valkey.url) as producer:
        entries = [
            AuditEntry(
                at_ms=1_800_000_000_000 + number,
                caller="ada\x1b[2J",
                method="POST",
                route="/v1/jobs",
                session_id="ada-1",
                status=202,
            )
            for number in range(3)
        ]
        await producer.operator.add_to_audit(entries, keep=10, ttl_s=3600)
    first = await cli("audit", "--limit", "2")
    assert "POST /v1/jobs" in first.stdout
    assert "\x1b" not in first.stdout
    before = first.stderr.split()[-1]
    rest = json.loads((await cli("audit", "--before", before, "--json")).stdout)
    assert [entry["at_ms"] for entry in rest] == [1_800_000_000_000]
    assert (await cli("audit", "--before", "x")).exit_code == 2


async def test_an_empty_audit_says_so(cli: Cli) -> None:
    assert "no such writes" in (await cli("audit")).stderr
