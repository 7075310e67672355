"""The files for Grafana, Prometheus, KEDA and KubeRay name what a worker and a gateway really expose."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from promql_parser import parse_duration

from raylane_common.wire.base import Lane
from tests.helpers.promql import Known

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
# What Grafana puts in place of its variables.
VARIABLES = {"$__rate_interval": "5m", "$lane": ".*"}
SEVERITIES = {"page", "ticket"}


def rules_in(name: str) -> Iterator[dict[str, Any]]:
    document = yaml.safe_load((DEPLOY / "prometheus" / name).read_text())
    assert set(document) == {"groups"}
    names = [group["name"] for group in document["groups"]]
    assert len(names) == len(set(names))
    for group in document["groups"]:
        assert set(group) <= {"name", "interval", "rules"}
        assert parse_duration(group.get("interval", "1m"))
        yield from group["rules"]


@pytest.fixture(scope="module")
def known() -> Known:
    """The metrics, and what the recording rules make of them."""
    found = Known()
    for rule in rules_in("rules.yaml"):
        assert set(rule) == {"record", "expr"}
        assert re.fullmatch(r"raylane:[a-z_]+(:[a-z0-9_]+)?", rule["record"])
        found.record(rule["record"], rule["expr"])
    return found


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((DEPLOY / "grafana" / "raylane.json").read_text())
    return found


def named_in(text: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, text))


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("raylane_jobs_total", "no such metric"),
        ("raylane_queue_jobs{kind='ray'}", "has no label kind"),
        ("raylane_queue_jobs{state='done'}", "has no state done"),
        ("rate(raylane_queue_jobs[5m])", "rate of raylane_queue_jobs"),
        ("delta(raylane_jobs_ended_total[5m])", "delta of"),
        ("sum by (kind) (raylane_queue_jobs)", "are no labels of"),
        ("histogram_quantile(0.9, sum by (lane) (rate(raylane_job_wait_seconds_bucket[5m])))", "not kept apart"),
        ("sum by (lane) (raylane_lane_places) / sum (raylane_lane_places_taken)", "never equal"),
        ("raylane_lane_places and on (kind) raylane_queue_jobs", "not on both sides"),
    ],
)
def test_a_query_that_finds_nothing_fails_here(expression: str, problem: str) -> None:
    with pytest.raises(AssertionError, match=problem):
        Known().labels(expression)


def test_every_alert_can_fire_and_names_labels_that_it_has(known: Known) -> None:
    alerts = list(rules_in("alerts.yaml"))
    assert len({alert["alert"] for alert in alerts}) == len(alerts) > 10
    for alert in alerts:
        assert set(alert) <= {"alert", "expr", "for", "labels", "annotations"}
        assert re.fullmatch(r"Raylane[A-Z]\w+", alert["alert"])
        assert parse_duration(alert.get("for", "1m"))
        assert alert["labels"]["severity"] in SEVERITIES
        labels = known.labels(alert["expr"])
        assert labels is not None
        assert set(alert["annotations"]) == {"summary", "description"}
        shown = " ".join(alert["annotations"].values())
        assert named_in(shown, r"\$labels\.(\w+)") <= labels, alert["alert"]
        assert named_in(shown, r"\$(\w+)") <= {"labels", "value"}
        assert named_in(shown, r"\| (\w+)") <= {"humanizeDuration", "humanizePercentage"}


def test_every_alert_has_a_line_in_the_documentation() -> None:
    page = (ROOT / "docs" / "monitoring.md").read_text()
    assert [alert["alert"] for alert in rules_in("alerts.yaml") if f"`{alert['alert']}`" not in page] == []


def test_every_query_of_the_dashboard_finds_something(known: Known, dashboard: dict[str, Any]) -> None:
    queries = [(panel["title"], target) for panel in dashboard["panels"] for target in panel.get("targets", ())]
    assert len(queries) > 25
    for title, target in queries:
        expression = target["expr"]
        for variable, value in VARIABLES.items():
            expression = expression.replace(variable, value)
        assert "$" not in expression
        labels = known.labels(expression)
        assert labels is not None
        assert named_in(target["legendFormat"], r"\{\{(\w+)\}\}") <= labels, title


def test_the_dashboard_has_what_grafana_needs_and_no_data_source_of_its_own(dashboard: dict[str, Any]) -> None:
    assert dashboard["id"] is None
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,40}", dashboard["uid"])
    assert dashboard["title"]
    assert dashboard["schemaVersion"] >= 36
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places: set[tuple[int, int]] = set()
    for panel in panels:
        assert panel["type"] in ("row", "timeseries")
        assert panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not places & taken, panel["title"]
        places |= taken
        if panel["type"] == "row":
            continue
        refs = [target["refId"] for target in panel["targets"]]
        assert refs
        assert len(set(refs)) == len(refs)
        for source in (panel["datasource"], *(target["datasource"] for target in panel["targets"])):
            assert source == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["fieldConfig"]["defaults"]["unit"]
    variables = {variable["name"]: variable for variable in dashboard["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    assert variables["datasource"]["query"] == "prometheus"
    assert variables["lane"]["query"]["query"] == "label_values(raylane_queue_jobs, lane)"
    used = named_in(json.dumps(panels), r"\$\{?(\w+)")
    assert used <= {*variables, "__rate_interval"}


def test_keda_scales_by_a_number_that_is_there_and_not_by_a_missing_one(known: Known) -> None:
    document = yaml.safe_load((DEPLOY / "keda" / "scaledobject.yaml").read_text())
    assert (document["apiVersion"], document["kind"]) == ("keda.sh/v1alpha1", "ScaledObject")
    spec = document["spec"]
    [trigger] = spec["triggers"]
    metadata = trigger["metadata"]
    assert known.labels(metadata["query"]) == frozenset({"lane"})
    [lane] = named_in(metadata["query"], r'lane="(\w+)"')
    assert lane in set(Lane)
    assert spec["scaleTargetRef"]["name"].endswith(lane)
    # The number of replicas is that of the query.
    assert (trigger["metricType"], metadata["threshold"]) == ("AverageValue", "1")
    assert metadata["ignoreNullValues"] == "false"
    assert spec["fallback"]["behavior"] == "currentReplicas"
    assert all(isinstance(value, str) for value in metadata.values())


def test_the_ray_cluster_is_the_one_that_is_tested_and_asks_for_its_token() -> None:
    document = yaml.safe_load((DEPLOY / "ray" / "raycluster.yaml").read_text())
    assert (document["apiVersion"], document["kind"]) == ("ray.io/v1", "RayCluster")
    image = re.search(r"image: (rayproject/ray:\S+)", (ROOT / "compose.yaml").read_text())
    assert image is not None
    spec = document["spec"]
    groups = [spec["headGroupSpec"], *spec["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        [container] = pod["containers"]
        assert container["image"] == image[1]
        assert spec["rayVersion"] in container["image"]
        assert {"name": "RAY_AUTH_MODE", "value": "token"} in container["env"]
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert spec["autoscalerOptions"]["env"] == groups[0]["template"]["spec"]["containers"][0]["env"]
    [workers] = spec["workerGroupSpecs"]
    cpus = int(workers["template"]["spec"]["containers"][0]["resources"]["requests"]["cpu"])
    assert f"{workers['maxReplicas']} nodes of {cpus} CPUs" in (DEPLOY / "ray" / "raycluster.yaml").read_text()
