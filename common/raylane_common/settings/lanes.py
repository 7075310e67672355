"""The lanes of a worker: how many jobs they run at once, and how long each may take."""

from __future__ import annotations

from typing import Final

from pydantic import Field, model_validator

from raylane_common.settings.section import Section, with_defaults


class LaneSettings(Section):
    """One lane: how many jobs run at once, and how long each may take."""

    concurrency: int = Field(ge=1, le=1000, description="Jobs of this lane that one worker runs at once")
    timeout_s: float = Field(gt=0, description="Time limit for one attempt; a longer one is stopped and fails")
    per_session: int = Field(ge=0, description="Jobs of one session that may run at once in this lane; 0 for no limit")


# Uploads and cluster calls wait for the network; a generate job also holds a model and a run for minutes.
_LANE_DEFAULTS: Final[dict[str, dict[str, float]]] = {
    "upload": {"concurrency": 20, "timeout_s": 3600, "per_session": 0},
    "generate": {"concurrency": 8, "timeout_s": 5400, "per_session": 1},
    "ray": {"concurrency": 20, "timeout_s": 900, "per_session": 0},
}


class LanesSettings(Section):
    """The three lanes, and the settings that they share."""

    upload: LaneSettings
    generate: LaneSettings
    ray: LaneSettings
    lease_s: float = Field(
        default=10.0, ge=2, description="How long a job of a dead worker waits until another worker may take it"
    )
    drain_s: float = Field(default=20.0, ge=0, description="How long running jobs may continue after SIGTERM")
    poll_s: float = Field(
        default=4.0,
        gt=0,
        description="Time between two polls of the queue, in case a wake-up message is lost; at most 0.4 of `lease_s`",
    )

    @model_validator(mode="before")
    @classmethod
    def _each_lane_has_its_defaults(cls, given: object) -> object:
        return with_defaults(given, _LANE_DEFAULTS)
