"""The file systems of what a run reads and writes: S3 or a local directory."""

from __future__ import annotations

import os
from functools import cache
from typing import Final
from urllib.parse import unquote

from pyarrow import fs

_S3: Final = "s3://"


def find(uri: str) -> tuple[fs.FileSystem, str]:
    """Returns the file system of a URI or a local path, and the path in it.

    An S3 URI is percent-encoded, as Arrow takes it. The bucket's region is asked for only if the environment names
    neither a region nor an endpoint, because that takes a request.
    """
    if not uri.startswith(_S3):
        found, path = fs.FileSystem.from_uri(uri if "://" in uri else os.path.abspath(uri))
        return found, path
    path = unquote(uri.removeprefix(_S3))
    return _s3(path.partition("/")[0]), path


@cache
def _s3(bucket: str) -> fs.FileSystem:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL"):
        return fs.S3FileSystem(region=region)
    return fs.S3FileSystem(region=fs.resolve_s3_region(bucket))
