"""The file systems of what a run reads and writes: S3 or a local directory."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import unquote

from pyarrow import fs

if TYPE_CHECKING:
    from collections.abc import Callable

Found = TypeVar("Found")
_S3: Final = "s3://"
# What S3 answers if a bucket is in another region than the environment says.
_OTHER_REGION: Final = "HTTP status 301"


def find(uri: str) -> tuple[fs.FileSystem, str]:
    """Returns the file system of a URI or a local path, and the path in it.

    An S3 URI is percent-encoded, as Arrow takes it. The bucket's region is asked for only if the environment names
    neither a region nor an endpoint, because that takes a request.
    """
    if not uri.startswith(_S3):
        found, path = fs.FileSystem.from_uri(uri if "://" in uri else os.path.abspath(uri))
        return found, path
    path = unquote(uri.removeprefix(_S3))
    return _s3(path.partition("/")[0], os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")), path


def open_file(uri: str) -> fs.NativeFile:
    """Returns the file, open for reading at any position."""
    return in_its_region(uri, lambda files, path: files.open_input_file(path))


def size_of(uri: str) -> int:
    """Returns the size of the file in bytes."""
    return in_its_region(uri, lambda files, path: int(files.get_file_info(path).size))


def in_its_region(uri: str, use: Callable[[fs.FileSystem, str], Found]) -> Found:
    """Calls `use` with the file system of the URI and the path in it, again if the bucket is in another region."""
    files, path = find(uri)
    try:
        return use(files, path)
    except OSError as error:
        if _OTHER_REGION not in str(error):
            raise
        return use(_s3(path.partition("/")[0], None), path)


@cache
def _s3(bucket: str, region: str | None) -> fs.FileSystem:
    """Returns the file system of a bucket. Without a region Arrow asks AWS for it, but not another endpoint."""
    # Only a URI makes Arrow use the endpoint of the environment.
    files, _ = fs.FileSystem.from_uri(f"{_S3}{bucket}?region={region}" if region else f"{_S3}{bucket}")
    return files
