"""What a worker says of itself with each heartbeat, so that `raylane doctor` can compare all of them.

See docs/decisions/0052.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from raylane_common.secrets import redact
from raylane_common.wire.jobs import LONGEST_TOLD, WorkerAbout

if TYPE_CHECKING:
    from raylane_common.settings import Settings


def about(version: str, started_at_ms: int, settings: Settings, beat_ms: int) -> WorkerAbout:
    """Returns the version, the clock, and the settings in which workers of a lane must agree.

    A heartbeat lasts `beat_ms`. Of secrets, only whether they are set.
    """
    storage, aws, ray, generation = settings.storage, settings.aws, settings.ray, settings.generation
    told = {
        "storage.bucket": storage.bucket,
        "storage.bucket_owner": storage.bucket_owner,
        "aws.region": aws.region,
        "aws.endpoint_url": aws.endpoint_url,
        "aws.secret_access_key": _presence(aws.secret_access_key),
        "ray.private_url": ray.private_url,
        "ray.public_url": ray.public_url,
        "ray.token": _presence(ray.token),
        "generation.generator": generation.generator,
        "generation.model": generation.model,
        "generation.model_region": generation.model_region,
        "generation.model_endpoint_url": generation.model_endpoint_url,
    }
    return WorkerAbout(
        version=version,
        started_at=started_at_ms,
        at_ms=int(time.time() * 1000),
        beat_ms=beat_ms,
        settings={name: redact(str(value))[:LONGEST_TOLD] for name, value in told.items() if value is not None},
    )


def _presence(secret: object) -> str | None:
    return None if secret is None else "set"
