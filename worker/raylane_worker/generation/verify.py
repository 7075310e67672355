"""Verification: the static checks that code passes before it may run.

They catch what a model gets wrong and most of what it might be talked into. They are no sandbox: what code can reach is
limited by the credentials, the network and the machine that Ray runs on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from raylane_common.wire.generate import Finding
from raylane_worker.generation.checks.columns import check_columns
from raylane_worker.generation.checks.names import check_names
from raylane_worker.generation.checks.paths import check_paths, sources_read
from raylane_worker.generation.checks.script import Script, parse
from raylane_worker.generation.checks.structure import check_flow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import CsvSource, TableSource

_MAX_FINDINGS: Final = 50


def verify(code: str, sources: Sequence[CsvSource | TableSource], *, output_prefix: str | None = None) -> list[Finding]:
    """What keeps the code from running, by line; empty if it may. At most 50 findings, each saying what to do.

    `output_prefix` ends in '/' and is where the code may write; without it, it may not. Executes nothing, and raises
    nothing whatever the code is.
    """
    script = parse(code)
    if isinstance(script, Finding):
        return [script]
    found = dict.fromkeys(_findings(script, sources, output_prefix))
    return sorted(found, key=lambda finding: (finding.line or 0, finding.rule))[:_MAX_FINDINGS]


def _findings(
    script: Script, sources: Sequence[CsvSource | TableSource], output_prefix: str | None
) -> Iterator[Finding]:
    read = sources_read(script, sources)
    yield from check_names(script)
    yield from check_paths(script, sources, output_prefix)
    yield from check_columns(script, read)
    yield from check_flow(script, read)
