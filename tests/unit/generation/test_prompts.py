"""What the prompts say is what the checks allow. That it is true on Ray is shown by test_prompt_on_ray."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

import pytest

from raylane_common.wire.generate import Engine
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.agents.briefing import load_prompt
from raylane_worker.generation.agents.coder import PROMPTS
from raylane_worker.generation.checks.allowed.modules import modules_of
from raylane_worker.generation.checks.cluster import MISSING_PACKAGES
from raylane_worker.generation.verify import verify
from tests.unit.generation.schemas import column, csv_source

if TYPE_CHECKING:
    from collections.abc import Callable

_BLOCKS: Final = {engine: re.findall(r"```python\n(.*?)```", PROMPTS[engine], re.DOTALL) for engine in Engine}
EXAMPLES: Final = {engine: example for engine, (example, _) in _BLOCKS.items()}
BETA: Final = _BLOCKS[Engine.LOCAL][1]
INLINE: Final = re.findall(
    r"`([^`\n]+)`", re.sub(r"```python\n.*?```", "", load_prompt("code_generation"), flags=re.DOTALL)
)
# The source of the examples.
LAKE: Final = csv_source(
    "sales.csv",
    (
        column("city", ColumnType.STRING),
        column("kind", ColumnType.STRING),
        column("price", ColumnType.NUMBER),
        column("amount", ColumnType.INTEGER),
    ),
    s3_uri="s3://lake/sessions/ada/csv/sales.csv",
)

each_engine = pytest.mark.parametrize("engine", Engine)


@each_engine
def test_the_modules_in_the_prompt_and_in_the_finding_are_those_that_the_checks_allow(engine: Engine) -> None:
    (listed,) = re.findall(r"^- Modules: ([\w., ]+?)\. ", PROMPTS[engine], re.MULTILINE)
    assert set(listed.split(", ")) == modules_of(engine)
    (finding,) = verify(EXAMPLES[engine] + "import scipy.stats\n", [LAKE], engine)[:1]
    assert finding.message.endswith(f"; use only {listed}")


@each_engine
def test_the_prompt_names_the_packages_that_are_missing_and_nothing_is_left_to_fill_in(engine: Engine) -> None:
    assert f"but not {', '.join(MISSING_PACKAGES)}." in PROMPTS[engine]
    assert re.findall(r"\{(engine|imports|missing)\}", PROMPTS[engine]) == []
    assert load_prompt("supervisor").count("{") == 0


@pytest.mark.parametrize(("engine", "characters"), [(Engine.LOCAL, 8_000), (Engine.DISTRIBUTED, 10_000)])
def test_the_prompt_costs_about_2500_tokens_at_most_and_2000_without_ray(engine: Engine, characters: int) -> None:
    """At four characters per token, which is what English and Python have."""
    assert len(PROMPTS[engine]) <= characters


def test_each_prompt_is_about_its_own_engine() -> None:
    local, distributed = PROMPTS[Engine.LOCAL], PROMPTS[Engine.DISTRIBUTED]
    assert re.findall(r"\bray\.|Dataset|take_all|block", local) == []
    assert "merge" not in distributed
    for word in ("print(", "override_num_blocks", "read_csv", "small_data", "reader"):
        assert word not in local + distributed


@each_engine
def test_the_example_passes_verification_and_fits_on_a_screen(engine: Engine) -> None:
    assert verify(EXAMPLES[engine], [LAKE], engine) == []
    assert len(EXAMPLES[engine].splitlines()) < 25


@each_engine
def test_the_function_for_p_values_passes_verification(engine: Engine) -> None:
    script = f'import math\n{BETA}\n{EXAMPLES[engine]}answer.value("p", beta(1.0, 2.0, 0.5))\n'
    assert verify(script, [LAKE], engine) == []


# From tables of critical values: the formula's variables, and the two-sided level.
CRITICAL: Final = [
    ("math.erfc", {"z": 1.959964}, 0.05),
    ("math.erfc", {"z": -2.575829}, 0.01),
    ("beta(df", {"t": 12.7062, "df": 1}, 0.05),
    ("beta(df", {"t": -2.228139, "df": 10}, 0.05),
    ("beta(df", {"t": 2.0796, "df": 21}, 0.05),
    ("beta(df", {"t": 3.3905, "df": 100}, 0.001),
    ("beta(df", {"t": 1.962339, "df": 1000}, 0.05),
    ("beta(d2", {"f": 161.4476, "d1": 1, "d2": 1}, 0.05),
    ("beta(d2", {"f": 3.3541, "d1": 2, "d2": 27}, 0.05),
    ("beta(d2", {"f": 1.9267, "d1": 10, "d2": 100}, 0.05),
    ("k % 2", {"x": 3.841459, "k": 1}, 0.05),
    ("k % 2", {"x": 9.21034, "k": 2}, 0.01),
    ("k % 2", {"x": 7.814728, "k": 3}, 0.05),
    ("k % 2", {"x": 67.50481, "k": 50}, 0.05),
]


@pytest.mark.parametrize(("begins", "variables", "level"), CRITICAL)
def test_the_formulas_for_p_values_agree_with_tables(begins: str, variables: dict[str, float], level: float) -> None:
    (formula,) = [text for text in INLINE if text.startswith(begins)]
    names: dict[str, object] = {"math": math, **variables}
    exec(BETA, names)
    assert eval(formula, names) == pytest.approx(level, rel=2e-3)


def test_the_beta_function_is_exact_for_polynomials_and_symmetric() -> None:
    names: dict[str, object] = {"math": math}
    exec(BETA, names)
    beta: Callable[[float, float, float], float] = names["beta"]  # type: ignore[assignment]  # defined by the prompt
    for x in (1e-6, 0.1, 0.5, 0.9, 0.999):
        assert beta(1, 1, x) == pytest.approx(x, rel=1e-12)
        assert beta(3, 1, x) == pytest.approx(x**3, rel=1e-12)
        assert beta(2, 2, x) == pytest.approx(x * x * (3 - 2 * x), rel=1e-11)
        assert beta(0.5, 0.5, x) == pytest.approx(2 / math.pi * math.asin(math.sqrt(x)), rel=1e-11)
        assert beta(40.5, 7, x) == pytest.approx(1 - beta(7, 40.5, 1 - x), abs=1e-12)
