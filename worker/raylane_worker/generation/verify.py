"""Verification: the static checks that code must pass before it may run.

They catch a model's mistakes, and most of what a prompt or the data may make it write. They are not a sandbox: what
code can reach is limited by the credentials, the network and the nodes of the cluster. See docs/decisions/0004
and 0024.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from raylane_common.wire.generate import Finding
from raylane_common.wire.names import Engine
from raylane_worker.generation.checks.answering import check_answers
from raylane_worker.generation.checks.cluster import check_cluster
from raylane_worker.generation.checks.columns import check_columns
from raylane_worker.generation.checks.compiles import check_compiles
from raylane_worker.generation.checks.flow import follow
from raylane_worker.generation.checks.literals import check_literals
from raylane_worker.generation.checks.locations import Locations
from raylane_worker.generation.checks.names import check_names
from raylane_worker.generation.checks.operators import check_operators
from raylane_worker.generation.checks.reading import check_reading
from raylane_worker.generation.checks.script import TOO_COMPLEX, AstScript, OutOfTime, parse_script
from raylane_worker.generation.checks.structure import check_structure
from raylane_worker.generation.checks.variables import Variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from raylane_common.wire.sources import Source

# A version with more findings must be rewritten anyway, and a record should not hold thousands.
_MAX_FINDINGS: Final = 50
# The checks stop at this number, because messages take time to make. It is larger, since the first 50 lines count.
_MAX_FOUND: Final = 200
# Messages quote the script and the data, and may list 20 names. The beginning says what to do.
_MAX_MESSAGE_CHARACTERS: Final = 2000


def verify(code: str, sources: Sequence[Source], engine: Engine = Engine.DISTRIBUTED) -> list[Finding]:
    """Returns the reasons why the code may not run by this engine, sorted by line; an empty list if it may run.

    There are at most 50 findings, and each says what to do in at most 2,000 characters. Executes nothing, and never
    raises. Takes less than 0.1 s of CPU time for any text: call it in a thread.
    """
    script = parse_script(code)
    if isinstance(script, Finding):
        return [_clip(script)]
    try:
        findings = dict.fromkeys(islice(_check_script(script, sources, engine), _MAX_FOUND))
    except (OutOfTime, RecursionError):
        return [TOO_COMPLEX]
    first = sorted(findings, key=lambda finding: (finding.line or 0, finding.rule))[:_MAX_FINDINGS]
    return list(map(_clip, first))


async def verify_in_thread(code: str, sources: Sequence[Source], engine: Engine = Engine.DISTRIBUTED) -> list[Finding]:
    """Returns what `verify` returns. Meanwhile the event loop continues."""
    return await asyncio.to_thread(verify, code, sources, engine)


def _clip(finding: Finding) -> Finding:
    if len(finding.message) <= _MAX_MESSAGE_CHARACTERS:
        return finding
    return finding.model_copy(update={"message": f"{finding.message[: _MAX_MESSAGE_CHARACTERS - 1]}…"})


def _check_script(parsed: AstScript, sources: Sequence[Source], engine: Engine) -> Iterator[Finding]:
    variables = Variables(parsed)
    script = replace(parsed, references=variables.references)
    locations = Locations(script, sources)
    yield from check_compiles(script)
    yield from check_names(script, variables, locations.read, engine)
    yield from check_reading(script, locations)
    yield from check_answers(script, locations)
    yield from check_literals(script, locations)
    found = follow(script, locations, engine)
    yield from check_columns(found.missing, locations.read)
    yield from check_structure(script, found, engine)
    if engine is Engine.DISTRIBUTED:
        yield from check_operators(script, locations.read)
    yield from check_cluster(script, found.absent)
