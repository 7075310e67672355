"""A file is found again under its name, whatever that is, and is never taken for another one."""

from __future__ import annotations

import ast
import itertools
import re
import tempfile
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlparse

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pyarrow import csv, fs, parquet

from raylane_common.errors import InvalidRequest
from raylane_common.wire.names import Engine
from raylane_common.wire.reading import Reading
from raylane_common.wire.sources import Column, ColumnType, FileSource, PreparedCopy, TableFormat
from raylane_worker.data.layout import original_key, prepared_key
from raylane_worker.data.prepare.as_ray import reasons_at_sight
from raylane_worker.embedded import aws_environment
from raylane_worker.generation.template.generator import write
from raylane_worker.generation.verify import verify
from tests.helpers.aws import own_bucket, s3, share_session
from tests.helpers.door import open_door
from tests.helpers.profiles import by_profile

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from raylane_worker.embedded import EmbeddedMoto, EmbeddedValkey
    from tests.helpers.door import Door

# What file systems allow, and what readers of addresses, shells, XML or Redis give a meaning to.
PIECES: Final = [
    *("sales", "Sales", ".csv", ".CSV", ".parquet", ".gz", ".zst", ".snappy", ".", "..", "_", "-", "~", "0", " "),
    *("%", "%25", "%2F", "%2e", "%00", "+", "?", ";", "#", "&", "=", ":", "@", "!", "$", "*", "'", '"', "`", "|"),
    *("[", "]", "{", "}", "<", ">", "^", ",", "(", ")", "?versionId=1", ";?", "s3://b/k"),
    *("é", "e\u0301", "한", "\u1112\u1161\u11ab", "Ω", "Ω", "ﬁ", "ß", "İ", "\u0131", "データ", "👩\u200d👩\u200d👧"),
    *("\u202e", "\u200f", "\u200b", "\u00a0", "\ufeff", "\ufdd0"),
]
BAD_PIECES: Final = [
    *("\t", "\n", "\x00", "\x7f", "\x85", "\u2028", "\ufffe", "\uffff", "\\", "/", "\udcff", "\ud800"),
]
GOOD_NAMES: Final = st.lists(st.sampled_from(PIECES) | st.text(max_size=2), min_size=1, max_size=6).map("".join)
NAMES: Final = GOOD_NAMES | st.builds("".join, st.permutations(["sales", *BAD_PIECES]).map(lambda some: some[:3]))
# A name that has none of these is taken: nothing else is a reason to refuse one.
REFUSED: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff/\\]|^\s|\s$|^\.{0,2}$")
EXAMPLES: Final = by_profile(fast=10, ci=20, deep=2000)
FEWER_EXAMPLES: Final = by_profile(fast=2, ci=5, deep=2000)
_session: Final = itertools.count()
pytestmark = pytest.mark.timeout(by_profile(fast=120, ci=120, deep=7200))


@pytest.fixture(autouse=True)
def _environment(moto: EmbeddedMoto, monkeypatch: pytest.MonkeyPatch) -> None:
    share_session(monkeypatch)
    for name, value in aws_environment(moto.url).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def door(valkey: EmbeddedValkey, moto: EmbeddedMoto) -> AsyncIterator[Door]:
    async with open_door(valkey.url, moto.url, own_bucket()) as opened:
        yield opened


def alike(name: str) -> list[str]:
    """The name and others that something on the way may take for it."""
    forms = [unicodedata.normalize(form, name) for form in ("NFC", "NFD", "NFKC")]
    changed = [name.swapcase(), quote(name, errors="ignore"), unquote(name), name.replace(";?", "?"), f"{name}.parquet"]
    return list(dict.fromkeys([name, *forms, *changed]))


def seen_as(name: str) -> str:
    """The name as a person sees it: accents on their letters, and one kind of narrow blank."""
    return re.sub("[\u00a0\u1680\u2000-\u200a\u202f\u205f]", " ", unicodedata.normalize("NFC", name))


def written(names: list[str], folder: Path) -> Iterator[tuple[int, Path, bytes]]:
    """Writes a file of each name that a file system can have; every second one needs a prepared copy."""
    for number, name in enumerate(names):
        directory = folder / str(number)
        directory.mkdir()
        content = (b"n,m\n%d,1\n" if number % 2 else b"n;m\n%d;1\n") % number
        try:
            (directory / name).write_bytes(content)
        except (OSError, ValueError):
            continue
        if [path.name for path in directory.iterdir()] == [name]:
            yield number, directory / name, content


def read(source: FileSource) -> list[object]:
    """Returns the first column of what Arrow, and so the kit, reads where the bytes of the source are."""
    filesystem, path = fs.FileSystem.from_uri(source.readable_location)
    with filesystem.open_input_file(path) as file:
        found = parquet.read_table(file) if source.format is TableFormat.PARQUET else csv.read_csv(file)
    return list(found.column("n").to_pylist())


@settings(max_examples=FEWER_EXAMPLES)
@given(name=NAMES)
@example("a;?b.csv.gz")
async def test_every_name_is_found_again_and_no_other_file_under_it(door: Door, name: str) -> None:
    session_id, accepted = f"s{next(_session)}", dict[str, tuple[int, bytes]]()
    with tempfile.TemporaryDirectory() as folder:
        files = list(written(alike(name), Path(folder)))
        assume(files)
        for number, path, content in files:
            try:
                upload = await door.producer.upload(path, session_id=session_id)
            except InvalidRequest as error:
                assert error.details["field"] == "filename"
                assert "--filename" in str(error)
                assert REFUSED.search(path.name), error
                continue
            # Names that look the same are one name, so the later file takes the place of the earlier one.
            stored_as = seen_as(path.name)
            assert (await upload.result(timeout_s=60)).key == original_key(session_id, stored_as)
            accepted[stored_as] = (number, content)
    sources = [one for one in await door.producer.sources(session_id) if isinstance(one, FileSource)]
    assert [source.name for source in sources] == sorted(accepted)
    async with s3(door.url) as client:
        for source in sources:
            key = original_key(session_id, source.name)
            assert source.s3_uri == f"s3://{door.bucket}/{key}"
            stored = await client.get_object(Bucket=door.bucket, Key=key)
            number, content = accepted[source.name]
            assert await stored["Body"].read() == content
            assert read(source) == [number]
    for removed in list(accepted):
        await door.producer.remove(session_id, removed)
        del accepted[removed]
        assert [source.name for source in await door.producer.sources(session_id)] == sorted(accepted)
    await (await door.producer.reset(session_id, purge=True)).result(timeout_s=60)
    assert [key for key in await door.objects() if key.startswith(f"sessions/{session_id}/")] == []


@settings(max_examples=EXAMPLES)
@given(name=GOOD_NAMES)
@example("a;?b.csv")
@example("é" * 127)
def test_every_name_has_locations_of_its_own_which_code_names_and_ray_opens(name: str) -> None:
    names = [one for one in alike(name) if not REFUSED.search(one)]
    assume(names)
    sources = [source_of(one, prepared=prepared) for one in names for prepared in (False, True)]
    assert len({source.readable_location for source in sources}) == len(sources)
    for source in sources:
        uri = source.prepared.s3_uri if source.prepared else source.s3_uri
        if source.prepared:
            assert uri.partition("?")[0].endswith(".parquet"), "Ray skips all other files"
        if source.prepared or not reasons_at_sight(Path(__file__), uri, Reading(), ["n"], ["n"], 2**40):
            assert as_ray_opens(source.readable_location) == uri.removeprefix("s3://")
    code = write("first 5 rows", sources[:1], engine=Engine.LOCAL).code
    assert verify(code, sources[:1], Engine.LOCAL) == []
    assert sources[0].location in [node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant)]


def source_of(name: str, *, prepared: bool) -> FileSource:
    return FileSource(
        filename=name,
        s3_uri=f"s3://bucket/{original_key('s', name)}",
        size_bytes=1,
        rows=1,
        columns=(Column(name="n", type=ColumnType.INTEGER, native_type="int64"),),
        prepared=PreparedCopy(s3_uri=f"s3://bucket/{prepared_key('s', name)}", size_bytes=1, reasons=())
        if prepared
        else None,
        job_id="j",
    )


def as_ray_opens(uri: str) -> str:
    """Returns bucket and key as `ray.data` 2.60 finds them (`_unwrap_protocol`), whose import takes seconds."""
    parsed = urlparse(fs.FileSystem.from_uri(uri)[1], allow_fragments=False)
    params, query = parsed.params and f";{parsed.params}", parsed.query and f"?{parsed.query}"
    return f"{parsed.netloc}{parsed.path}{params}{query}"
