"""How a file is written is found out from its content, and then read as it is written."""

from __future__ import annotations

import bz2
import gzip
import io
import zipfile
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from raylane_common.errors import InvalidFile, InvalidRequest
from raylane_common.wire.names import Compression, FileFormat
from raylane_common.wire.reading import Reading, ReadingOptions
from raylane_worker.data.readers import open_batches
from raylane_worker.data.sniff import Sniffed, sniff

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Written = Callable[[str | bytes], Path]

LETTERS = "id;name;n\n1;Zoë Müller;10\n2;François Côté;20\n3;Ångström “x” €;30\n"
RUSSIAN = "имя;город\n" + "".join(f"Иван{number};Москва и область\n" for number in range(30))
WESTERN = "id;wörd\n" + "".join(f"1;{word}\n" for word in ("Zoë", "Côté", "Peña", "Søren", "Groß", "Núñez") * 9)
POLISH = "a;b\n" + "1;Łódź i Gdańsk i Wałęsa późno\n" * 10
CZECH = "a;b\n" + "1;Příliš žluťoučký kůň úpěl ďábelské čepice\n" * 10
KOREAN = "이름;도시\n" + "홍길동;서울특별시의 주소입니다\n김철수;부산광역시 해운대구\n" * 20
CHINESE = "姓名;城市\n" + "王小明;臺北市信義區的地址\n陳大文;高雄市左營區\n" * 20
HUNGARIAN = "a;b\n" + "".join(f"1;{word}\n" for word in ("Győr", "Szűcs", "Kőszeg", "Pécs", "Erdős Pál", "Dörömbözés"))
TURKISH = "a;b\n" + "".join(f"1;{word}\n" for word in ("Eskişehir", "Şişli", "Muğla", "Beyoğlu", "İzmir"))
JAPANESE = "名前;都市\n" + "".join(f"山田太郎{number};東京都新宿区の住所です\n" for number in range(30))


def short(value: object) -> str | None:
    """An id for a test that fits on a line. Bytes are left out, because compressed ones hold the time."""
    return f"{len(value)} bytes" if isinstance(value, bytes) else repr(value)[:40] if isinstance(value, str) else None


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(data: str | bytes) -> Path:
        path = tmp_path / "file"
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return path

    return write


def rows_of(path: Path, reading: Reading) -> tuple[list[str], list[tuple[str, ...]], list[str]]:
    with open_batches(path, reading) as batches:
        rows = [row for batch in batches for row in zip(*[each.to_pylist() for each in batch.columns], strict=True)]
        return list(batches.names), rows, batches.warnings


def read(path: Path, **said: Any) -> tuple[Sniffed, list[str], list[tuple[str, ...]]]:
    found = sniff(path, ReadingOptions(**said))
    names, rows, _ = rows_of(path, found.reading)
    return found, names, rows


def zipped(*members: tuple[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in members:
            archive.writestr(name, text)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("text", "names", "rows", "expected"),
    [
        ("a,b\n1,2\n3,4\n", "a b", "1 2|3 4", {}),
        ("a,b\r1,2\r3,4\r", "a b", "1 2|3 4", {}),
        ("a,b\r\n1,2\r\n3,4", "a b", "1 2|3 4", {}),
        ("id;name;n\n1;a;10\n2;b;20\n", "id name n", "1 a 10|2 b 20", {"delimiter": ";"}),
        ("a\tb\n1\tx\n2\ty\n", "a b", "1 x|2 y", {"delimiter": "\t"}),
        ("a|b\n1|x\n2|y\n", "a b", "1 x|2 y", {"delimiter": "|"}),
        ("a:b:c\n1:2:x\n3:4:y\n", "a b c", "1 2 x|3 4 y", {"delimiter": ":"}),
        ("a b c\n1 2 3\n4 5 6\n", "a b c", "1 2 3|4 5 6", {"delimiter": " "}),
        (" a b\n0 M 1\n1 M 2\n2 H 1\n", " a b", "0 M 1|1 M 2|2 H 1", {"delimiter": " "}),
        ('"a" "b"\n"1" 26 NA\n"2" 27 5\n', " a b", "1 26 NA|2 27 5", {"delimiter": " "}),
        ("a b\n1 26 NA\n2 27 5\n", " a b", "1 26 NA|2 27 5", {"delimiter": " "}),
        ("n v\n 9 1\n10 2\n11 3\n", "n v", "9 1|10 2|11 3", {"delimiter": " "}),
        (" n v\n1 2\n3 4\n", "n v", "1 2|3 4", {"delimiter": " "}),
        ("t\n" + "10:30\n" * 20, "t", "|".join(["10:30"] * 20), {}),
        ("note\n" + "hello world\n" * 20, "note", "|".join(["hello_world"] * 20), {}),
        ("t,a,b\n" + "50:1,2,3\n50:2,4\n50:3,5,\n" * 4, "t a b", "|".join(["50:1 2 3|50:2 4 |50:3 5 "] * 4), {}),
        ("name;betrag\nA;1,5\nB;2,75\n", "name betrag", "A 1,5|B 2,75", {"delimiter": ";", "decimal": ","}),
        ("1,alice,5\n2,bob,6\n3,carol,7\n", "  ", "1 alice 5|2 bob 6|3 carol 7", {"header_line": 0}),
        ("key,50%\na,1\nb,2\n", "key 50%", "a 1|b 2", {}),
        ("0.5,1.25,3\n", "  ", "0.5 1.25 3", {"header_line": 0}),
        ("1,2,3\n4,5,6\n", "  ", "1 2 3|4 5 6", {"header_line": 0}),
        ("name,2019,2020\na,1,2\nb,3,4\n", "name 2019 2020", "a 1 2|b 3 4", {}),
        ("# exported 2024-01-05\na,b\n1,2\n3,4\n", "a b", "1 2|3 4", {"header_line": 2}),
        ("Sales report\n\nregion,n\nnorth,1\nsouth,2\n", "region n", "north 1|south 2", {"header_line": 3}),
        ("Report, Q1 2024\n\na,b,c\n1,2,3\n4,5,6\n", "a b c", "1 2 3|4 5 6", {"header_line": 3}),
        ("# c1\na,b\n1,2\n# c2\n3,4\n#c3\n5,6\n", "a b", "1 2|3 4|5 6", {"comment": "#", "header_line": 2}),
        ("sep=,\nid,n\n1,10\n2,20\n", "id n", "1 10|2 20", {"header_line": 2}),
        ("sep=;\nid;n\n1;10\n", "id n", "1 10", {"delimiter": ";", "header_line": 2}),
        ("\n\na,b\n1,2\n", "a b", "1 2", {"header_line": 3}),
        ("a,b\n1,2,\n3,4,\n", "a b ", "1 2 |3 4 ", {}),
        ("id,n,,\n1,2,,\n3,4,,\n", "id n  ", "1 2  |3 4  ", {}),
        ("a,b,c\n1,2,3\n4,5\n6,7,8\n", "a b c", "1 2 3|4 5 |6 7 8", {}),
        ("a;b\n'x;y';1\n'z';2\n", "a b", "x;y 1|z 2", {"delimiter": ";", "quote": "'"}),
        ('a,b\n1,"x \\"q\\" y"\n2,"z, w"\n', "a b", '1 x_"q"_y|2 z,_w', {"escape": "\\"}),
        ('a, b, c\n1, 2, 3\n4, "x, y", 6\n', "a b c", "1 2 3|4 x,_y 6", {}),
        ('id,txt\n1,5" pipe\n2,6" pipe\n', "id txt", '1 5"_pipe|2 6"_pipe', {}),
        (",b\n0,x\n1,y\n", " b", "0 x|1 y", {}),
        ("Sales report,\na,b\n1,2\n3,4\n", "a b", "1 2|3 4", {"header_line": 2}),
        ("Exported:,2024-01-05\n\na,b\n1,2\n3,4\n", "a b", "1 2|3 4", {"header_line": 3}),
        ('"Sales, in EUR"\n\na,b\n1,2\n3,4\n', "a b", "1 2|3 4", {"header_line": 3}),
        (
            "Series Id:  X1\n\nAdjusted\nTitle:  Rate\n\n\nid,Year,Value,\nX1,1959,5.8\nX1,1960,5.1\n",
            "id Year Value",
            "X1 1959 5.8|X1 1960 5.1",
            {"header_line": 7},
        ),
        ("a,b\n1,2\n3,4\n  \n", "a b", "1 2|3 4", {}),
        ("a,b\r\n1,2\r\n3,4\r\n\x1a", "a b", "1 2|3 4", {}),
        ("a,b,c", "a b c", "", {}),
        ("a,b\n,\n,\n", "a b", " | ", {}),
        ("a, b, c\n1, 2, x\n3, 4, y\n", "a b c", "1 2 x|3 4 y", {}),
        ('"Weight","Feed"\n"1",26.5,NA\n"2",27.5,5.2\n', " Weight Feed", "1 26.5 NA|2 27.5 5.2", {}),
        ("name   n\nAda   10\nGrace 20\n", "name n", "Ada 10|Grace 20", {"delimiter": " "}),
        ("PARENT,PAR1\nORC,1\n", "PARENT PAR1", "ORC 1", {}),
        ('"","1","2"\n"a",1,2\n"b",4,5\n', " 1 2", "a 1 2|b 4 5", {}),
        ("BZhang,n\nx,1\n", "BZhang n", "x 1", {}),
        (
            "Report 2024\n\nfirst,last\nAda,King\nGrace,Hopper\n",
            "first last",
            "Ada King|Grace Hopper",
            {"header_line": 3},
        ),
        (
            "Konto;2024\n\nIBAN;DE12\nSaldo;1.234,56;EUR\n\nTag;Valuta;Wer;Was;Betrag;Art\n1.2.24;2.2.24;A;B;1,5;x\n",
            "Tag Valuta Wer Was Betrag Art",
            "1.2.24 2.2.24 A B 1,5 x",
            {"header_line": 6, "delimiter": ";", "decimal": ","},
        ),
        ("id,name\n--,----\n1,Ada\n2,Bob\n\n(2 rows affected)\n", "id name", "1 Ada|2 Bob", {}),
        (
            " id | name\n----+-------\n  1 | Ada\n 12 | Grace\n(2 rows)\n",
            "id name",
            "1 Ada\n12 Grace",
            {"delimiter": "|"},
        ),
        (
            "+----+------+\n| id | name |\n+----+------+\n|  1 | Ada  |\n+----+------+\n1 row in set (0.00 sec)\n",
            " id name ",
            " 1 Ada ",
            {"delimiter": "|", "header_line": 2},
        ),
        ("id,tags\n1,a|b|c\n2,d|e|f\n", "id tags", "1 a|b|c\n2 d|e|f", {}),
        (
            "Sales report\na;b;c;d\n0;0;0;1,234,567\n0;;;\n0;;;\n0;;;1,000,000,000,000\n",
            "a b c d",
            "0 0 0 1,234,567|0   |0   |0   1,000,000,000,000",
            {"delimiter": ";", "header_line": 2},
        ),
        (
            "Report\nof 2024\n\na|b|c|d\n0|0|0|1,234,567\n0|||\n0|||1,000,000,000,000\n",
            "a b c d",
            "0 0 0 1,234,567\n0   \n0   1,000,000,000,000",
            {"delimiter": "|", "header_line": 4},
        ),
        (
            "Sales report\n\na,b,c 1\n0,12:00:00 AM,1.5\n0,12:00:00 AM,\n0,12:00:00 AM,\n",
            "a b c_1",
            "0 12:00:00_AM 1.5|0 12:00:00_AM |0 12:00:00_AM ",
            {"header_line": 3},
        ),
        (
            "Sales report\nNorth America\na,b,c 1\n0,12:00:00 AM,1.5\n0,12:00:00 AM,\n0,12:00:00 AM,\n",
            "a b c_1",
            "0 12:00:00_AM 1.5|0 12:00:00_AM |0 12:00:00_AM ",
            {"header_line": 3},
        ),
        ("x\n1\n2\n", "x", "1|2", {}),
        ("amount,amount\n1,2\n", "amount amount", "1 2", {}),
        ("a,b\n", "a b", "", {}),
    ],
)
def test_a_dialect_is_found_and_read(
    written: Written, text: str, names: str, rows: str, expected: dict[str, object]
) -> None:
    found, found_names, found_rows = read(written(text))
    lines = rows.split("\n" if "\n" in rows else "|")
    assert found_names == [name.replace("_", " ") for name in names.split(" ")]
    assert found_rows == [tuple(cell.replace("_", " ") for cell in row.split(" ")) for row in lines if row]
    wanted = Reading().model_dump() | expected
    if "decimal" not in expected:
        wanted.pop("decimal")
    assert {name: getattr(found.reading, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("data", "encoding", "is_guess"),
    [
        (LETTERS.encode(), "utf-8", False),
        (b"\xef\xbb\xbf" + LETTERS.encode(), "utf-8", False),
        (LETTERS.encode("utf-16"), "utf-16", False),
        (LETTERS.encode("utf-16-le"), "utf-16-le", True),
        (LETTERS.encode("utf-16-be"), "utf-16-be", True),
        (LETTERS.encode("utf-32"), "utf-32", False),
        (LETTERS.encode("cp1252"), "cp1252", True),
        (RUSSIAN.encode("cp1251"), "cp1251", True),
        (RUSSIAN.replace(";", "\t").encode("cp1251"), "cp1251", True),
        (RUSSIAN.encode("koi8-r"), "koi8-r", True),
        (WESTERN.encode("cp1252"), "cp1252", True),
        (POLISH.encode("cp1250"), "cp1250", True),
        (CZECH.encode("cp1250"), "cp1250", True),
        (b"a;b\n1;x\xa0y\n2;z\n", "cp1252", True),
        (HUNGARIAN.encode("cp1250"), "cp1250", True),
        (TURKISH.encode("cp1254"), "cp1254", True),
        (RUSSIAN.encode("cp866"), "cp866", True),
        ("année;n\nBesançon;1\nforêt;2\nnuméro;3\n".encode("cp850"), "cp850", True),
        ("Größe;n\nMüller;1\nKäufer;2\nWeiß;3\n".encode("cp850"), "cp850", True),
        (JAPANESE.encode("shift_jis"), "cp932", True),
        (JAPANESE.encode("gb18030"), "gb18030", True),
        (KOREAN.encode("euc_kr"), "cp949", True),
        (CHINESE.encode("big5"), "big5", True),
    ],
    ids=short,
)
def test_an_encoding_is_found_and_a_guess_is_named(
    written: Written, data: bytes, encoding: str, is_guess: bool
) -> None:
    found, names, rows = read(written(data))
    assert found.reading.encoding == encoding
    assert any(f"read as {encoding}" in warning for warning in found.warnings) == is_guess
    text = data.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    delimiter = found.reading.delimiter
    assert [names, *map(list, rows)] == [line.split(delimiter) for line in text.splitlines()]


def test_a_byte_that_is_not_utf_8_is_found_behind_the_first_mebibyte(written: Written) -> None:
    found = sniff(written(b"a,b\n" + b"1,x\n" * 400_000 + b"2,caf\xe9\n"), ReadingOptions())
    assert found.reading.encoding == "cp1252"


@pytest.mark.parametrize(
    ("pack", "compression"),
    [
        (gzip.compress, Compression.GZIP),
        (bz2.compress, Compression.BZIP2),
        (lambda data: pa.compress(data, "zstd", asbytes=True), Compression.ZSTD),
        (lambda data: zipped(("a.csv", data.decode())), Compression.ZIP),
    ],
)
def test_a_compressed_file_is_read(written: Written, pack: Callable[[bytes], bytes], compression: Compression) -> None:
    found, names, rows = read(written(pack(LETTERS.encode())))
    assert found.reading.compression is compression
    assert names == ["id", "name", "n"]
    assert rows[0] == ("1", "Zoë Müller", "10")


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "the file is empty"),
        (b"\n \n", "the file is empty"),
        (b"<!DOCTYPE html>\n<html>\n<body>Access denied</body>\n</html>\n", "HTML page"),
        (b"<?xml version='1.0'?><rows/>", "XML"),
        (b"%PDF-1.7", "a PDF"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>', "save it as .xlsx"),
        (b"Obj\x01\x04\x16avro.schema", "an Avro file; convert it to Parquet"),
        (b"\x09\x02\x06\x00\x00\x00\x10\x00", "a workbook of Excel before version 5; open it and save it as .xlsx"),
        (b"\x00\x01\x00\x00Standard ACE DB\x00", "an Access database"),
        (b"HEADER RECORD*******LIBRARY HEADER RECORD!!!!!!!0000", "a SAS file"),
        (b"\x01" * 8 + b"DUCK" + b"\x00" * 50, "a DuckDB database"),
        (zipped(("[Content_Types].xml", ""), ("word/document.xml", "")), "a Word document"),
        (zipped(("Index/Document.iwa", ""), ("Metadata/a.plist", "")), "a workbook of Apple Numbers"),
        (zipped(("mimetype", "application/vnd.oasis.opendocument.text"), ("content.xml", "")), "without sheets"),
        (b"a,b\n1,\x002\n", "line 2 holds a NUL byte"),
        (zipped(("a.csv", "a"), ("b.csv", "b")), "holds 2 files ('a.csv', 'b.csv')"),
        (gzip.compress(LETTERS.encode() * 50)[:-20], "the gzip compression is damaged"),
        (bz2.compress(LETTERS.encode()) + bz2.compress(LETTERS.encode())[2:], "the bz2 compression is damaged"),
        (pa.compress(b"a,b\n" * 20_000_000, "zstd", asbytes=True), "more than 500 times"),
        (gzip.compress(gzip.compress(b"a,b\n")), "compressed twice"),
        (b"<!-- made -->\n<!DOCTYPE html>\n<html></html>", "HTML page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\n", "pointer of Git LFS"),
        (b"PK\x03\x04broken", "the ZIP archive is damaged"),
        (b'id,t\n1,"abc\n2,def\n3,ghi\n', "a quote that opens on line 2 is never closed"),
        (b"a,b\n1,2,3\n", "line 2 has 3 cells"),
        (b"a,b\n1,2\n3,4,5\n6,7\n", "line 3 has 3 cells and the header names 2: '3,4,5'"),
        (b"a,b\n1,2\n\nx,y,z\n1,2,3\n", "line 4 has 3 cells"),
        (b"a;b\n1;2\n\n\na;b\n3;4;5\n", "line 6 has 3 cells"),
        (b"a,b\n1,2\n3,4\n\nc,d,e\n5,6,7\n", "line 5 has 3 cells"),
        (
            b"Weight,Feed\nx,26.5,NA\ny,27.5,5.2\n",
            "line 1 names 2 columns, and every line below has one cell more",
        ),
        (b"a" + b",a" * 10_000 + b"\n", "at most 10,000 columns"),
        (b"569,30,malignant,benign\n17.9,10.3,122,1,0,0\n20.5,17.7,132,1,0,0\n", "line 2 has 6 cells"),
        (b"Sales 2024\n1,alice,5\n2,bob,6\n", "delete what is above line 2"),
        (b'a,b\n"x,1\ny,2\nz,3\n', "a quote that opens on line 2 is never closed"),
        (b'a,b\n1,"abc\n2,"def"\n3,"ghi\n', "begins on line 2 has text after the quote"),
        (bytes(range(1, 256)), "not text, but binary data"),
        (b"sep=;\n", "only a separator line"),
        (b"BEGIN:VCARD\nFN:Ada\nEND:VCARD\n", "a vCard"),
        (b"-- a dump\n/* of a table */\nINSERT INTO t VALUES (1,2),(3,4);\n", "SQL"),
        (b"From: Ada <a@x.org>\nSubject: numbers, and more\n\n1,2\n", "an e-mail"),
        (b'// saved\n[{"a":1}]\n', "JSON with comments"),
        (b":20:STARTUMS\n:25:1002/123\n", "MT940"),
    ],
    ids=short,
)
def test_what_cannot_be_read_is_refused_with_the_reason(written: Written, data: bytes, problem: str) -> None:
    with pytest.raises(InvalidFile) as raised:
        read(written(data))
    assert problem in raised.value.message


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b'[{"a": 1}]', FileFormat.JSON),
        (b'{"data": [1]}', FileFormat.JSON),
        (b'{"a": 1}\n{"a": 2}\n', FileFormat.JSON_LINES),
        (b"[a],[b]\n1,2\n", FileFormat.CSV),
        (b"PAR1\x15\x04", FileFormat.PARQUET),
        (b"ARROW1\0\0", FileFormat.ARROW),
    ],
)
def test_a_format_is_known_by_its_content(written: Written, data: bytes, found: FileFormat) -> None:
    assert sniff(written(data), ReadingOptions()).reading.format is found


@pytest.mark.parametrize(
    ("data", "warning"),
    [
        ("1,alice,5\n2,bob,6\n", "line 1 seems to be data"),
        ("anna,Oslo\nbob,Rome\ncarl,Paris\n", "line 1 is taken for the names of the columns"),
        ("Sales 2024\na,b\n1,2\n3,4\n", "'Sales 2024', is left out"),
        ("2024-01-05 10:00:00 INFO a, b\n2024-01-05 10:00:01 WARN c, d\n", "seems to be data"),
        ("name           n\nAda Lovelace   10\nGrace Hopper   20\n", "aligned with spaces"),
        ("name n\nAda 10\nGrace 20\n", "spaces separate the columns"),
        ('"a;b"\n1\n2\n', "if ';' separates the columns"),
        ("[main]\nx=1\ny=2\n", "line 1 does not look like its name"),
        ("n/k,3\n1,2\n4,5\n", "line 1 is taken for the names of the columns"),
        ("t,v\ns,°C\n1,20.5\n2,21.5\n", "line 2 seems to hold units or more names"),
        ('"a\nb",v\nkm,s\n1,2\n3,4\n', "line 3 seems to hold units or more names"),
        ('t,v\nStart,"Q\n1"\n"{""id"":""t""}","{""id"":""v""}"\n9:30,1\n9:45,2\n', "lines 2 to 4 seem to hold units"),
        ("a1,Ada,x y\nb2,Ada,z\nc3,Ada,w\n", "line 1 is taken for the names of the columns"),
        ("x,Fri Nov 27 2026\ny z,Sat Nov 28 2026\nz,Mon Nov 30 2026\n", "line 1 is taken for the names"),
    ],
)
def test_a_doubt_is_a_warning_that_names_the_option_to_use(written: Written, data: str, warning: str) -> None:
    (told,) = [each for each in sniff(written(data), ReadingOptions(delimiter=None)).warnings if warning in each] or [
        ""
    ]
    assert warning in told
    assert "--" in told or "put a delimiter" in told


def test_questions_of_several_lines_name_many_columns(written: Written) -> None:
    names = [f'{number}. How\nmuch, or "how" many?' for number in range(300)]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    path = written(f"{header}\n" + f"{','.join('1' * 300)}\n" * 20)
    found = sniff(path, ReadingOptions())
    assert (found.reading.delimiter, found.warnings) == (",", ())
    found_names, rows, _ = rows_of(path, found.reading)
    assert (found_names, len(rows)) == (names, 20)


def test_a_short_row_is_a_warning_with_its_line(written: Written) -> None:
    path = written("a,b,c\n1,2,3\n4,5\n6\n")
    _, _, warnings = rows_of(path, sniff(path, ReadingOptions()).reading)
    assert warnings == [
        "2 rows have fewer cells than there are columns, first line 3; the missing cells count as missing values"
    ]


@pytest.mark.parametrize(
    ("text", "said", "names", "rows"),
    [
        ("a,b;c\n1,2;3\n", {"delimiter": ";"}, ["a,b", "c"], [("1,2", "3")]),
        ("1,alice\n2,bob\n", {"header_line": 1}, ["1", "alice"], [("2", "bob")]),
        ("a,b\n1,2\n", {"header_line": 0}, ["", ""], [("a", "b"), ("1", "2")]),
        ("x,y\na,b\n1,2\n", {"header_line": 2}, ["a", "b"], [("1", "2")]),
        ("a,b\n'1,2\n", {"quote": ""}, ["a", "b"], [("'1", "2")]),
        (b"a\ncaf\xe9\n".decode("latin-1"), {"encoding": "utf-8"}, ["a"], [("café",)]),
    ],
)
def test_what_the_user_says_wins(
    written: Written, text: str, said: dict[str, Any], names: list[str], rows: list[tuple[str, ...]]
) -> None:
    _, found_names, found_rows = read(written(text), **said)
    assert (found_names, found_rows) == (names, rows)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"delimiter": "|"}, "reading.delimiter: no line has '|'"),
        ({"header_line": 9}, "reading.header_line: is 9"),
        ({"encoding": "klingon"}, "reading.encoding: 'klingon' is not a known encoding"),
        ({"encoding": "base64"}, "reading.encoding: 'base64' is not an encoding of text"),
        ({"delimiter": ",", "quote": ","}, "reading.delimiter: is also the quote"),
        ({"sheet": "Sheet1"}, "reading.sheet: does not apply to a text file; leave it out"),
    ],
)
def test_an_option_that_does_not_fit_the_file_is_refused_by_name(
    written: Written, said: dict[str, Any], problem: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        sniff(written("a,b\n1,2\n"), ReadingOptions(**said))
    assert problem in raised.value.message


def test_cells_are_the_same_wherever_a_block_ends(written: Written) -> None:
    row = '{},"one\nline ' + "x" * 500_000 + '"\n'
    _, names, rows = read(written("a,b\n" + "".join(row.format(number) for number in range(100))))
    assert names == ["a", "b"]
    assert [row[0] for row in rows] == [str(number) for number in range(100)]
    assert {len(row[1]) for row in rows} == {500_009}
