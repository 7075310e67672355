"""Distributed scripts of the template generator give the answers that are written by hand, on a real Ray.

Of the cases about each file, one that is drawn runs. `test_template_answers.py` runs all local scripts.
"""

from __future__ import annotations

import asyncio
from functools import cache
from itertools import groupby
from random import Random
from typing import TYPE_CHECKING

import pytest

from raylane_common.wire.names import Engine
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.helpers import profiles
from tests.helpers.aws import s3
from tests.helpers.ray_scripts import RUN_TIMEOUT_S, Batch
from tests.integration.hand_cases import BUCKET, Case, hand_cases

if TYPE_CHECKING:
    from pathlib import Path

    from raylane_common.wire.sources import FileSource
    from raylane_worker.embedded import EmbeddedMoto
    from tests.helpers.kit import Ran

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.timeout(RUN_TIMEOUT_S + 60),
    pytest.mark.xdist_group("ray_head"),
]


@cache
def drawn_cases() -> list[Case]:
    """One case about each file, or all."""
    cases = [*hand_cases()]
    if profiles.PROFILE is profiles.Profile.DEEP:
        return cases
    chance = Random(profiles.seed())
    return [chance.choice([*of_file]) for _, of_file in groupby(cases, lambda case: case.filename)]


def batch(moto: EmbeddedMoto, _: Path) -> Batch:
    """The distributed scripts of the drawn cases."""
    sources: dict[str, FileSource] = {}
    objects: dict[str, bytes] = {}
    for case in drawn_cases():
        sources[case.filename], found = case.upload()
        objects |= found

    async def store() -> None:
        async with s3(moto.url) as client:
            await client.create_bucket(Bucket=BUCKET)
            for key, body in objects.items():
                await client.put_object(Bucket=BUCKET, Key=key, Body=body)

    asyncio.run(store())
    codes = [write(case.prompt, [sources[case.filename]], engine=Engine.DISTRIBUTED).code for case in drawn_cases()]
    return Batch(codes, [*sources.values()])


@pytest.mark.chaos
def test_distributed_scripts_give_the_answers_that_are_written_by_hand(results_on_ray: list[Ran]) -> None:
    found = [case.difference(ran) for case, ran in zip(drawn_cases(), results_on_ray, strict=True)]
    wrong = [*filter(None, found)]
    assert wrong == [], "\n\n".join(wrong)


def test_distributed_scripts_pass_verification() -> None:
    for case in hand_cases():
        source, _ = case.upload()
        code = write(case.prompt, [source], engine=Engine.DISTRIBUTED).code
        assert verify(code, [source], Engine.DISTRIBUTED) == [], f"{case.prompt}\n{code}"
