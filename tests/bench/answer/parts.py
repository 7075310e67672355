"""Splits the time from a question to its answer into parts, by the moments that the job, Ray and the script tell."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Figures = dict[str, Any]

PARTS: Final = (
    "queue",
    "write",
    "verify",
    "submit",
    "ray_start",
    "script_imports",
    "script_read",
    "script_compute",
    "script_answer",
    "ray_end",
    "collect",
)
"""In order. They add up to the whole."""


def parts(asked: Mapping[str, Any], traced: Mapping[str, Any] | None) -> dict[str, float]:
    """Returns the seconds of each part. Without the moments of the script, Ray's time is one part, `ray`."""
    stages: Mapping[str, float] = asked["stages"]
    found = {
        "queue": asked["claimed_s"] - asked["began_s"],
        "write": stages["verifying"] - asked["claimed_s"],
        "verify": stages["submitting"] - stages["verifying"],
        "submit": asked["accepted_s"] - stages["submitting"],
        "collect": asked["ended_s"] - asked["run_ended_s"],
    }
    if traced is None:
        return found | {"ray": asked["run_ended_s"] - asked["accepted_s"]}
    moments, spans = traced["moments"], traced["spans"]
    ended_s: float = moments["end"]
    began_s: float = moments.get("first_read", moments.get("first_answer", ended_s))
    # The process of a warm run is older than its script; then it is the wait for the script that takes time.
    process_s = max(moments["process"], asked["accepted_s"])
    # What follows the last call writes the answer, and ends the interpreter.
    answer_s = spans["answer"] + ended_s - moments.get("last_answer", ended_s)
    return found | {
        "ray_start": process_s - asked["accepted_s"],
        "script_imports": began_s - process_s,
        "script_read": spans["read"],
        "script_compute": ended_s - began_s - spans["read"] - answer_s,
        "script_answer": answer_s,
        "ray_end": asked["run_ended_s"] - ended_s,
    }


def total_s(asked: Mapping[str, Any]) -> float:
    """Returns the seconds from the call of the producer until it knew that the job had succeeded."""
    return float(asked["ended_s"] - asked["began_s"])


def outside_ray_s(asked: Mapping[str, Any]) -> float | None:
    """Returns the seconds that are not between Ray's own start and end of the run; None if Ray did not tell them."""
    accepted_s, ended_s = asked["accepted_s"], asked["run_ended_s"]
    return None if accepted_s is None or ended_s is None else total_s(asked) - (ended_s - accepted_s)


def median(values: Iterable[float | None]) -> float | None:
    """Returns the median of the values that there are; None if there are none."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def medians(rounds: Sequence[Mapping[str, float]]) -> dict[str, float | None]:
    """Returns the median of each part."""
    names = dict.fromkeys(name for each in rounds for name in each)
    return {name: median(each.get(name) for each in rounds) for name in names}
