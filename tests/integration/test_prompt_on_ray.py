"""What the agents' prompt for the distributed engine and the checks say about Ray is true on a real Ray."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from raylane_common.ray.client import RayClient
from raylane_common.ray.package import build_package
from raylane_common.ray.settings import RaySettings
from raylane_common.wire.answer import Answer
from raylane_common.wire.generate import Engine
from raylane_worker.generation.agents.briefing import load_prompt
from raylane_worker.run_kit import LAUNCHER, kit_files
from tests.helpers import profiles
from tests.helpers.kit import described, place
from tests.unit.generation.prompt_statements import ANSWERS, DISTRIBUTED, EXAMPLE_CSV
from tests.unit.generation.ray_cases import (
    FAILS_ON_RAY,
    FINE_ON_RAY,
    IMPORTS,
    MISSING_PACKAGE,
    READ,
    REFUSED_METHODS,
    SALES,
    SALES_CSV,
    TEXT_NOT_ASCII,
    WRONG_ON_RAY,
    sales,
)
from tests.unit.generation.test_prompt_pieces import check_answers, check_example, upload
from tests.unit.generation.test_prompts import BETA, EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from raylane_worker.embedded import EmbeddedRay

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.chaos, pytest.mark.timeout(600)]

RUNNER: Final = Path(__file__).with_name("prompt_runner.py")
RESULTS: Final = "RESULTS "
# The environment of generated code for small sources.
ENVIRONMENT: Final = {
    "RAY_DATA_DEFAULT_SHUFFLE_STRATEGY": "sort_shuffle_pull_based",
    "RAY_DATA_ENABLE_ARROW_BACKED_PANDAS_CONVERSION": "0",
    "RAY_DATA_LOG_LEVEL": "ERROR",
}


def operations() -> str:
    """A piece that prints what the prompt lists and Ray does not have."""
    prose = load_prompt("engine_distributed").partition("# Operations\n")[2]
    lines = [line for line in prose.splitlines() if re.match("- (Methods|After|Aggregates|Expressions)", line)]
    lists = [re.findall(r"`((?:[\w.]+(?:\([^)]*\))? ){3,}[^`]*)`", line) for line in lines]
    names = [re.sub(r"\([^()]*(\(\))?\)", " ", " ".join(texts)).split() for texts in lists]
    assert [len(one) > 7 for one in names] == [True] * 4
    return (
        "import ray.data.aggregate\n"
        "owners = [[ds], [ds.groupby('city')], [ray.data.aggregate], [col('a'), col('a').str, col('a').dt]]\n"
        f"for names, owner in zip({names!r}, owners):\n"
        "    print([name for name in names if not any(hasattr(one, name) for one in owner)])\n"
    )


async def run(head: EmbeddedRay, directory: Path, pieces: Sequence[str]) -> list[list[str | None]]:
    """Runs all pieces in one driver, with the kit: starting one takes longer than most of them.

    What they answer is written into `out` in the directory.
    """
    lake, objects = upload(EXAMPLE_CSV)
    # Ray counts and splits by the rows that the record names.
    read = SALES.model_copy(update={"rows": len(SALES_CSV.splitlines()) - 1})
    place(directory, {**objects, SALES.location: SALES_CSV.encode()})
    files: dict[str, str | bytes] = {
        **kit_files(),
        "sources.json": described(directory, [read, lake], engine=Engine.DISTRIBUTED),
        "main.py": RUNNER.read_bytes(),
        "pieces.json": json.dumps([IMPORTS + READ, pieces]),
    }
    (directory / "out").mkdir()
    environment = {**ENVIRONMENT, "RAYLANE_OUTPUT_URI": str(directory / "out")}
    settings = RaySettings.model_validate({"private_url": head.url, "token": head.token, "poll_interval_s": 0.5})
    async with RayClient(settings) as client:
        package = build_package(files)
        await client.submit(
            submission_id="prompt", entrypoint=f"python -m {LAUNCHER}", package=package, env_vars=environment
        )
        await client.wait("prompt", timeout_s=500)
        logs = (await client.logs("prompt", max_bytes=8 * 1024 * 1024)).text
    lines = [line for line in logs.splitlines() if line.startswith(RESULTS)]
    assert len(lines) == 1, logs[-3000:]
    results: list[list[str | None]] = json.loads(lines[0].removeprefix(RESULTS))
    return results


async def test_what_the_prompt_and_the_checks_say_about_ray_is_true(ray_head: EmbeddedRay, tmp_path: Path) -> None:
    """What would only cost a run if it were not true is left to the deep profile."""
    is_deep = profiles.PROFILE is profiles.Profile.DEEP
    beta = f"{BETA}print(round(beta(2, 2, 0.25), 6))"
    right = [EXAMPLES[Engine.DISTRIBUTED], ANSWERS, beta, *(piece for piece, _ in DISTRIBUTED.values())]
    pairs = WRONG_ON_RAY.items() if is_deep else ()
    wrong = [sales(line) for pair in pairs for line in pair]
    fine = FINE_ON_RAY if is_deep else ()
    packages = (*MISSING_PACKAGE, *REFUSED_METHODS)
    fails = (*FAILS_ON_RAY, *TEXT_NOT_ASCII, *packages) if is_deep else ()
    results = iter(await run(ray_head, tmp_path, [*right, operations(), *wrong, *fine, *fails]))

    for name in ("the example", "all answers"):
        output, error = next(results)
        assert error is None, name
        assert output
    answer = Answer.model_validate_json((tmp_path / "out" / "answer.json").read_bytes())
    check_example(answer.items[:3])
    check_answers(answer.items[3:], answer.notes, {path.name for path in (tmp_path / "out").iterdir()})
    assert next(results) == ["0.15625\n", None]
    for name, (_, printed) in DISTRIBUTED.items():
        assert next(results) == [f"{printed}\n", None], name
    output, error = next(results)
    assert error is None
    assert str(output).splitlines() == ["[]"] * 4
    for piece, _ in pairs:
        (got, error), (expected, none) = next(results), next(results)
        assert (error, none) == (None, None), piece
        assert got != expected, piece
    for piece in fine:
        assert next(results)[1] is None, piece
    for piece in fails:
        _, error = next(results)
        assert error is not None, piece
        if piece in packages:
            assert any(word in error for word in ("ModuleNotFoundError", "ImportError", "jinja2", "cuDF")), piece
    assert next(results, None) is None
