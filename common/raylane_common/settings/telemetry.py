"""What the processes report about themselves: metrics, health, traces and logs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from raylane_common.settings.section import Section


class TelemetrySettings(Section):
    """Metrics, health and logs of workers. Traces are on if an exporter is set in the usual `OTEL_…` variables."""

    host: str = Field(default="127.0.0.1", description="Address of a worker's `/metrics`, `/livez` and `/readyz`")
    port: int | None = Field(default=None, ge=0, le=65535, description="Its port; 0 for any free one, unset for none")
    target_wait_s: float = Field(
        default=30.0,
        gt=0,
        le=86400,
        description="How long a job may wait for a worker, for the metric `raylane_queue_wanted_workers`",
    )
    log_format: Literal["auto", "text", "json"] = Field(
        default="auto", description="How log lines are written; `auto`: text on a terminal, else JSON"
    )
    trace_content: bool = Field(
        default=False,
        description="Let spans hold prompts, code, names of files and messages of errors, which may quote data",
    )
