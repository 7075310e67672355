"""docs/mcp.md says what the server has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer
from typer.core import TyperGroup

from raylane.cli.app import app
from raylane.gateway.access.caller import Caller, Right
from raylane.mcp.answer_data import MAX_CELL, MAX_CHARACTERS
from raylane.mcp.outcomes import FIRST_ROWS
from raylane.mcp.prompts import PROMPTS
from raylane.mcp.resources import TEMPLATES
from raylane.mcp.tool import DEFAULT_WAIT_S, Tool
from raylane.mcp.tools import TOOLS
from raylane_common.wire.answer import MAX_INLINE_ROWS
from tests.helpers.mcp_results import refused
from tests.unit.producer.samples import GENERATED

if TYPE_CHECKING:
    from raylane.testing import MemoryProducer
    from tests.unit.mcp.conftest import Connect

PAGE = (Path(__file__).parents[3] / "docs" / "mcp.md").read_text(encoding="utf-8")


def test_the_table_of_tools_is_the_list_that_a_client_gets() -> None:
    rows = [line for line in PAGE.splitlines() if re.match(r"\| `\w+` \| `(session_id|job_id)`", line)]
    assert rows == [_row(tool) for tool in TOOLS.values()]


def _row(tool: Tool[Any, Any]) -> str:
    schema = tool.listed(has_session=False).input_schema
    names = [f"`{name}`{'' if name in schema['required'] else '?'}" for name in schema["properties"]]
    return f"| `{tool.name}` | {', '.join(names)} | {tool.title}{' (not over HTTP)' if tool.is_local else ''} |"


def test_limits_prompts_and_resources_are_those_of_the_server() -> None:
    for number in (MAX_CHARACTERS, MAX_CELL, MAX_INLINE_ROWS):
        assert f"{number:,} characters" in PAGE or f"{number:,} rows" in PAGE
    assert f"({FIRST_ROWS} after `ask`)" in PAGE
    assert f"{DEFAULT_WAIT_S:.0f} if the model says nothing" in PAGE
    assert all(f"`{one.name}`" in PAGE for one in PROMPTS)
    assert all(f"`{one.uri_template}`" in PAGE for one in TEMPLATES)


@pytest.mark.parametrize("block", re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL))
def test_the_configuration_of_clients_starts_the_server(block: str) -> None:
    configured = json.loads(block)
    [servers] = configured.values()
    server = servers["raylane"]
    if "command" in server:
        commands = typer.main.get_command(app)
        assert isinstance(commands, TyperGroup)
        assert server["command"] == "raylane"
        name, *options = server["args"]
        known = {option for parameter in commands.commands[name].params for option in parameter.opts}
        assert {option for option in options if option.startswith("--")} <= known
    else:
        assert server["url"].endswith("/mcp")
        assert server["headers"]["Authorization"].startswith("Bearer ")


ARGUMENTS = {
    "session_id": "ada",
    "filename": "a.csv",
    "content": "a",
    "s3_uri": "s3://bucket/key",
    "tables": ["a.b"],
    "name": "a.csv",
    "question": "count",
    "wait_s": 0,
}


async def test_every_tool_needs_the_right_that_the_table_names(connect: Connect, producer: MemoryProducer) -> None:
    rows = re.findall(r"\| (`ask` and `read`|`ask`|`read`) \| (.*?) \|", PAGE)
    job = await producer.generate("count", session_id="ada")
    await producer.succeed(job.id, GENERATED)
    seen: list[str] = []
    for rights, tools in rows:
        for name in [name for name in re.findall(r"`(\w+)`", tools) if name in TOOLS]:
            seen.append(name)
            fields = TOOLS[name].arguments.model_fields
            arguments = {field: each for field, each in (ARGUMENTS | {"job_id": job.id}).items() if field in fields}
            for right in map(Right, re.findall(r"`(\w+)`", rights)):
                others = Caller("others", frozenset(Right) - {right}, ("ada",))
                async with connect(caller=others) as client:
                    # Whoever may not read a job does not hear of it.
                    hidden = right is Right.READ and "job_id" in fields
                    code, _ = await refused(client, name, **arguments)
                    assert code == ("job_not_found" if hidden else "forbidden")
    assert sorted(seen) == sorted(name for name, tool in TOOLS.items() if not tool.is_local)
