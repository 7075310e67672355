"""Takes the names of columns and sources out of a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NoReturn

from raylane_common.errors import AmbiguousColumn, AmbiguousSource, UnknownColumn, UnknownSource
from raylane_common.nearest import NearestNames
from raylane_common.wire.sources import ColumnType
from raylane_worker.generation.columns import columns_of
from raylane_worker.generation.template.cursor import TokenCursor, clip
from raylane_worker.generation.template.phrases import (
    COLUMN_NOUN,
    COUNT_PREFIX,
    NAME_BOUNDARY,
    OPERATIONS,
    SOURCE_ARTICLE,
    SOURCE_NOUN,
    SOURCE_PREPOSITION,
)
from raylane_worker.generation.template.prompt import Prompt, Role, match_phrases
from raylane_worker.generation.template.question import Comparison, Condition
from raylane_worker.generation.template.tokens import join_tokens

if TYPE_CHECKING:
    from pydantic import JsonValue

    from raylane_common.wire.sources import Column, Source
    from raylane_worker.generation.template.choices import Choices
    from raylane_worker.generation.template.tokens import Token

# In how many columns a word is offered as a value.
_MAX_VALUE_COLUMNS: Final = 3


class NameCursor(TokenCursor):
    """A position in a prompt that knows the names of columns and sources.

    A guess is what the prompt does not say, such as the statistic of a column. `implied` are guessed conditions.
    """

    def __init__(self, prompt: Prompt, choices: Choices) -> None:
        super().__init__(prompt, choices)
        self.named_source: Source | None = None
        self.is_guess = False
        self.implied: list[Condition] = []

    @property
    def has_named_source(self) -> bool:
        """Whether the prompt names a source."""
        return self.named_source is not None

    def is_at_operation_name(self) -> bool:
        """Returns whether a column follows whose name begins like an operation, such as `total sales` or `count`.

        A phrase such as "how many" may precede it.
        """
        return self._operation_name_start() is not None

    def guess_name(self) -> None:
        """Goes to the name that `is_at_operation_name` found, to read it as what the prompt is about."""
        start = self._operation_name_start()
        assert start is not None
        self.is_guess = True
        self._advance(start - self.position, Role.WORD)

    def _operation_name_start(self) -> int | None:
        for skip in (0, *match_phrases(COUNT_PREFIX, self.tokens, self.position)):
            if self.is_next(OPERATIONS, skip) and self.is_at_column(skip):
                return self.position + skip
        return None

    def take_column(self) -> Column:
        """Takes the name of a column. Raises `UnknownColumn` (details: the nearest names) or `AmbiguousColumn`."""
        while self.take("of|the") or self.take_courtesy(COLUMN_NOUN):
            pass
        matches = self.prompt.columns_at(self.position)
        if not matches:
            self._refuse_column()
        match = matches[self.choose(len(matches))]
        written = join_tokens(self.tokens[self.position : self.position + match.length])
        if len(match.things) > 1:
            names: list[JsonValue] = [column.name for column in match.things]
            raise AmbiguousColumn(
                f"{written!r} may be any of the columns {', '.join(map(repr, names))} of {self.source.name}; "
                "write the name exactly",
                details={"column": written, "candidates": names, "source": self.source.name},
            )
        self._advance(match.length, Role.NAME)
        self.take_courtesy(COLUMN_NOUN)
        return match.things[0]

    def take_columns(self) -> tuple[Column, ...]:
        """Takes a list of columns, each once. Raises the same errors as `take_column`."""
        columns = [self.take_column()]
        while self.take_and():
            columns.append(self.take_column())
        return tuple(dict.fromkeys(columns))

    def take_source(self) -> bool:
        """Takes a phrase that names a source, or only says "in the file". Returns whether there was one.

        Raises `UnknownSource` for a file name that no source has, `AmbiguousSource` for a name that several have.
        """
        start = self.position
        has_verb = self.take_courtesy("does")
        if not has_verb:
            self.take_courtesy("are|are there|there are")
        has_preposition = not has_verb and self.take(SOURCE_PREPOSITION)
        has_article = (has_preposition or has_verb) and self.take_courtesy(SOURCE_ARTICLE)
        has_noun = (has_preposition or has_verb) and self.take_courtesy(SOURCE_NOUN)
        if self._take_source_name(
            has_preposition=has_preposition or has_verb, has_noun=has_noun, has_article=has_article
        ):
            found = True
        else:
            found = has_article and has_noun
        if found and has_verb:
            self.expect("have")
        if not found and self.position > start:
            if has_preposition and not self.at_end and not has_noun:
                text = self.tokens[self.position].text
                if "." in text and not text[0].isdigit():
                    raise UnknownSource(f"the session has no source named {text!r}", details={"source": text})
            self.position = start
            self.refuse()
        return found

    def _take_source_name(self, *, has_preposition: bool, has_noun: bool, has_article: bool) -> bool:
        """Takes the name of a source. Without a preposition it must contain a dot."""
        match = self.prompt.sources.find(self.tokens, self.position)
        if match is None:
            return False
        tokens = self.tokens[self.position : self.position + match.length]
        written = join_tokens(tokens)
        if not has_preposition and "." not in written:
            return False
        if len(match.things) > 1:
            names: list[JsonValue] = [source.name for source in match.things]
            raise AmbiguousSource(
                f"{written!r} may be any of the sources {', '.join(map(repr, names))}; write the whole name",
                details={"sources": names},
            )
        self._advance(match.length, Role.NAME, is_source=True)
        self.named_source = match.things[0]
        # "orders table" is one name, but in "orders.csv data" the last word may be a value.
        has_noun |= "." not in written and self.take_courtesy(SOURCE_NOUN)
        has_noun |= has_article and written in SOURCE_NOUN.split("|")
        is_whole_name = tokens[0].quoted and tokens[0].text == match.things[0].name
        if len(tokens) == 1 and tokens[0].text.isalpha() and not (has_noun or is_whole_name):
            self._consider_value(tokens[0].text)
        return True

    def _consider_value(self, word: str) -> None:
        """Reads a word that names the only source also as a value: with sales.csv, "in sales" may be a department."""
        if self.prompt.sources.has_several:
            return
        texts = [one for one in columns_of(self.source) if one.type is ColumnType.STRING][:_MAX_VALUE_COLUMNS]
        if choice := self.choose(len(texts) + 1):
            self.is_guess = True
            self.implied.append(Condition(texts[choice - 1], Comparison.EQUAL, (word,)))

    def _refuse_column(self) -> NoReturn:
        tokens: list[Token] = []
        for token in self.tokens[self.position :]:
            if self.is_next(NAME_BOUNDARY, skip=len(tokens)) or not (token.quoted or token.is_word):
                break
            tokens.append(token)
        if not tokens:
            self.refuse("expected the name of a column")
        written = clip(" ".join(token.text for token in tokens))
        nearest: list[JsonValue] = [*NearestNames(column.name for column in columns_of(self.source)).find(written)]
        hint = f"did you mean {', '.join(map(repr, nearest))}?" if nearest else "ask for its columns with 'columns'"
        raise UnknownColumn(
            f"{self.source.name} has no column {written!r}; {hint}",
            details={"column": written, "nearest": nearest, "source": self.source.name},
        )
