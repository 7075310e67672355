"""Ships code to Ray as a zip that is named after its content, so that uploading it twice is harmless."""

from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from raylane_common import checks
from raylane_common.errors import InvalidRequest
from raylane_common.rules import is_plain_path

if TYPE_CHECKING:
    from collections.abc import Mapping

# Ray takes up to 100 MiB; generated code and the files beside it need far less.
MAX_PACKAGE_BYTES: Final = 8 * 1024 * 1024

# The earliest time that a zip can hold. The real time would give the same files another name every second.
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)
# The system that made the entry, in the words of the zip format: fixed, so that the bytes do not depend on it.
_UNIX: Final = 3


@dataclass(frozen=True, slots=True)
class Package:
    """A zip ready for `PUT /api/packages/gcs/{name}`."""

    name: str
    data: bytes = field(repr=False)

    @property
    def uri(self) -> str:
        """The `working_dir` of a job that uses it."""
        return f"gcs://{self.name}"


def build_package(files: Mapping[str, str | bytes], *, max_bytes: int = MAX_PACKAGE_BYTES) -> Package:
    """Packs files into a zip. The same files always give the same bytes and the same name.

    `files` maps relative POSIX paths to contents; text is written as UTF-8. `max_bytes` limits the whole zip. Raises
    `InvalidRequest` for no files, a path that is absolute or leads upwards, text that has no UTF-8, and a zip that is
    too large.
    """
    contents = checks.mapping("files", files)
    if not contents:
        raise InvalidRequest.field("files", "must not be empty")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(contents):
            _check(path)
            entry = zipfile.ZipInfo(path, date_time=_TIMESTAMP)
            entry.create_system = _UNIX
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, _bytes(path, contents[path]))
    data = buffer.getvalue()
    if len(data) > checks.at_least("max_bytes", 1, max_bytes):
        raise InvalidRequest.field("files", f"make a package of {len(data)} bytes; at most {max_bytes} are allowed")
    return Package(name=f"_ray_pkg_{hashlib.sha256(data).hexdigest()[:32]}.zip", data=data)


def _check(path: str) -> None:
    if not is_plain_path(path):
        raise InvalidRequest.field("files", f"{path!r} is not a plain relative path")


def _bytes(path: str, content: object) -> bytes:
    if isinstance(content, bytes):
        return content
    if not isinstance(content, str):
        raise InvalidRequest.field("files", f"{path} must hold text or bytes, not {checks.type_name(content)}")
    try:
        return content.encode()
    except UnicodeEncodeError as error:
        raise InvalidRequest.field("files", f"{path} holds text that has no UTF-8: {error.reason}") from None
