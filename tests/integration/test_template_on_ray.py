"""Every form of the template generator about files and tables of every kind, in both engines, compared with pandas.

All local scripts run in this process. Of the distributed scripts about each source, one that is drawn runs on a real
Ray with S3 over HTTP.
"""

from __future__ import annotations

import asyncio
from functools import cache
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.names import Engine
from raylane_worker.generation.template.builder import MAX_LINES
from raylane_worker.generation.verify import verify
from tests.helpers import profiles
from tests.helpers.aws import s3
from tests.helpers.kit import kit, run_script
from tests.helpers.ray_scripts import RUN_TIMEOUT_S, Batch
from tests.integration.template_cases import BUCKET, STORE, Case, template_cases

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_worker.embedded import EmbeddedMoto
    from tests.helpers.kit import Ran

# One process runs all, since they share one driver.
pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(RUN_TIMEOUT_S + 60),
    pytest.mark.xdist_group("ray_head"),
]


@cache
def drawn_cases(weather: Path) -> list[Case]:
    """One case of each source, or all."""
    cases = template_cases(weather)
    if profiles.PROFILE is profiles.Profile.DEEP:
        return cases
    chance = Random(profiles.seed())
    return [chance.choice([*of_source]) for _, of_source in groupby(cases, lambda case: case.source.name)]


def batch(moto: EmbeddedMoto, weather: Path) -> Batch:
    """The distributed scripts of the drawn cases."""
    cases = drawn_cases(weather)

    async def store() -> None:
        async with s3(moto.url) as client:
            await client.create_bucket(Bucket=BUCKET)
            for key, body in STORE.objects.items():
                await client.put_object(Bucket=BUCKET, Key=key, Body=body)

    asyncio.run(store())
    sources = {case.source.location: case.source for case in cases}
    return Batch([case.code(Engine.DISTRIBUTED) for case in cases], [*sources.values()], STORE.partitions)


@pytest.mark.chaos
def test_distributed_scripts_give_the_answers_of_pandas(weather: Path, results_on_ray: list[Ran]) -> None:
    cases = drawn_cases(weather)
    wrong = [text for case, ran in zip(cases, results_on_ray, strict=True) for text in case.difference(ran)]
    assert wrong == [], "\n\n".join(wrong)


def test_local_scripts_give_the_answers_of_pandas(weather: Path) -> None:
    cases = template_cases(weather)
    sources = {case.source.location: case.source for case in cases}
    objects = {f"s3://{BUCKET}/{key}": body for key, body in STORE.objects.items()}
    with kit(objects, [*sources.values()], STORE.partitions) as package:
        wrong = [text for case in cases for text in case.difference(run_script(case.code(Engine.LOCAL), package))]
    assert len(cases) > 90
    assert wrong == [], "\n\n".join(wrong)


@pytest.mark.parametrize("engine", Engine)
def test_scripts_pass_verification_and_fit_on_a_screen(weather: Path, engine: Engine) -> None:
    for case in template_cases(weather):
        code = case.code(engine)
        assert verify(code, [case.source], engine) == [], f"{case.prompt}\n{code}"
        assert code.count("\n") <= MAX_LINES, code
