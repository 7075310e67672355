"""Scrapes a process as Prometheus does, and reads what it gets with Prometheus's own parser."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

_ADDRESS: Final = re.compile(r"metrics and health at (http://\S+)/metrics,")


@dataclass(frozen=True)
class Scrape:
    """The samples of one scrape, by name and labels, and the types of the families."""

    samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]
    types: Mapping[str, str]

    def __call__(self, name: str, **labels: str) -> float | None:
        """Returns the value of one sample; None if it is absent."""
        return self.samples.get((name, frozenset(labels.items())))

    def of(self, name: str) -> dict[frozenset[tuple[str, str]], float]:
        """Returns all samples with this name, by their labels."""
        return {labels: value for (found, labels), value in self.samples.items() if found == name}

    def labels(self) -> dict[str, set[frozenset[str]]]:
        """Returns which labels the samples of each name have."""
        found: dict[str, set[frozenset[str]]] = {}
        for name, labels in self.samples:
            found.setdefault(name, set()).add(frozenset(label for label, _ in labels))
        return found


def parsed(text: str) -> Scrape:
    """Returns the samples of a text in the format of Prometheus. A sample that occurs twice fails the test."""
    families = list(text_string_to_metric_families(text))
    samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
    for family in families:
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in samples, key
            samples[key] = sample.value
    return Scrape(samples, {family.name: family.type for family in families})


async def scrape(url: str) -> Scrape:
    """Scrapes the process at this address."""
    async with aiohttp.ClientSession() as client, client.get(f"{url}/metrics") as answer:
        assert answer.status == 200, await answer.text()
        return parsed(await answer.text())


async def probe(url: str, path: str) -> tuple[int, Any]:
    """Asks the process at this address whether it lives or is ready; returns the status and the document."""
    async with aiohttp.ClientSession() as client, client.get(url + path) as answer:
        return answer.status, await answer.json()


def address_in(caplog: pytest.LogCaptureFixture) -> str:
    """Returns the address that a worker of this process has logged last, or ''."""
    found = [match[1] for message in caplog.messages if (match := _ADDRESS.search(message))]
    return found[-1] if found else ""
