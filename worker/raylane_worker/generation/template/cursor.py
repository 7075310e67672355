"""A place in the words of a prompt: what the grammar reads from, and how it refuses."""

from __future__ import annotations

import difflib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.errors import AmbiguousColumn, AmbiguousSource, NotUnderstood, UnknownColumn, UnknownSource
from raylane_worker.generation.template.intent import columns_of
from raylane_worker.generation.template.vocabulary import Names, Word, is_wordlike, join

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pydantic import JsonValue

    from raylane_common.wire.sources import Column, CsvSource, TableSource

# Shown to whoever asked for something else: a form and a prompt that has it.
SUPPORTED: Final[tuple[tuple[str, str], ...]] = (
    ("preview", "first 5 rows"),
    ("count", "how many rows"),
    ("columns", "columns"),
    ("describe", "describe temp_max and wind"),
    ("missing values", "missing values per column"),
    ("sum, average, median, min, max, standard deviation, count distinct", "average and max of temp_max"),
    ("grouped, by one or more columns", "average temp_max by weather"),
    ("top or bottom rows", "top 5 by temp_max"),
    ("top or bottom groups", "top 3 weather by average temp_max"),
    ("distinct values", "distinct weather"),
    ("filter, after any of these", "count rows where weather = 'rain' and temp_max between 10 and 20"),
    ("source, if there are several", "first 5 rows of seattle-weather.csv"),
)

_NAMING: Final = "in the|in|from the|from|of the|of|for the|for|on the|on"
A_FILE: Final = "file|table|dataset|data|csv"
_NOUNS: Final = "columns|column|values|value"
# Words that end a name which is not known.
_BOUNDARIES: Final = "and|or|by|per|for|where|in|from|of|is|are|with|between"
_NUMBERS: Final = {
    "one": 1,
    "two": 2,
    "three": 3,
    "four": 4,
    "five": 5,
    "six": 6,
    "seven": 7,
    "eight": 8,
    "nine": 9,
    "ten": 10,
}
_SHOWN_CHARACTERS: Final = 200


class Cursor:
    """The words of one prompt, read against one source. Phrases are alternatives, as in `'row count|rows'`."""

    def __init__(
        self, words: Sequence[Word], source: CsvSource | TableSource, sources: Names[CsvSource | TableSource]
    ) -> None:
        self.words = words
        self.source = source
        self.position = 0
        self.has_named_source = False
        self._columns = Names((column.name, column) for column in columns_of(source))
        self._sources = sources

    @property
    def at_end(self) -> bool:
        """Whether all words are accounted for."""
        return self.position >= len(self.words)

    def ahead(self, phrases: str, skipping: int = 0) -> bool:
        """Whether one of the phrases comes next, or after so many words."""
        return _match(phrases, self.words, self.position + skipping) > 0

    def take(self, phrases: str) -> bool:
        """Takes the longest of the phrases that comes next."""
        length = _match(phrases, self.words, self.position)
        self.position += length
        return length > 0

    def skip(self, phrases: str) -> None:
        """Takes the phrases for as long as one comes next."""
        while self.take(phrases):
            pass

    def expect(self, phrases: str) -> None:
        """Takes one of the phrases. Raises `NotUnderstood`."""
        if not self.take(phrases):
            self.stuck(f"{' or '.join(map(repr, phrases.split('|')[:2]))} is expected there")

    def take_and(self) -> bool:
        """Takes what joins the items of a list, unless a condition follows."""
        return not self.ahead(", where") and self.take(", and|,|and")

    def next_word(self) -> Word:
        """Takes one word, whatever it is. Raises `NotUnderstood` at the end."""
        if self.at_end:
            self.stuck("it breaks off")
        self.position += 1
        return self.words[self.position - 1]

    def take_number(self) -> int | None:
        """Takes a whole number, in digits or as a word up to ten."""
        word = None if self.at_end else self.words[self.position]
        if word is None or word.quoted:
            return None
        is_whole = word.is_number and word.text.isdigit() and len(word.text) < 10
        number = int(word.text) if is_whole else _NUMBERS.get(word.key)
        if number is not None:
            self.position += 1
        return number

    def names_column(self, skipping: int = 0) -> bool:
        """Whether a column's name comes next, or after so many words."""
        return self._columns.find(self.words, self.position + skipping) is not None

    def column(self) -> Column:
        """Takes a column's name. Raises `UnknownColumn` (details: the nearest names) or `AmbiguousColumn`."""
        if not self.names_column():
            self.skip(f"the|each|{_NOUNS}|of")
        hit = self._columns.find(self.words, self.position)
        if hit is None:
            self._unknown_column()
        said = join(self.words[self.position : self.position + hit.length])
        if len(hit.things) > 1:
            names: list[JsonValue] = [column.name for column in hit.things]
            raise AmbiguousColumn(
                f"{said!r} may be any of the columns {', '.join(map(repr, names))} of {self.source.name}; "
                "write the name as it stands there",
                details={"column": said, "candidates": names, "source": self.source.name},
            )
        self.position += hit.length
        if not self.names_column():
            self.take(_NOUNS)
        return hit.things[0]

    def columns(self) -> tuple[Column, ...]:
        """Takes a list of columns. Raises what `column` raises."""
        found = [self.column()]
        while self.take_and():
            found.append(self.column())
        return tuple(dict.fromkeys(found))

    def take_source(self) -> bool:
        """Takes a phrase that names a source, or says no more than "in the file".

        Raises `UnknownSource` for a file name that no source has, `AmbiguousSource` for a name that several have.
        """
        start = self.position
        introduced = self.take(_NAMING)
        if introduced:
            self.take("this")
        is_noun = introduced and self.take(A_FILE)
        if found := self.source_here(introduced=introduced):
            self.position += found
            self.has_named_source = True
            self.take(A_FILE)
            return True
        if is_noun:
            return True
        if introduced and not self.at_end and "." in (said := self.words[self.position].text) and not said[0].isdigit():
            raise UnknownSource(f"the session has no source named {said!r}", details={"source": said})
        self.position = start
        return False

    def source_here(self, *, introduced: bool) -> int:
        """How many words of a source's name come next; without a preposition before it, only a name with a dot."""
        hit = self._sources.find(self.words, self.position)
        if hit is None:
            return 0
        said = join(self.words[self.position : self.position + hit.length])
        if not introduced and "." not in said:
            return 0
        if len(hit.things) > 1:
            names: list[JsonValue] = [source.name for source in hit.things]
            raise AmbiguousSource(
                f"{said!r} may be any of the sources {', '.join(map(repr, names))}; write the whole name",
                details={"sources": names},
            )
        return hit.length

    def stuck(self, hint: str = "") -> NoReturn:
        """Raises `NotUnderstood` about the words from here on."""
        rest = self.words[self.position :]
        said = f"the words {_shortened(join(rest))!r}" if rest else "the end of the prompt"
        examples = ", ".join(repr(example) for _, example in SUPPORTED)
        raise NotUnderstood(
            f"the template generator does not understand {said}{f' ({hint})' if hint else ''}; "
            f"it takes prompts such as {examples}",
            details={"unconsumed": [word.text for word in rest], "supported": supported()},
        )

    def _unknown_column(self) -> NoReturn:
        words: list[Word] = []
        for word in self.words[self.position :]:
            if self.ahead(_BOUNDARIES, skipping=len(words)) or not (word.quoted or is_wordlike(word)):
                break
            words.append(word)
        if not words:
            self.stuck("the name of a column is expected there")
        said = _shortened(" ".join(word.text for word in words))
        names = {column.name.casefold(): column.name for column in columns_of(self.source)}
        close = difflib.get_close_matches(said.casefold(), names, n=3, cutoff=0.4)
        nearest: list[JsonValue] = [names[name] for name in close]
        hint = f"did you mean {', '.join(map(repr, nearest))}?" if nearest else "ask for its columns with 'columns'"
        raise UnknownColumn(
            f"{self.source.name} has no column {said!r}; {hint}",
            details={"column": said, "nearest": nearest, "source": self.source.name, "supported": supported()},
        )


def supported() -> list[JsonValue]:
    """The forms for `details["supported"]` of an error."""
    return [{"form": form, "example": example} for form, example in SUPPORTED]


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def _match(phrases: str, words: Sequence[Word], start: int) -> int:
    """The number of words that the longest matching phrase takes, or 0."""
    for phrase in _parsed(phrases):
        if len(phrase) <= len(words) - start and all(
            word.key == expected for word, expected in zip(words[start : start + len(phrase)], phrase, strict=True)
        ):
            return len(phrase)
    return 0


@lru_cache(maxsize=256)
def _parsed(phrases: str) -> tuple[tuple[str, ...], ...]:
    return tuple(sorted((tuple(phrase.split()) for phrase in phrases.split("|")), key=len, reverse=True))
