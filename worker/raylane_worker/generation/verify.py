"""Verification: the static checks that code must pass before it may run.

They catch a model's mistakes, and most of what a prompt or the data may make it write. They are not a sandbox: what
code can reach is limited by the credentials, the network and the nodes of the cluster. See docs/decisions/0004.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.generate import Finding
from raylane_worker.generation.checks.columns import check_columns
from raylane_worker.generation.checks.compiles import check_compiles
from raylane_worker.generation.checks.names import check_names
from raylane_worker.generation.checks.paths import check_paths, sources_read
from raylane_worker.generation.checks.script import AstScript, parse_script
from raylane_worker.generation.checks.structure import check_structure

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import Source

# A version with more findings must be rewritten anyway, and a record should not hold thousands.
_MAX_FINDINGS: Final = 50


def verify(code: str, sources: Sequence[Source]) -> list[Finding]:
    """Returns the reasons why the code may not run, sorted by line; an empty list if it may run.

    There are at most 50 findings, and each says what to do. Executes nothing, and never raises.
    """
    script = parse_script(code)
    if isinstance(script, Finding):
        return [script]
    findings = dict.fromkeys(_check_script(script, sources))
    return sorted(findings, key=lambda finding: (finding.line or 0, finding.rule))[:_MAX_FINDINGS]


def _check_script(script: AstScript, sources: Sequence[Source]) -> Iterator[Finding]:
    read = sources_read(script, sources)
    yield from check_compiles(script)
    yield from check_names(script)
    yield from check_paths(script, sources)
    yield from check_columns(script, read)
    yield from check_structure(script, read)
