"""Prompts: what a person can pick from a menu of the client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mcp.types import GetPromptResult, Prompt, PromptArgument, PromptMessage, TextContent

from raylane_common.errors import InvalidRequest
from raylane_common.safe_text import safe_line

if TYPE_CHECKING:
    from collections.abc import Mapping

_SESSION: Final = PromptArgument(name="session_id", description="The session with the data")
PROMPTS: Final = (
    Prompt(
        name="answer",
        title="Answer a question about data",
        description="Looks at the data of a session, asks, and reports the answer with its chart.",
        arguments=[PromptArgument(name="question", description="The question", required=True), _SESSION],
    ),
    Prompt(
        name="explore",
        title="Explore data",
        description="Describes the data of a session, and proposes questions about it.",
        arguments=[_SESSION],
    ),
)

_TEXTS: Final = {
    "answer": "Answer this question with the tools of Raylane: {question}\n\n"
    "Look at the sources first{session}. Ask in the words of their columns; if the question is refused, say it again "
    "as the error advises. Wait until the job has ended. Report the answer with its numbers as they are, say how the "
    "question was read, and show the chart if there is one.",
    "explore": "Describe the data{session} with the tools of Raylane: its sources, their columns and types, and what "
    "stands out in their profiles, such as missing values. Then propose three questions about it, and ask the first.",
}


def prompt(name: str, arguments: Mapping[str, str], session_id: str | None) -> GetPromptResult:
    """Returns a prompt with its arguments filled in. Raises `InvalidRequest` for an unknown name or argument."""
    known = next((one for one in PROMPTS if one.name == name), None)
    if known is None:
        raise InvalidRequest.field("name", f"must be one of {', '.join(one.name for one in PROMPTS)}")
    names = [argument.name for argument in known.arguments or ()]
    unknown = sorted(set(arguments) - set(names))
    if unknown:
        raise InvalidRequest.field(safe_line(unknown[0])[:100], f"unknown; the arguments are {', '.join(names)}")
    for argument in known.arguments or ():
        if argument.required and not arguments.get(argument.name, "").strip():
            raise InvalidRequest.field(argument.name, "required")
    session = session_id or safe_line(arguments.get("session_id", ""))
    text = _TEXTS[name].format(
        question=arguments.get("question", ""), session=f" of session {session}" if session else ""
    )
    return GetPromptResult(
        description=known.description, messages=[PromptMessage(role="user", content=TextContent(text=text))]
    )
