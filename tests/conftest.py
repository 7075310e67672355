"""Servers and connections that tests share. Each is real; see `tests/helpers/servers.py`."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from raylane_common.redis.connection import connect
from raylane_common.settings import RedisSettings
from raylane_worker.embedded import (
    EmbeddedMoto,
    EmbeddedRay,
    EmbeddedValkey,
    embedded_moto,
    embedded_ray,
    embedded_valkey,
)
from tests.helpers import profiles
from tests.helpers.claims import immortal_keys
from tests.helpers.queue_keys import TEST_REDIS
from tests.helpers.servers import LEAVE, Background
from tests.helpers.topologies import Cluster, Sentinels

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from redis.asyncio import Redis

    from tests.helpers.topologies import Servers

# pytest makes the id of a test from its parameters, and xdist sends the ids of all tests to and fro.
_LONGEST_ID = 200

profiles.load_hypothesis_profile()


@pytest.hookimpl(tryfirst=True)  # before hypothesis reads its option in the same hook
def pytest_configure(config: pytest.Config) -> None:
    """One seed for all random choices of a run."""
    config.stash[LEAVE] = {}
    if config.option.hypothesis_seed is None:
        config.option.hypothesis_seed = str(profiles.seed())


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests by their fixtures, and starts slow ones first, so that no process ends long after the other.

    All tests with a Ray cluster stay in two processes: more clusters at once only slow each other down.
    """
    for item in items:
        group = next((name for name in ("system", "ray_head") if name in getattr(item, "fixturenames", ())), None)
        if group is not None:
            item.add_marker(pytest.mark.ray)
        if item.get_closest_marker("ray") is not None and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(group or "ray_head"))
        if group is not None and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(600))  # the first one waits for its cluster
        if "chance" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.chaos)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish() -> None:
    """Spares the garbage collector what lives as long as the process: with it, collections take a fifth of all time."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(trylast=True)  # after the fixtures of the module
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Ends a shared cluster after its last test, because an idle one takes a tenth of a core."""
    group = _group(item)
    leave = item.config.stash[LEAVE].get(group)
    if leave is not None and item is [other for other in item.session.items if _group(other) == group][-1]:
        leave()


def _group(item: pytest.Item) -> str:
    mark = item.get_closest_marker("xdist_group")
    return mark.args[0] if mark is not None else ""


def pytest_make_parametrize_id(val: object) -> str | None:
    """Shortens ids of long texts: some have megabytes."""
    if not isinstance(val, str | bytes) or len(val) <= _LONGEST_ID:
        return None
    return f"{val[:20]!r}... of {len(val)}"


def pytest_report_header() -> str:
    return _profile_and_seed()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
    """Repeats profile and seed where a reader of a failed run looks."""
    if exitstatus != pytest.ExitCode.OK:
        terminalreporter.write_line(f"Repeat the random choices with: {_profile_and_seed()}")


def _profile_and_seed() -> str:
    return f"RAYLANE_TEST_PROFILE={profiles.PROFILE} RAYLANE_SEED={profiles.seed()}"


@pytest.fixture(scope="session", autouse=True)
def _command_lines_are_built_once() -> Iterator[None]:
    """Typer builds the whole tree for each command that runs in this process, which takes longer than most of them."""
    built = cache(typer.main.get_command)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", built)
        patch.setattr("typer.testing._get_command", built)
        yield


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    """Undoes what a command that runs in this process does to logging, so that no later test sees more lines."""
    loggers = [logging.getLogger(), logging.getLogger("raylane")]
    before = [(logger.level, logger.handlers[:]) for logger in loggers]
    hooks = sys.excepthook, threading.excepthook, sys.unraisablehook
    yield
    logging.captureWarnings(False)
    sys.excepthook, threading.excepthook, sys.unraisablehook = hooks
    for logger, (level, handlers) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        for handler in {*logger.handlers}.difference(handlers):
            logger.removeHandler(handler)


@pytest.fixture(autouse=True)
def _no_thread_of_a_blocking_producer_is_left() -> Iterator[None]:
    """Fails the test that leaves one, instead of a later one that counts threads."""
    yield
    if _has_such_a_thread():
        gc.collect()  # a dropped producer keeps it until it is collected
        assert not _has_such_a_thread(), "close the producer"


def _has_such_a_thread() -> bool:
    return any(thread.name == "raylane" for thread in threading.enumerate())


@pytest.fixture(scope="session")
def background() -> Iterator[Background]:
    """A loop of its own for what lives longer than one test."""
    with Background() as running:
        yield running


@pytest.fixture(scope="session")
def valkey(background: Background, tmp_path_factory: pytest.TempPathFactory) -> EmbeddedValkey:
    """A real Valkey server for the whole session, or several as one Redis (RAYLANE_TEST_REDIS=sentinel or cluster)."""
    if TEST_REDIS == "server":
        return background.enter(embedded_valkey())
    directory = tmp_path_factory.mktemp("valkey")
    servers: Servers = Cluster(directory) if TEST_REDIS == "cluster" else Sentinels(directory)
    primary = background.call(background.enter(servers).primary())
    return EmbeddedValkey(servers.url, primary.port, directory, primary.pid, guard_pid=0)


@pytest.fixture(scope="session")
def moto(background: Background) -> EmbeddedMoto:
    """A real S3 and Glue over HTTP for the whole session."""
    return background.enter(embedded_moto())


@pytest.fixture(scope="session")
def ray_head(background: Background, request: pytest.FixtureRequest) -> EmbeddedRay:
    """A real Ray head for all its tests: starting one takes longer than most of them."""
    head, request.config.stash[LEAVE]["ray_head"] = background.enter_closable(embedded_ray())
    return head


@pytest.fixture(scope="session")
def weather() -> Path:
    """A real public CSV of 1,461 rows: date, precipitation, temp_max, temp_min, wind, weather."""
    spec = find_spec("vega_datasets")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "_data" / "seattle-weather.csv"


@pytest.fixture
async def redis(valkey: EmbeddedValkey) -> AsyncIterator[Redis]:
    """A connection to an empty server; afterwards no key may be left that never expires, but the queues."""
    client = connect(RedisSettings.model_validate({"url": valkey.url}))
    await client.flushall()
    yield client
    try:
        assert await immortal_keys(client) == [], "keys without a time to live"
    finally:
        await client.aclose()
