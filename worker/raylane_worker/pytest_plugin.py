"""Fixtures for the tests of services. pytest finds them by itself, and they cost nothing until a test names one.

`raylane_producer` and `raylane_sync_producer` need the extra `[testing]`. `raylane_stack` and `raylane_worker` start
real servers, and need `[embedded]`. See docs/testing.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

# Every run of pytest loads this module, wherever Raylane is installed: all else is imported by the fixtures.
if TYPE_CHECKING:
    from collections.abc import Iterator

    from raylane.testing import MemoryProducer, SyncMemoryProducer
    from raylane_worker.testing.stack import RunningStack

_SHARED: Final = frozenset(("raylane_stack", "raylane_worker"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options of pytest's configuration file."""
    parser.addini(
        "raylane_ray",
        "Whether the fixture raylane_stack has a Ray cluster; without one, it starts in seconds.",
        type="bool",
        default=True,
    )


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keeps the tests of one stack in one process: `pytest -n 4 --dist loadgroup` then starts one."""
    if not config.pluginmanager.hasplugin("xdist"):
        return
    for item in items:
        is_shared = not _SHARED.isdisjoint(getattr(item, "fixturenames", ()))
        if is_shared and item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group("raylane_stack"))


@pytest.fixture
def raylane_producer() -> MemoryProducer:
    """A `Producer` that needs no server. The test says how jobs end: `await raylane_producer.succeed(…)`."""
    from raylane.testing import MemoryProducer

    return MemoryProducer()


@pytest.fixture
def raylane_sync_producer() -> Iterator[SyncMemoryProducer]:
    """A `raylane.sync.Producer` that needs no server. The test says how jobs end."""
    from raylane.testing import SyncMemoryProducer

    with SyncMemoryProducer() as producer:
        yield producer


@pytest.fixture(scope="session")
def raylane_stack(pytestconfig: pytest.Config) -> Iterator[RunningStack]:
    """Valkey, S3 with Glue, and Ray on this machine, for all tests of the session. Nobody works on its jobs."""
    from raylane_worker.testing.stack import running_stack

    with running_stack(with_ray=bool(pytestconfig.getini("raylane_ray"))) as stack:
        yield stack


@pytest.fixture(scope="session")
def raylane_worker(raylane_stack: RunningStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """The stack with a worker, which runs as a process of its own. Its log is in the error if it does not start."""
    with raylane_stack.worker(tmp_path_factory.mktemp("raylane") / "worker.log"):
        yield raylane_stack
