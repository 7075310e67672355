"""Distinguishes encodings with one byte per letter by the alphabets of languages. See docs/decisions/0028."""

from __future__ import annotations

from typing import Final, NamedTuple

# Western Europe and America: French, Spanish, German, Portuguese, Italian, Danish, Swedish.
_WESTERN: Final = ("àâæçéèêëîïôœùûüÿ", "áéíñóúüçàèòï", "äöüßéèà", "ãáàâçéêíõóôúü", "àèéìíîòóùú", "æøåäöéü")
# The letters above ASCII, in lower case, and how they are encoded. Where several fit, the first one is used.
_ALPHABETS: Final = (
    ("cp1252", _WESTERN),
    ("cp1250", ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţ", "čćđšž")),
    ("cp1254", ("çğıöşüâîû",)),
    # Icelandic, whose letters are those of Turkish in another encoding.
    ("cp1252", ("áðéíóúýþæö",)),
    ("cp1257", ("ąčęėįšųūž", "āčēģīķļņšūž", "äõöüšž")),
    (
        "cp1251",
        ("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя", "абвгдђежзијклљмнњопрстћуфхцчџш"),
    ),
    ("koi8-r", ("абвгдежзийклмнопрстуфхцчшщъыьэюяё",)),
    ("koi8-u", ("абвгґдеєжзиіїйклмнопрстуфхцчшщьюя",)),
    ("cp866", ("абвгдежзийклмнопрстуфхцчшщъыьэюяё",)),
    ("iso8859-5", ("абвгдежзийклмнопрстуфхцчшщъыьэюяё",)),
    ("iso8859-2", ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áéíóöőúüű")),
    ("cp1253", ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋ",)),
    ("iso8859-7", ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋ",)),
    ("cp1256", ("ابتثجحخدذرزسشصضطظعغفقكلمنهويىةأإآؤئءپچژگ",)),
)
_HEBREW: Final = "אבגדהוזחטיךכלםמןנסעףפץצקרשת"
_SIGNS: Final = frozenset("\u00a0\u00ad‘’‚“”„«»‹›–—…•·°²³¹µ§©®™€£¥¢¼½¾×÷±ªº¡¿†‡‰´№")
# Those that are written between two letters.
_BETWEEN_LETTERS: Final = frozenset("\u00a0\u00ad‘’´·–—")
_GOOD: Final = 0.95
# As Excel's "CSV (MS-DOS)" is written.
DOS: Final = "cp850"
# Every alphabet is tried, so a longer sample would take long.
_SAMPLE_BYTES: Final = 4096
_LATIN: Final = (DOS, "cp1252", "cp1250", "cp1254", "cp1257", "iso8859-2")


class Fit(NamedTuple):
    """An encoding, and the part of the bytes above ASCII that are letters or signs where the language has them."""

    encoding: str
    share: float

    @property
    def is_good(self) -> bool:
        """Whether nearly all bytes fit the encoding."""
        return self.share >= _GOOD


def best_alphabet(sample: bytes) -> Fit:
    """Returns the encoding with an alphabet that has most of the bytes above ASCII."""
    sample = sample[:_SAMPLE_BYTES]
    fits = [Fit(name, max(_share(sample, name, letters) for letters in alphabets)) for name, alphabets in _ALPHABETS]
    best = max(fits, key=lambda fit: fit.share)
    # Hebrew has no capitals; Cyrillic without them, and without its last letters, is hardly ever that.
    return Fit("cp1255", 1.0) if best.encoding == "cp1251" and _share(sample, "cp1255", _HEBREW) == 1 else best


def fits_dos(sample: bytes) -> bool:
    """Returns whether the bytes above ASCII are letters of Western Europe as MS-DOS has them.

    Other encodings have letters at the same places, so they have to be tried first.
    """
    return Fit(DOS, max(_share(sample[:_SAMPLE_BYTES], DOS, letters) for letters in _WESTERN)).is_good


def _share(sample: bytes, encoding: str, letters: str) -> float:
    """Returns the part of the bytes above ASCII that are letters of the alphabet, or signs in their place."""
    text = sample.decode(encoding, "replace")
    is_latin = encoding in _LATIN
    high = good = 0
    before = " "
    for letter, after in zip(text, text[1:] + " ", strict=True):
        if letter > "\x7f":
            high += 1
            if not letter.isalpha():
                inside = before.isalpha() and after.isalpha()
                good += letter in (_BETWEEN_LETTERS if inside else _SIGNS)
            elif is_latin or not any(each.isascii() and each.isalpha() for each in before + after):
                # The lower case of the Turkish İ has two characters.
                good += letter.lower()[0] in letters + "i" and not (letter.isupper() and before.islower())
        before = letter
    return good / high if high else 0
