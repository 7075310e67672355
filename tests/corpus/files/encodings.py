"""Encodings of the text, with and without a byte order mark."""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

from raylane_common.wire.reading import ReadingOptions
from tests.corpus.files.dialect import Dialect
from tests.corpus.files.model import Case, Refused, Table, ints, nums, texts

if TYPE_CHECKING:
    from collections.abc import Iterator

WEST: Final = ["Zoë Müller", "François Côté", "José Peña", "Søren Ærø", "Élodie Bâtard", "Jürgen Groß", "Iñaki Núñez"]
WINDOWS: Final = ["“quoted”", "5 € – net", "Œuvre…", "Žižek", "naïve ™", "100 ‰", "l’été"]
POLISH: Final = [
    "Łódź i Gdańsk",
    "Źdźbło żółte",
    "Święta Małgorzata",
    "Częstochowa nad Wartą",
    "Jędrzejów Świętokrzyski",
]
RUSSIAN: Final = ["Москва и область", "Санкт-Петербург", "Нижний Новгород", "Ростов-на-Дону", "Екатеринбург"]
GREEK: Final = ["Αθήνα και Πειραιάς", "Θεσσαλονίκη", "Ηράκλειο Κρήτης", "Καλαμάτα Μεσσηνίας", "Ιωάννινα Ηπείρου"]
TURKISH: Final = [
    "İstanbul Büyükşehir",
    "Eskişehir Odunpazarı",
    "Şanlıurfa Eyyübiye",
    "Iğdır Aralık",
    "Diyarbakır Bağlar",
]
JAPANESE: Final = [
    "東京都新宿区西新宿",
    "大阪府大阪市北区梅田",
    "北海道札幌市中央区",
    "京都府京都市左京区",
    "福岡県福岡市博多区",
]
CHINESE: Final = [
    "北京市朝阳区建国路",
    "上海市浦东新区世纪大道",
    "广东省深圳市南山区",
    "四川省成都市武侯区",
    "浙江省杭州市西湖区",
]
KOREAN: Final = [
    "서울특별시 강남구 역삼동",
    "부산광역시 해운대구 우동",
    "인천광역시 연수구 송도동",
    "대구광역시 수성구",
    "광주광역시 북구",
]
EVERY: Final = ["añb", "日本", "😀 smile", "עברית", "العربية", "e\u0301 combined", "Ωmega"]

_WITH_MARK: Final = {
    "utf-8-sig": "utf-8-sig",
    "utf-16": "utf-16",
    "utf-16-le with mark": "utf-16-le",
    "utf-16-be with mark": "utf-16-be",
    "utf-32-le with mark": "utf-32-le",
    "utf-32-be with mark": "utf-32-be",
}
# Texts that are long enough to tell the encoding by.
_GUESSED: Final = {
    "latin-1": WEST,
    "cp1252": WEST + WINDOWS,
    "cp1250": POLISH,
    "cp1251": RUSSIAN,
    "cp1253": GREEK,
    "shift_jis": JAPANESE,
    "gb18030": CHINESE,
    "euc_kr": KOREAN,
    "big5": ["臺北市信義區市府路", "高雄市苓雅區四維三路", "臺中市西屯區臺灣大道", "臺南市安平區永華路"],
    "euc_jp": JAPANESE,
    "koi8-r": RUSSIAN,
}
_STATED: Final = _GUESSED | {
    "cp1254": TURKISH,
    "iso8859-2": POLISH,
    "iso8859-15": ["5 € net", "Œuvre", "Žižek"],
    "iso8859-9": TURKISH,
    "cp437": ["Zoë", "Ünal"],
    "cp850": ["Zoë", "Ünal"],
    "mac-roman": WEST,
    "utf-8": EVERY,
    "utf-16-le": EVERY,
    "utf-16-be": EVERY,
    "utf-32-le": EVERY,
    "gbk": CHINESE,
    "cp932": JAPANESE,
}


def _file(words: list[str], encoding: str, delimiter: str = ",", rounds: int = 1) -> bytes:
    rows = [["id", "wörd" if "ë" in "".join(words) else "word", "n"]]
    rows += [[str(i), word, f"{i}.5"] for i, word in enumerate(words * rounds)]
    return Dialect(delimiter, encoding=encoding).write(rows)


def _table(words: list[str], rounds: int = 1) -> Table:
    many = words * rounds
    return {
        "id": ints(*range(len(many))),
        "wörd" if "ë" in "".join(words) else "word": texts(*many),
        "n": nums(*[i + 0.5 for i in range(len(many))]),
    }


def cases() -> Iterator[Case]:
    """Yields the cases."""
    for name, encoding in _WITH_MARK.items():
        mark = {
            "utf-16-le": codecs.BOM_UTF16_LE,
            "utf-16-be": codecs.BOM_UTF16_BE,
            "utf-32-le": codecs.BOM_UTF32_LE,
            "utf-32-be": codecs.BOM_UTF32_BE,
        }.get(encoding, b"")
        for delimiter, words in ((",", EVERY), (";", WEST), ("\t", RUSSIAN + CHINESE)):
            data = mark + _file(words, encoding, delimiter)
            yield Case(f"{name}, delimiter {delimiter!r}", data, _table(words), quick=delimiter == ",")
    for delimiter in ",;\t|":
        yield Case(f"utf-8, delimiter {delimiter!r}", _file(EVERY, "utf-8", delimiter), _table(EVERY))
    for encoding, words in _GUESSED.items():
        for delimiter in ",;\t":
            data = _file(words, encoding, delimiter, rounds=8)
            table = _table(words, rounds=8)
            yield Case(
                f"{encoding} by its letters, delimiter {delimiter!r}",
                data,
                table,
                warns="encoding",
                quick=delimiter == ";",
            )
    for encoding, words in _STATED.items():
        said = ReadingOptions(encoding=encoding)
        yield Case(f"{encoding} is stated", _file(words, encoding), _table(words), options=said)
    yield Case(
        "one accent in a long file of ASCII",
        b"id,word\n" + b"1,plain text\n" * 30_000 + "2,José\n".encode("latin-1"),
        {"id": ints(*[1] * 30_000, 2), "word": texts(*["plain text"] * 30_000, "José")},
        warns="encoding",
    )
    yield Case(
        "an emoji after the first MiB",
        b"id,word\n" + b"1,plain text\n" * 120_000 + "2,😀\n".encode(),
        {"id": ints(*[1] * 120_000, 2), "word": texts(*["plain text"] * 120_000, "😀")},
        quick=False,
    )
    yield Case(
        "a wrong byte in UTF-8 that is stated",
        b"id,word\n1,a\n2,\xff\n",
        Refused("utf-8", "the user says that it is UTF-8, and it is not"),
        options=ReadingOptions(encoding="utf-8"),
    )
    yield Case(
        "an encoding that does not exist",
        b"id,word\n1,a\n",
        Refused("encoding", "there is no such encoding"),
        options=ReadingOptions(encoding="utf-99"),
    )
    yield Case(
        "letters above ASCII in names",
        "größe;straße\n1;Am Weg\n2;Im Tal\n".encode("cp1252"),
        {"größe": ints(1, 2), "straße": texts("Am Weg", "Im Tal")},
        warns="encoding",
    )
    yield Case(
        "a no-break space in cp1252",
        b"a;b\n1;x\xa0y\n2;z\n",
        {"a": ints(1, 2), "b": texts("x\xa0y", "z")},
        warns="encoding",
    )
    yield Case(
        "euro signs in cp1252", b"a;b\n1;5 \x80 net\n2;\x93hi\x94\n", {"a": ints(1, 2), "b": texts("5 € net", "“hi”")}
    )
