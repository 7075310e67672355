from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raylane_common.errors import InvalidRequest
from raylane_common.ray.package import build_package

NAMES = st.from_regex(r"[a-z]{1,8}(/[a-z_]{1,8}){0,2}\.py", fullmatch=True)


@given(st.dictionaries(NAMES, st.text(st.characters(codec="utf-8")) | st.binary(), min_size=1, max_size=5))
def test_a_package_holds_exactly_the_files_in_any_order_and_is_always_the_same(files: dict[str, str | bytes]) -> None:
    package = build_package(files)
    assert package == build_package(dict(reversed(files.items())))
    with zipfile.ZipFile(io.BytesIO(package.data)) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            name: content.encode() if isinstance(content, str) else content for name, content in files.items()
        }


def test_name_and_uri_follow_from_the_content_alone() -> None:
    package = build_package({"main.py": "print(1)\n"})
    assert re.fullmatch(r"gcs://_ray_pkg_[0-9a-f]{32}\.zip", package.uri)
    assert package.uri == f"gcs://{package.name}"
    assert build_package({"main.py": "print(2)\n"}).name != package.name
    assert build_package({"other.py": "print(1)\n"}).name != package.name


def test_the_code_does_not_show_in_the_packages_repr() -> None:
    assert "secret" not in repr(build_package({"main.py": "secret"}))


@pytest.mark.parametrize(
    "path", ["", "/main.py", "../main.py", "a/../b.py", "a//b.py", "a/", "./a.py", ".", "a\\b", "a\nb"]
)
def test_a_path_that_is_not_plain_is_refused_by_name(path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        build_package({path: "x"})
    assert caught.value.details["field"] == "files"


@pytest.mark.parametrize(
    "files", ["main.py", ["main.py"], [("main.py", "x")], {5: "x"}, {"main.py": 5}, {"main.py": None}, b"x"], ids=str
)
def test_files_of_another_kind_are_refused_by_name(files: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^files: "):
        build_package(files)


def test_text_without_utf8_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="UTF-8"):
        build_package({"main.py": "\ud800"})


def test_an_empty_and_a_too_large_package_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="empty"):
        build_package({})
    with pytest.raises(InvalidRequest, match="at most 100 are allowed"):
        build_package({"main.py": b"x" * 101}, max_bytes=100)
