"""The rules that the documentation gives to the users of Redis."""

from __future__ import annotations

import re
from pathlib import Path

PRODUCER, OPERATOR, WORKER = "raylane-producer", "raylane-operator", "raylane-worker"
_PAGE = Path(__file__).parents[2] / "docs" / "operations.md"


def documented_rules(prefix: str = "") -> dict[str, list[str]]:
    """Returns each user's rules, for keys without a prefix or changed as the documentation says for one."""
    text = _PAGE.read_text(encoding="utf-8")
    found = [line.split() for line in text.splitlines() if line.startswith("user raylane-")]
    return {user: [_prefixed(rule, prefix, text) for rule in rules] for _, user, *rules in found}


def _prefixed(rule: str, prefix: str, text: str) -> str:
    start = re.match(r"%[RW]~|~|&", rule)
    if not prefix or start is None:
        return rule
    kind = start[0]
    assert f"`{kind}{{{prefix}}}:raylane:" in text, "the documentation shows each form for this prefix"
    return f"{kind}{{{prefix}}}:{rule.removeprefix(kind)}"


def password_of(user: str) -> str:
    """Returns the password that the rules give to a user."""
    return f"{user.removeprefix('raylane-').upper()}-PASSWORD"
