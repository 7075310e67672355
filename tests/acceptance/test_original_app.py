"""A client of the original app: its documented requests, sent by curl, and what its web page does."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from tests.acceptance.conftest import TIMEOUT_S
from tests.helpers.glue_tables import definition

if TYPE_CHECKING:
    from types_aiobotocore_glue import GlueClient

pytestmark = pytest.mark.timeout(600)

PAGE: Final = Path(__file__).parents[2] / "docs" / "original-app.md"
_REQUEST: Final = re.compile(
    r"^### (.+?)\n(?:(?!^###).)*?```sh\n(.*?)```(?:(?!^###).)*?^Here, (\d+):\n\n```json\n(.*?)```", re.M | re.S
)
# What the page writes for a value that every run changes.
_ANYTHING: Final = "…"


async def test_the_documented_requests_are_answered_as_the_page_shows(gateway: str) -> None:
    requests = _REQUEST.findall(PAGE.read_text(encoding="utf-8"))
    assert len(requests) == PAGE.read_text(encoding="utf-8").count("\n### ")
    for title, command, status, shown in requests:
        # The request stays as it is documented, but for the address.
        code, answer = await _shell(command.replace("http://localhost:8000", gateway))
        assert code == int(status), f"{title}: {answer}"
        assert _is_like(answer, json.loads(shown)), f"{title}\n{json.dumps(answer, indent=2)}\nis not like\n{shown}"


async def _shell(command: str) -> tuple[int, Any]:
    """Runs a command of curl; returns the status and the JSON of the answer."""
    whole = command.rstrip() + " --silent --show-error --max-time 200 --write-out '\\n%{http_code}'"
    process = await asyncio.create_subprocess_shell(
        whole, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, problem = await asyncio.wait_for(process.communicate(), TIMEOUT_S + 60)
    assert process.returncode == 0, problem.decode()
    answer, _, status = printed.decode().rpartition("\n")
    return int(status), json.loads(answer)


def _is_like(answer: Any, shown: Any) -> bool:
    """Whether the answer has the same fields, and the same values where the page shows them."""
    match shown:
        case dict():
            same_fields = isinstance(answer, dict) and list(answer) == list(shown)
            return same_fields and all(_is_like(answer[name], value) for name, value in shown.items())
        case list():
            same_length = isinstance(answer, list) and len(answer) == len(shown)
            return same_length and all(map(_is_like, answer, shown))
        case str() if _ANYTHING in shown:
            pattern = ".*".join(map(re.escape, shown.split(_ANYTHING)))
            return shown == _ANYTHING or re.fullmatch(pattern, answer, re.S) is not None
        case _:
            return bool(answer == shown)


async def test_the_steps_of_the_web_page(gateway: str, glue: GlueClient) -> None:
    """Upload, ask, run, reset, look at the history, and run from there what was run before."""
    async with httpx.AsyncClient(base_url=gateway, timeout=TIMEOUT_S) as client:

        async def send(path: str, **body: object) -> Any:
            answer = await client.post(path, json=body)
            assert answer.status_code == 200, answer.text
            assert answer.json()["success"] is True
            return answer.json()

        # The page makes such an id when it is loaded.
        session = "5f0c3d7e-52b5-4d4a-9a5e-1c8a1c0f6a4b"
        content = "region,amount\nnorth,1\nsouth,2\nnorth,4\n"
        await send("/upload-csv", filename="sales.csv", content=content, session_id=session)
        generated = await send("/generate", prompt="sum of amount by region", session_id=session)
        body = {"code": generated["code"], "session_id": session, "interactive": False, "inputs": None}
        executed = await send("/execute", **body)
        assert re.search(r"north\s+5\nsouth\s+2", executed["output"])
        await send(f"/sessions/{session}/reset")
        assert (await send("/execute", **body))["output"] == executed["output"]
        history = (await client.get(f"/history/{session}")).json()
        assert [entry["prompt"] for entry in history["conversation_history"]] == ["sum of amount by region"]
        assert [(entry["code"], entry["result"]) for entry in history["execution_results"]] == [
            (generated["code"], executed["output"])
        ] * 2

        await glue.create_database(DatabaseInput={"Name": "original"})
        table: Any = {"Name": "orders"} | definition(columns={f"c{number}": "bigint" for number in range(7)})
        await glue.create_table(DatabaseName="original", TableInput=table)
        assert "original" in (await client.get("/glue/databases")).json()["databases"]
        tables = (await client.get("/glue/tables/original")).json()["tables"]
        shown = [{"name": f"c{number}", "type": "bigint"} for number in range(5)]
        assert tables == [{"name": "orders", "location": "s3://lake/sales/orders/", "columns": shown}]
        names = [{"database": "original", "table": "orders"}]
        selected = await send(f"/sessions/{session}/select-tables", tables=names, session_id=session)
        assert selected["selected_tables"] == [names[0] | {"location": "s3://lake/sales/orders/"}]
        missing = await client.post(
            f"/sessions/{session}/select-tables", json={"tables": [{"database": "original", "table": "none"}]}
        )
        assert (missing.status_code, missing.json()["error_code"]) == (404, "table_not_found")
        assert (await send(f"/sessions/{session}/select-tables", tables=[]))["selected_tables"] == []

        # The page sends all settings with every change; here none of them changes.
        settings = (await client.get("/settings")).json()
        sent = {
            "ray_private_ip": settings["ray_cluster"]["private_ip"],
            "ray_public_ip": settings["ray_cluster"]["public_ip"],
            "s3_bucket": settings["s3"]["bucket"],
            "global_bedrock_model": settings["global"]["bedrock_model"],
            "global_bedrock_region": settings["global"]["bedrock_region"],
            "spark_max_retries": 3,
        }
        assert (await send("/settings", **sent))["ignored"] == ["spark_max_retries"]
        assert (await client.get("/settings")).json() == settings
