"""Both engines give the answers of DuckDB to random questions; the distributed one on a real Ray.

Every second dataset has several blocks, as that of a large source.
"""

from __future__ import annotations

import asyncio
from functools import cache
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.names import Engine
from raylane_worker.generation.template.emit import emit_script
from raylane_worker.generation.template.values import quoted
from tests.fuzz.engines.compare import difference, engine_difference
from tests.fuzz.engines.pairs import draw_pairs
from tests.fuzz.engines.reference import expected
from tests.fuzz.engines.tables import BUCKET
from tests.helpers import profiles
from tests.helpers.aws import s3
from tests.helpers.kit import kit, run_script
from tests.helpers.ray_scripts import RUN_TIMEOUT_S, Batch

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_worker.embedded import EmbeddedMoto
    from raylane_worker.generation.template.question import Question
    from tests.fuzz.engines.tables import Table
    from tests.helpers.kit import Ran

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.chaos,
    pytest.mark.timeout(RUN_TIMEOUT_S + 60),
    pytest.mark.xdist_group("ray_head"),
]


PAIRS = profiles.by_profile(fast=20, ci=20, deep=250)


@cache
def pairs() -> list[tuple[Table, Question]]:
    return draw_pairs(PAIRS, profiles.seed())


def batch(moto: EmbeddedMoto, _: Path) -> Batch:
    """The distributed script of each pair."""

    async def store() -> None:
        async with s3(moto.url) as client:
            await client.create_bucket(Bucket=BUCKET)
            for table, _ in pairs():
                for uri, body in table.objects.items():
                    await client.put_object(Bucket=BUCKET, Key=uri.removeprefix(f"s3://{BUCKET}/"), Body=body)

    asyncio.run(store())
    codes = []
    for number, (table, question) in enumerate(pairs()):
        code = emit_script(question, "# header", engine=Engine.DISTRIBUTED, chart=True)
        read = f"read({quoted(table.source.location)})"
        assert read in code
        codes.append(code.replace(read, f"{read}.repartition(3)") if number % 2 else code)
    return Batch(codes, [table.source for table, _ in pairs()])


def test_both_engines_give_the_answers_of_duckdb(results_on_ray: list[Ran]) -> None:
    wrong = []
    for (table, question), distributed in zip(pairs(), results_on_ray, strict=True):
        with kit(table.objects, [table.source]) as package:
            local = run_script(emit_script(question, "# header", engine=Engine.LOCAL, chart=True), package)
        right = expected(question, table)
        if local.answer is None or distributed.answer is None:
            problem = local.error or distributed.error
        else:
            scale = right.scale if right else 0.0
            problem = difference(distributed.answer, right) or engine_difference(
                local.answer, distributed.answer, scale
            )
        if problem:
            code = emit_script(question, "# header", engine=Engine.DISTRIBUTED, chart=True)
            wrong.append(f"{code}\n{problem}\nthe table is {table.data.to_pydict()} of {table.data.schema.types}")
    assert wrong == [], f"{len(wrong)} of {PAIRS}:\n" + "\n\n".join(wrong)
