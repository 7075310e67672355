"""Settings that workers take while they run, as `producer.settings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from raylane_common.errors import InvalidRequest
from raylane_common.redis.settings_store import check
from raylane_common.settings import Settings

if TYPE_CHECKING:
    from raylane.ports import SettingsPort


class SettingsActions:
    """What outranks the settings that workers were started with: `ray.private_url` and `ray.public_url`."""

    def __init__(self, store: SettingsPort, settings: Settings | None) -> None:
        self._store = store
        self._settings = settings

    async def all(self) -> dict[str, str]:
        """What is set now, by name."""
        return await self._store.all()

    async def set(self, name: str, value: str) -> None:
        """Sets one; running workers take it within moments.

        Raises `InvalidRequest` for a name that cannot be set, or a value that a worker with ours would refuse.
        """
        check(self._own().ray, name, value)
        await self._store.set(name, value)

    async def unset(self, name: str) -> None:
        """Takes one back: what workers were started with holds again. Raises `InvalidRequest` for an unknown name."""
        check(self._own().ray, name)
        await self._store.unset(name)

    def _own(self) -> Settings:
        try:
            return self._settings or Settings()
        except ValidationError as error:
            raise InvalidRequest.from_validation(error) from error
