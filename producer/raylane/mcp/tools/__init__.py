"""The tools, one module for each kind of thing: every module has its tools in `TOOLS`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from raylane.mcp.tools import answers, asking, catalog, jobs, sources

if TYPE_CHECKING:
    from raylane.mcp.tool import Tool

TOOLS: Final[dict[str, Tool[Any, Any]]] = {  # Any: each tool has its own arguments and result
    tool.name: tool for module in (sources, catalog, asking, answers, jobs) for tool in module.TOOLS
}
"""All tools by name, in the order in which a client lists them."""
