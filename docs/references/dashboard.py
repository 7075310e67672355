"""The Grafana dashboard, from a list of its panels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
# Grafana's grid has 24 columns.
_WIDTH: Final = 24
_HEIGHT: Final = 8
_LANE: Final = 'lane=~"$lane"'


@dataclass(frozen=True)
class Panel:
    """One panel: each query with the legend of its lines. `help` is shown at the panel's title."""

    title: str
    unit: str
    queries: dict[str, str]
    help: str = ""
    stacked: bool = False


ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "The queue": (
        Panel(
            "Jobs by state",
            "short",
            {
                "{{lane}} {{state}}": f'max by (lane, state) (raylane_queue_jobs{{{_LANE}, state!="dead"}})',
            },
            "Every process reads the same queue, so the largest of their numbers counts once.",
        ),
        Panel(
            "Wait of the next job",
            "s",
            {"{{lane}}": f"max by (lane) (raylane_queue_oldest_seconds{{{_LANE}}})"},
            "How long the job that is next could have run already. If it grows, workers are missing.",
        ),
        Panel(
            "Workers, and how many are wanted",
            "short",
            {
                "{{lane}} workers": f"max by (lane) (raylane_queue_workers{{{_LANE}}})",
                "{{lane}} wanted": f"raylane:wanted_workers{{{_LANE}}}",
            },
            "Wanted: the workers that would start each job within RAYLANE_TELEMETRY__TARGET_WAIT_S.",
        ),
        Panel("Dead letters", "short", {"{{lane}}": f'max by (lane) (raylane_queue_jobs{{{_LANE}, state="dead"}})'}),
        Panel(
            "Places in use",
            "percentunit",
            {
                "{{lane}}": f"sum by (lane) (raylane_lane_places_taken{{{_LANE}}})"
                f" / sum by (lane) (raylane_lane_places{{{_LANE}}})"
            },
        ),
        Panel("Redis answers", "bool_on_off", {"{{instance}}": "raylane_queue_up"}),
    ),
    "Jobs": (
        Panel(
            "Jobs ended per second",
            "ops",
            {"{{kind}} {{outcome}}": f"sum by (kind, outcome) (raylane:jobs_ended:rate5m{{{_LANE}}})"},
            stacked=True,
        ),
        Panel("Share of jobs that fail", "percentunit", {"{{lane}}": f"raylane:job_failures:ratio_rate5m{{{_LANE}}}"}),
        Panel(
            "Jobs that fail per second, by code",
            "ops",
            {
                "{{code}}": "sum by (code) (max by (lane, kind, code) "
                f"(rate(raylane_jobs_failed_total{{{_LANE}}}[$__rate_interval])))"
            },
            "Wherever they ended: also jobs that expired, or came after one that failed.",
        ),
        Panel(
            "Errors of attempts per second, by code",
            "ops",
            {"{{code}}": f"sum by (code) (rate(raylane_job_errors_total{{{_LANE}}}[$__rate_interval]))"},
        ),
        Panel(
            "Wait until the first attempt",
            "s",
            {
                "{{lane}} half": "histogram_quantile(0.5, sum by (lane, le) "
                f"(rate(raylane_job_wait_seconds_bucket{{{_LANE}}}[$__rate_interval])))",
                "{{lane}} 95 %": f"raylane:job_wait_seconds:p95_5m{{{_LANE}}}",
            },
        ),
        Panel(
            "Time of an attempt, 95 %",
            "s",
            {
                "{{kind}}": "histogram_quantile(0.95, sum by (kind, le) "
                f"(rate(raylane_attempt_seconds_bucket{{{_LANE}}}[$__rate_interval])))"
            },
        ),
        Panel(
            "Attempts that did not end a job",
            "ops",
            {
                "{{lane}} {{outcome}}": "sum by (lane, outcome) (rate(raylane_attempts_total"
                f'{{{_LANE}, outcome=~"retried|returned|lost"}}[$__rate_interval]))'
            },
        ),
    ),
    "Ray": (
        Panel("Paths that work", "bool_on_off", {"{{instance}} {{endpoint}}": "raylane_ray_endpoint_up"}),
        Panel("Latency", "s", {"{{instance}} {{endpoint}}": "raylane_ray_endpoint_latency_seconds"}),
        Panel(
            "Requests per second",
            "reqps",
            {
                "{{endpoint}} {{outcome}}": "sum by (endpoint, outcome) "
                "(rate(raylane_ray_requests_total[$__rate_interval]))"
            },
        ),
        Panel(
            "Failovers and lost submissions",
            "short",
            {
                "failover to {{endpoint}}": "sum by (endpoint) "
                "(increase(raylane_ray_failovers_total[$__rate_interval]))",
                "{{state}} {{endpoint}}": "sum by (endpoint, state) "
                "(increase(raylane_ray_endpoint_changes_total[$__rate_interval]))",
                "submission {{outcome}}": "sum by (outcome) "
                '(increase(raylane_ray_submissions_total{outcome!="accepted"}[$__rate_interval]))',
            },
        ),
        Panel(
            "Run slots",
            "short",
            {
                "{{cluster}} slots": "max by (cluster) (raylane_run_slots)",
                "{{cluster}} taken": "max by (cluster) (raylane_run_slots_taken)",
                "{{cluster}} jobs that wait": "max by (cluster) (raylane_run_slots_waiting)",
            },
        ),
        Panel(
            "Runs submitted per second",
            "ops",
            {"accepted": 'sum(rate(raylane_ray_submissions_total{outcome="accepted"}[$__rate_interval]))'},
        ),
    ),
    "Models, S3 and Glue": (
        Panel(
            "Calls of models per second",
            "ops",
            {"{{model}} {{outcome}}": "sum by (model, outcome) (rate(raylane_model_calls_total[$__rate_interval]))"},
        ),
        Panel(
            "Time of a call, 95 %",
            "s",
            {
                "{{model}}": "histogram_quantile(0.95, sum by (model, le) "
                "(rate(raylane_model_call_seconds_bucket[$__rate_interval])))"
            },
        ),
        Panel(
            "Tokens per second",
            "short",
            {"{{model}} {{kind}}": "sum by (model, kind) (rate(raylane_model_tokens_total[$__rate_interval]))"},
        ),
        Panel(
            "Bytes of objects",
            "Bps",
            {
                "written": "sum(rate(raylane_s3_sent_bytes_total[$__rate_interval]))",
                "read": "sum(rate(raylane_s3_received_bytes_total[$__rate_interval]))",
            },
            "What workers move. Large files go straight between producers and S3.",
        ),
        Panel(
            "Operations that did not succeed",
            "ops",
            {
                "{{operation}} {{outcome}}": "sum by (operation, outcome) (rate(raylane_aws_requests_total"
                '{outcome!="ok"}[$__rate_interval]))'
            },
            "not_found and conflict are answers that Raylane expects.",
        ),
        Panel(
            "Operations per second",
            "ops",
            {
                "{{service}} {{operation}}": "sum by (service, operation) "
                "(rate(raylane_aws_requests_total[$__rate_interval]))"
            },
        ),
    ),
    "The gateway": (
        Panel(
            "Requests per second",
            "reqps",
            {"{{status}}": "sum by (status) (rate(raylane_gateway_requests_total[$__rate_interval]))"},
            stacked=True,
        ),
        Panel(
            "Time of a request, 95 %",
            "s",
            {
                "{{method}} {{route}}": "histogram_quantile(0.95, sum by (method, route, le) "
                "(rate(raylane_gateway_request_seconds_bucket[$__rate_interval])))"
            },
        ),
        Panel(
            "Streams, and lost entries of the audit",
            "short",
            {
                "{{instance}} streams": "raylane_gateway_streams_open",
                "{{instance}} lost": "increase(raylane_gateway_audit_entries_lost_total[$__rate_interval])",
            },
        ),
    ),
    "The processes": (
        Panel(
            "Lag of the event loop, 99 %",
            "s",
            {
                "{{instance}}": "histogram_quantile(0.99, sum by (instance, le) "
                "(rate(raylane_loop_lag_seconds_bucket[$__rate_interval])))"
            },
        ),
        Panel(
            "Memory",
            "bytes",
            {"{{instance}}": "process_resident_memory_bytes and on (instance) raylane_build_info"},
        ),
        Panel(
            "CPU",
            "percentunit",
            {"{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval]) and on (instance) raylane_build_info"},
        ),
    ),
}


def dashboard() -> str:
    """Returns the dashboard as JSON, as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in ROWS.items():
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "collapsed": False, "panels": []})
        panels[-1]["gridPos"] = {"h": 1, "w": _WIDTH, "x": 0, "y": y}
        width = _WIDTH // 3
        for number, panel in enumerate(row):
            place = {"h": _HEIGHT, "w": width, "x": number % 3 * width, "y": y + 1 + number // 3 * _HEIGHT}
            panels.append(_panel(panel, len(panels) + 1, place))
        y += 1 + -(-len(row) // 3) * _HEIGHT
    document: dict[str, Any] = {
        "id": None,
        "uid": "raylane",
        "title": "Raylane",
        "description": "Queue, jobs, Ray, models, S3 and the gateway. It needs the rules in deploy/prometheus.",
        "tags": ["raylane"],
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 39,
        "version": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "",
        "annotations": {"list": []},
        "links": [],
        "templating": {"list": _variables()},
        "panels": panels,
    }
    return json.dumps(document, indent=2) + "\n"


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    custom = {"drawStyle": "line", "fillOpacity": 10, "lineWidth": 1, "showPoints": "never", "spanNulls": False}
    custom["stacking"] = {"mode": "normal" if panel.stacked else "none", "group": "A"}
    return {
        "id": number,
        "type": "timeseries",
        "title": panel.title,
        "description": panel.help,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, "custom": custom}, "overrides": []},
        "options": {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": expr, "legendFormat": legend, "range": True}
            for index, (legend, expr) in enumerate(panel.queries.items())
        ],
    }


def _variables() -> list[dict[str, Any]]:
    query = "label_values(raylane_queue_jobs, lane)"
    return [
        {
            "name": "datasource",
            "label": "Prometheus",
            "type": "datasource",
            "query": "prometheus",
            "current": {},
            "hide": 0,
            "includeAll": False,
            "multi": False,
            "options": [],
            "refresh": 1,
            "regex": "",
        },
        {
            "name": "lane",
            "label": "Lane",
            "type": "query",
            "datasource": _SOURCE,
            "definition": query,
            "query": {"query": query, "refId": "StandardVariableQuery"},
            "current": {"text": "All", "value": "$__all"},
            "allValue": ".*",
            "hide": 0,
            "includeAll": True,
            "multi": True,
            "options": [],
            "refresh": 2,
            "regex": "",
            "sort": 1,
        },
    ]
