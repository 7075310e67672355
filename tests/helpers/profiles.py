"""How deep random tests go (`RAYLANE_TEST_PROFILE`), and the seed that repeats their choices (`RAYLANE_SEED`)."""

from __future__ import annotations

import os
import random
from enum import StrEnum
from typing import Final

import pytest
from hypothesis import HealthCheck, settings


class Profile(StrEnum):
    """`fast` for every save, `ci` for `make test`, `short` for `make chaos-short`, `deep` for `make chaos`."""

    FAST = "fast"
    CI = "ci"
    SHORT = "short"
    DEEP = "deep"


def _profile() -> Profile:
    name = os.environ.get("RAYLANE_TEST_PROFILE") or Profile.CI
    try:
        return Profile(name)
    except ValueError:
        raise pytest.UsageError(f"RAYLANE_TEST_PROFILE must be one of {', '.join(Profile)}, not {name!r}") from None


PROFILE: Final = _profile()


def by_profile(*, fast: int, ci: int, deep: int) -> int:
    """The number for the current profile: examples, rounds or kills of a test for which the default is too many.

    `short` is half of `deep`, and at most three times `ci`.
    """
    short = max(ci, min(3 * ci, deep // 2))
    return {Profile.FAST: fast, Profile.CI: ci, Profile.SHORT: short, Profile.DEEP: deep}[PROFILE]


def seed() -> int:
    """The seed of this run: `RAYLANE_SEED`, or a new one that child processes inherit."""
    return int(os.environ.setdefault("RAYLANE_SEED", str(random.SystemRandom().randrange(1_000_000))))


def load_hypothesis_profile() -> None:
    """Makes the current profile the default of every property test.

    No deadline and no check for slowness: a slow example says that the machine is busy, and nothing about the code.
    A fixture may last for all examples of a test, as the automatic ones do.
    """
    settings.register_profile(
        "raylane",
        max_examples=by_profile(fast=20, ci=40, deep=1000),
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    )
    settings.load_profile("raylane")
