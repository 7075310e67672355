"""The rules that the documentation gives to the users of Redis."""

from __future__ import annotations

import re
from pathlib import Path

PRODUCER, WORKER = "raylane-producer", "raylane-worker"
_PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def documented_rules(prefix: str = "") -> dict[str, list[str]]:
    """Returns each user's rules for keys without a prefix, or with the one in the documentation's example."""
    text = _PAGE.read_text(encoding="utf-8")
    if prefix:
        replaced = re.search(rf"With a prefix `{prefix}`, write `(.*)` in place of `(.*)`;", text)
        assert replaced is not None
        text = text.replace(replaced[2], replaced[1])
    found = (line.split() for line in text.splitlines() if line.startswith("user raylane-"))
    return {user: rules for _, user, *rules in found}


def password_of(user: str) -> str:
    """Returns the password that the rules give to a user."""
    return f"{user.removeprefix('raylane-').upper()}-PASSWORD"
