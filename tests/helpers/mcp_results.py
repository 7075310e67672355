"""Reads the results of tools of an MCP server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from mcp.types import CallToolResult, ImageContent, TextContent

if TYPE_CHECKING:
    from mcp.client import Client

_MARK = re.compile(r"\b[0-9a-f]{8}\b")


async def call(client: Client, tool: str, /, **arguments: Any) -> dict[str, Any]:
    """Calls a tool, and returns its structured result."""
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, said(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def refused(client: Client, tool: str, /, **arguments: Any) -> tuple[str, str]:
    """Calls a tool that fails, and returns the code of the error and what it says."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error, said(result)
    assert result.meta is not None
    return result.meta["raylane/error"]["code"], said(result)


def said(result: CallToolResult) -> str:
    """Returns the text of a result, with each random mark as MARK."""
    return _MARK.sub("MARK", "\n".join(each.text for each in result.content if isinstance(each, TextContent)))


def images(result: CallToolResult) -> list[ImageContent]:
    """Returns the images of a result."""
    return [each for each in result.content if isinstance(each, ImageContent)]
