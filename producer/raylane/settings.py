"""Settings that workers apply while they run, as `producer.settings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from raylane_common.redis.settings_store import check

if TYPE_CHECKING:
    from raylane_common.redis.settings_store import SettingsStore
    from raylane_common.settings import Settings


class SettingsActions:
    """The settings that can be changed while workers run: addresses and limits of Ray, the bucket, limits of sessions.

    They override those of running workers. A job that runs keeps the values with which its attempt began.
    """

    def __init__(self, store: SettingsStore, settings: Settings | None) -> None:
        self._store = store
        self._settings = settings

    async def all(self) -> dict[str, str]:
        """Returns the settings that are currently set, by name.

        Example:
            for name, value in (await producer.settings.all()).items():
                print(name, value)
        """
        return await self._store.all()

    async def set(self, name: str, value: str) -> None:
        """Sets one setting. Running workers apply it without a restart.

        Raises `InvalidRequest` for a `name` that cannot be set, and for a `value` that workers with this producer's
        settings would refuse, such as an address whose host is not in `RAYLANE_RAY__ALLOWED_HOSTS`, or a bucket that is
        not in `RAYLANE_STORAGE__ALLOWED_BUCKETS`. Raises `QueueUnavailable` if the Redis user may not change settings.

        Example:
            await producer.settings.set("ray.public_url", "https://ray.example.org")
        """
        check(self._own(), name, value)
        await self._store.set(name, value)

    async def unset(self, name: str) -> None:
        """Removes one setting, so that workers use the value they were started with. Raises what `set` raises.

        Example:
            await producer.settings.unset("ray.public_url")
        """
        check(self._own(), name)
        await self._store.unset(name)

    def _own(self) -> Settings:
        from raylane_common.settings import load_settings  # here, because most commands change no setting

        return self._settings or load_settings()
