"""Counts things and measures times for Prometheus, or does nothing. Only this module knows the library.

`definitions` names what is counted. A process without metrics uses `NO_METRICS`, whose methods do nothing, so no caller
asks whether they are on. See docs/decisions/0048.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from raylane_common.errors import MissingPackage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from prometheus_client import CollectorRegistry, Counter, Histogram
    from prometheus_client.metrics_core import Metric as Family


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric by its name in Prometheus; that of a counter ends in `_total`.

    `help` says what is counted, in base units. `labels` are the names of its labels, whose values come from short lists
    that we choose. `buckets` are the upper bounds of a histogram.
    """

    kind: Literal["counter", "gauge", "histogram"]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


class Reading(NamedTuple):
    """The value of a gauge when somebody scrapes, or of a counter that is kept elsewhere. The labels are in order."""

    metric: Metric
    value: float
    labels: tuple[str, ...] = ()


class Exposition(NamedTuple):
    """What a scraper gets."""

    body: bytes
    content_type: str


class Metrics:
    """Metrics that are off."""

    def add(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Adds to a counter. `labels` are the values of its labels, in order."""

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Adds a value to a histogram."""

    def expect(self, metric: Metric, *labels: str) -> None:
        """Shows a counter or a histogram as 0 until its first event, so that Prometheus sees the first event, too."""

    def read(self, source: Callable[[], Iterable[Reading]]) -> None:
        """Calls `source` at each scrape. What it does not return then is absent, which is right for the unknown."""

    def exposition(self, accept: str = "") -> Exposition:
        """Returns all metrics in the format that the scraper accepts, by its header `Accept`.

        Raises `MissingPackage`, because metrics are off only without the package.
        """
        raise _missing()


NO_METRICS: Final = Metrics()


class PrometheusMetrics(Metrics):
    """Metrics that are on, in a registry of their own, with those of the process and of Python."""

    def __init__(self) -> None:
        """Raises `MissingPackage` without the extra `[metrics]`."""
        try:
            from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
        except ModuleNotFoundError as error:
            raise _missing() from error
        self._registry: CollectorRegistry = CollectorRegistry(auto_describe=False)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)
        self._sources: list[Callable[[], Iterable[Reading]]] = []
        self._registry.register(_Readings(self._sources))
        self._families: dict[Metric, Counter | Histogram] = {}
        self._counters: dict[tuple[Metric, tuple[str, ...]], Counter] = {}
        self._histograms: dict[tuple[Metric, tuple[str, ...]], Histogram] = {}

    def add(self, metric: Metric, *labels: str, by: float = 1) -> None:
        """Adds to a counter. `labels` are the values of its labels, in order."""
        (self._counters.get((metric, labels)) or self._counter(metric, labels)).inc(by)

    def observe(self, metric: Metric, value: float, *labels: str) -> None:
        """Adds a value to a histogram."""
        (self._histograms.get((metric, labels)) or self._histogram(metric, labels)).observe(value)

    def expect(self, metric: Metric, *labels: str) -> None:
        """Shows a counter or a histogram as 0 until its first event, so that Prometheus sees the first event, too."""
        if metric.kind == "counter":
            self._counter(metric, labels)
        else:
            self._histogram(metric, labels)

    def read(self, source: Callable[[], Iterable[Reading]]) -> None:
        """Calls `source` at each scrape. What it does not return then is absent, which is right for the unknown."""
        self._sources.append(source)

    def exposition(self, accept: str = "") -> Exposition:
        """Returns all metrics in the format that the scraper accepts, by its header `Accept`."""
        from prometheus_client.exposition import choose_encoder

        encode, content_type = choose_encoder(accept)
        return Exposition(encode(_WithoutCreated(self._registry)), content_type)

    def _counter(self, metric: Metric, labels: tuple[str, ...]) -> Counter:
        from prometheus_client import Counter

        family = self._families.get(metric)
        if family is None:
            family = self._families[metric] = Counter(metric.name, metric.help, metric.labels, registry=self._registry)
        assert isinstance(family, Counter)
        return self._counters.setdefault((metric, labels), family.labels(*labels) if labels else family)

    def _histogram(self, metric: Metric, labels: tuple[str, ...]) -> Histogram:
        from prometheus_client import Histogram

        family = self._families.get(metric)
        if family is None:
            family = self._families[metric] = Histogram(
                metric.name, metric.help, metric.labels, buckets=metric.buckets, registry=self._registry
            )
        assert isinstance(family, Histogram)
        return self._histograms.setdefault((metric, labels), family.labels(*labels) if labels else family)


class _Readings:
    """Collects what the sources return at a scrape."""

    def __init__(self, sources: list[Callable[[], Iterable[Reading]]]) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Family]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        families: dict[Metric, CounterMetricFamily | GaugeMetricFamily] = {}
        for source in self._sources:
            for metric, value, labels in source():
                if metric not in families:
                    make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
                    families[metric] = make(metric.name, metric.help, labels=metric.labels)
                families[metric].add_metric(labels, value)
        yield from families.values()


class _WithoutCreated:
    """A registry without the time at which each counter was made, which doubles the output and which nobody reads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Family]:
        for family in self._registry.collect():
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family


def _missing() -> MissingPackage:
    return MissingPackage("metrics need one more package: pip install 'raylane[metrics]'")
