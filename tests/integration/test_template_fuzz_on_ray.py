"""The double of Ray Data, on which random prompts are tried, prints what a real Ray prints."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.template.fuzz import fuzz
from tests.helpers import profiles
from tests.helpers.aws import s3
from tests.helpers.ray_scripts import Batch, run_batches

if TYPE_CHECKING:
    from raylane_worker.embedded import EmbeddedMoto

BUCKET = "fuzz"
PROMPTS = 400
SCRIPTS = 160
TIMEOUT_S = 700.0


@pytest.mark.skipif(
    profiles.PROFILE is not profiles.Profile.DEEP,
    reason="takes two minutes; test_template_on_ray compares some scripts",
)
@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.timeout(TIMEOUT_S + 60)
@pytest.mark.xdist_group("generated_code")
def test_scripts_of_random_prompts_print_the_same_on_ray(moto: EmbeddedMoto) -> None:
    scripts = Random(profiles.seed()).sample(fuzz(PROMPTS, profiles.seed()).scripts, SCRIPTS)
    codes = []

    async def run() -> list[tuple[str, str | None]]:
        async with s3(moto.url) as client:
            await client.create_bucket(Bucket=BUCKET)
            for number, (table, code, _) in enumerate(scripts):
                key = f"{number}.csv"
                await client.put_object(Bucket=BUCKET, Key=key, Body=table.data)
                codes.append(code.replace(repr(table.source.location), repr(f"s3://{BUCKET}/{key}")))
        return (await run_batches([Batch(codes)], moto.url, timeout_s=TIMEOUT_S))[0]

    results = asyncio.run(run())
    wrong = [
        f"{code}\nRay printed {output}{error or ''}\nthe double printed {expected}"
        for (_, code, expected), (output, error) in zip(scripts, results, strict=True)
        if error or output != expected
    ]
    assert wrong == [], f"{len(wrong)} of {len(scripts)}:\n" + "\n\n".join(wrong)
