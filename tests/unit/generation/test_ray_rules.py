"""The checks find what fails on Ray or is wrong there, and nothing in what is right.

That Ray behaves so is shown by tests/integration/test_prompt_on_ray.py.
"""

from __future__ import annotations

import pytest

from raylane_worker.generation.verify import verify
from tests.unit.generation.ray_cases import (
    FAILS_ON_RAY,
    FINE_ON_RAY,
    MISSING_PACKAGE,
    REFUSED_METHODS,
    SALES,
    TEXT_NOT_ASCII,
    WRONG_ON_RAY,
    sales,
    script,
)

FOUND = [
    *(("fails_on_ray", line) for line in FAILS_ON_RAY),
    *(("text_not_ascii", line) for line in TEXT_NOT_ASCII),
    *(("missing_package", line) for line in MISSING_PACKAGE),
    *(("wrong_result", sales(wrong)) for wrong in WRONG_ON_RAY),
]


@pytest.mark.parametrize(("rule", "line"), FOUND)
def test_what_fails_or_is_wrong_on_ray_is_a_finding_that_says_what_to_write(rule: str, line: str) -> None:
    (message,) = {finding.message for finding in verify(script(line), [SALES]) if finding.rule == rule}
    assert any(
        word in message for word in ("; write ", "; use ", "; print", "; compute ", "; leave ", "; round ", "; an ")
    )


@pytest.mark.parametrize("line", REFUSED_METHODS)
def test_other_methods_that_need_a_package_are_not_allowed(line: str) -> None:
    assert "method_not_allowed" in {finding.rule for finding in verify(script(line), [SALES])}


@pytest.mark.parametrize("line", [*FINE_ON_RAY, *(sales(right) for right in WRONG_ON_RAY.values())])
def test_what_is_right_on_ray_is_no_finding(line: str) -> None:
    assert [finding.rule for finding in verify(script(line), [SALES])] == []


def test_a_column_whose_type_the_script_may_change_is_not_taken_for_an_integer() -> None:
    half = sales("with_column('x', col('amount') / 2)")
    assert {finding.rule for finding in verify(script(half), [SALES])} == {"wrong_result"}
    for line in (
        "ds = ds.map_batches(lambda batch: batch.astype(float), batch_format='pandas')",
        "ds = ds.with_column('amount', col('price') * 2)",
        "ds = ds.groupby('city').aggregate(Mean('price', alias_name='amount'))",
        "ds = ds.rename_columns({'amount': 'n', 'price': 'amount'})",
    ):
        assert [finding.rule for finding in verify(script(line, half), [SALES])] == []
