"""Valkey, S3 with Glue, and Ray on one machine: real servers, without Docker, root or an account.

Each server runs under a guardian process (`guard.py`), which stops the server when this process ends or is killed. All
servers listen on loopback only.
"""

from raylane_worker.embedded.child import HOST
from raylane_worker.embedded.servers import (
    ACCESS_KEY_ID,
    REGION,
    SECRET_ACCESS_KEY,
    EmbeddedMoto,
    EmbeddedRay,
    EmbeddedValkey,
    aws_environment,
    embedded_moto,
    embedded_ray,
    embedded_valkey,
)
from raylane_worker.embedded.silent import SilentEndpoint
from raylane_worker.embedded.stack import EmbeddedStack

__all__ = [
    "ACCESS_KEY_ID",
    "HOST",
    "REGION",
    "SECRET_ACCESS_KEY",
    "EmbeddedMoto",
    "EmbeddedRay",
    "EmbeddedStack",
    "EmbeddedValkey",
    "SilentEndpoint",
    "aws_environment",
    "embedded_moto",
    "embedded_ray",
    "embedded_valkey",
]
