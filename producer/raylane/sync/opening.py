"""How a blocking producer is opened and closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from raylane.producer import Producer as AsyncProducer
from raylane.sync.cluster import ClusterActions
from raylane.sync.job_actions import JobActions
from raylane.sync.operator import OperatorActions
from raylane.sync.settings import SettingsActions
from raylane.sync.tables import TableActions
from raylane.sync.twin import Use

if TYPE_CHECKING:
    from types import TracebackType

    from raylane.backend import RedisBackend
    from raylane_common.settings import Settings


class OpenProducer(JobActions):
    """The parts of a blocking producer, and its end."""

    tables: TableActions
    cluster: ClusterActions
    operator: OperatorActions
    settings: SettingsActions

    def __init__(
        self, settings: Settings | None = None, *, redis_url: str | None = None, backend: RedisBackend | None = None
    ) -> None:
        """Connects when first used. Raises `InvalidRequest` if a setting or an argument is wrong.

        `settings` are read from the environment if None. `redis_url` overrides the URL in them. A `backend`, such as
        `RedisBackend(client)`, overrides both.
        """
        self._open(AsyncProducer(settings, redis_url=redis_url, backend=backend))

    def _open(self, producer: AsyncProducer) -> None:
        super().__init__(producer, Use(producer))
        self.tables = TableActions(producer.tables, self._use)
        self.cluster = ClusterActions(producer.cluster, self._use)
        self.operator = OperatorActions(producer.operator, self._use)
        self.settings = SettingsActions(producer.settings, self._use)

    def __enter__(self) -> Self:
        """Returns the producer. It does not connect yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Closes the producer."""
        self.close()

    def close(self) -> None:
        """Closes the connections that the producer opened. Its jobs continue."""
        self._use.end()
