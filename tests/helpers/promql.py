"""Checks expressions of PromQL against the metrics that there are: names, labels, types, and which labels are left."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import promql_parser
from promql_parser import (
    AggModifierType,
    AggregateExpr,
    BinaryExpr,
    Call,
    LabelModifierType,
    MatrixSelector,
    NumberLiteral,
    ParenExpr,
    VectorSelector,
)

from raylane_common.telemetry.definitions import GATEWAY_METRICS, WORKER_METRICS
from raylane_common.telemetry.metrics import PrometheusMetrics
from tests.helpers.scrape import parsed

if TYPE_CHECKING:
    from collections.abc import Mapping

# Prometheus adds them to everything that it scrapes.
TARGET: Final = frozenset({"job", "instance"})
_OF_COUNTERS: Final = ("rate", "increase")
_OF_GAUGES: Final = ("delta",)
_KEEP_LEFT: Final = ("and", "unless")


@dataclass(frozen=True)
class Series:
    """What a metric has: its labels, whether it only grows, and the values that the description names."""

    labels: frozenset[str]
    is_counter: bool
    help: str | None = None


@dataclass
class Known:
    """The series that an expression may name. `rules` are those of recording rules."""

    series: dict[str, Series] = field(default_factory=lambda: dict(_exposed()))

    def record(self, name: str, expression: str) -> None:
        """Adds what a recording rule makes."""
        self.series[name] = Series(self.labels(expression) or frozenset(), is_counter=False)

    def labels(self, expression: str) -> frozenset[str] | None:
        """Returns the labels of the result; None for a number. Fails for anything that cannot be right."""
        return self._labels(promql_parser.parse(expression))

    def _labels(self, expr: object) -> frozenset[str] | None:
        match expr:
            case VectorSelector():
                return self._selected(expr).labels
            case ParenExpr():
                return self._labels(expr.expr)
            case NumberLiteral():
                return None
            case Call():
                return self._called(expr)
            case AggregateExpr():
                return self._aggregated(expr)
            case BinaryExpr():
                return self._combined(expr)
            case _:
                raise AssertionError(f"not known here: {expr}")

    def _selected(self, selector: VectorSelector) -> Series:
        name = selector.name or ""
        assert name in self.series, f"no such metric: {name}"
        found = self.series[name]
        for matcher in selector.matchers.matchers:
            assert matcher.name in found.labels, f"{name} has no label {matcher.name}"
            if found.help is not None and matcher.name not in _FREE | TARGET:
                for value in re.findall(r"[a-z_]+", matcher.value):
                    assert re.search(rf"\b{value}\b", found.help), f"{name} has no {matcher.name} {value}"
        return found

    def _called(self, call: Call) -> frozenset[str] | None:
        name, args = call.func.name, list(call.args)
        if name == "absent":
            self._labels(args[0])
            return frozenset()
        if name == "histogram_quantile":
            labels = self._labels(args[1])
            assert labels is not None
            assert "le" in labels, "the buckets are not kept apart"
            return labels - {"le"}
        assert name in (*_OF_COUNTERS, *_OF_GAUGES), name
        [matrix] = args
        assert isinstance(matrix, MatrixSelector)
        found = self._selected(matrix.vector_selector)
        assert found.is_counter == (name in _OF_COUNTERS), f"{name} of {matrix.vector_selector.name}"
        return found.labels

    def _aggregated(self, expr: AggregateExpr) -> frozenset[str]:
        inner = self._labels(expr.expr)
        assert inner is not None
        if expr.modifier is None:
            return frozenset()
        given = frozenset(expr.modifier.labels)
        assert given <= inner, f"{given - inner} are no labels of {expr.expr.prettify()}"
        return given if expr.modifier.type == AggModifierType.By else inner - given

    def _combined(self, expr: BinaryExpr) -> frozenset[str] | None:
        left, right = self._labels(expr.lhs), self._labels(expr.rhs)
        if left is None or right is None:
            return right if left is None else left
        matching = expr.modifier.matching if expr.modifier is not None else None
        if matching is None:
            assert left == right, f"never equal: {sorted(left)} and {sorted(right)} in {expr.prettify()}"
            return left
        assert matching.type == LabelModifierType.Include
        on = frozenset(matching.labels)
        assert on <= left & right, f"{on} are not on both sides of {expr.prettify()}"
        return left if str(expr.op) in _KEEP_LEFT else on


# Their values are not in the description: names of lanes, and of endpoints in the settings.
_FREE: Final = frozenset({"lane", "endpoint", "cluster", "code", "status", "model"})


def _exposed() -> Mapping[str, Series]:
    """Returns what a worker and a gateway expose. `test_worker_metrics` compares the definitions with real scrapes."""
    found: dict[str, Series] = {}
    for metric in (each for groups in (WORKER_METRICS, GATEWAY_METRICS) for group in groups.values() for each in group):
        labels = TARGET | frozenset(metric.labels)
        if metric.kind == "histogram":
            found[f"{metric.name}_bucket"] = Series(labels | {"le"}, is_counter=True, help=metric.help)
            found |= {
                f"{metric.name}_{part}": Series(labels, is_counter=True, help=metric.help) for part in ("sum", "count")
            }
        else:
            found[metric.name] = Series(labels, metric.kind == "counter", metric.help)
    of_process = parsed(PrometheusMetrics().exposition().body.decode())
    for name, sets in of_process.labels().items():
        [labels] = sets
        is_counter = of_process.types.get(name.removesuffix("_total")) == "counter"
        found.setdefault(name, Series(TARGET | labels, is_counter))
    return found
