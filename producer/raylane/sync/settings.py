"""Settings that workers apply while they run, as `producer.settings`.

Written by docs/generate_sync.py from settings.py.
"""

from __future__ import annotations

from raylane.settings import SettingsActions as AsyncSettingsActions
from raylane.sync.twin import Twin


class SettingsActions(Twin[AsyncSettingsActions]):
    """The settings that can be changed while workers run: addresses and limits of Ray, the bucket, limits of sessions.

    They override those of running workers. A job that runs keeps the values with which its attempt began.
    """

    def all(self) -> dict[str, str]:
        """Returns the settings that are currently set, by name.

        Example:
            for name, value in producer.settings.all().items():
                print(name, value)
        """
        return self._call(self._async.all)

    def set(self, name: str, value: str) -> None:
        """Sets one setting. Running workers apply it without a restart.

        Raises `InvalidRequest` for a `name` that cannot be set, and for a `value` that workers with this producer's
        settings would refuse, such as an address whose host is not in `RAYLANE_RAY__ALLOWED_HOSTS`, or a bucket that is
        not in `RAYLANE_STORAGE__ALLOWED_BUCKETS`. Raises `QueueUnavailable` if the Redis user may not change settings.

        Example:
            producer.settings.set("ray.public_url", "https://ray.example.org")
        """
        self._call(self._async.set, name, value)

    def unset(self, name: str) -> None:
        """Removes one setting, so that workers use the value they were started with. Raises what `set` raises.

        Example:
            producer.settings.unset("ray.public_url")
        """
        self._call(self._async.unset, name)
