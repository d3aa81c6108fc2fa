"""What a rule looks for in a text: a regular expression, or the words of a dictionary."""

import math
import os
import re
from collections import defaultdict
from typing import Any, Iterator, Optional, Sequence, Union

import regex  # type: ignore[import-untyped]

from ner_plugins.archives.assets import Assets, asset_name, is_loading
from ner_plugins.errors import ArchiveError, ConfigError, DataError, NerError, shown
from ner_plugins.files.text_lines import open_lines
from ner_plugins.options import place_of_object
from ner_plugins.post_processing.span_rule import check_text, check_texts

TIME_LIMIT = 1.0
"""Seconds that a regular expression may take for one text."""

_ESCAPED = re.compile(r"\\.|\[\^?\]?[^\]]*\]", re.DOTALL)  # and sets, in which brackets and braces are characters
_CALLS_ITSELF = re.compile(r"\(\?(?:R|[0-9]|&|P>)")
_COUNTED = re.compile(r"\(|\)?\{[0-9]*,?[0-9]*\}|\)")
_NUMBER = re.compile("[0-9]{1,9}")
_MOST_REPEATS = 100_000

Words = dict[str, Optional[str]]
"""The words of a dictionary, each with its entity type, if it names one."""
Folder = Union[str, "os.PathLike[str]"]


class SpanMatcher:
    """
    Finds spans of a text by a regular expression or a dictionary; one of the three has to be given.

    # Parameters

    pattern : `Optional[str]`, optional (default=`None`)
        A regular expression of the package `regex`, which extends Python's `re`. For one text it may take `TIME_LIMIT`:
        expressions such as `(a+)+b` can take exponential time, and then an error names the text and the expression.
    words : `Optional[Sequence[str]]`, optional (default=`None`)
        The words of a dictionary.
    path : `Optional[str]`, optional (default=`None`)
        A file of a dictionary: a word on each line, or `word<TAB>TYPE`. It is saved to `ner_assets/` in training, so
        archives contain it; when a trained model is loaded, it is read from there.
    serialization_dir : `Optional[Union[str, os.PathLike[str]]]`, optional (default=`None`)
        Supplied by AllenNLP.

    # Raises

    `ConfigError` for a pattern that is not a regular expression or matches nothing but empty spans, or if not exactly
    one of the three is given; `DataError` if the file cannot be read or has no word; `ArchiveError` if a trained model
    is loaded whose archive lacks the file.
    """

    def __init__(
        self,
        pattern: Optional[str] = None,
        words: Optional[Sequence[str]] = None,
        path: Optional[str] = None,
        serialization_dir: Optional[Folder] = None,
    ) -> None:
        place = place_of_object()
        if sum(given is not None for given in (pattern, words, path)) != 1:
            raise ConfigError(
                f"{place or 'a rule '}looks for a `pattern`, for `words` or for the words of the file at `path`: give "
                "exactly one of them"
            )
        check_text("pattern", pattern)
        check_text("path", path)
        check_texts("words", words)
        self.pattern = pattern
        self._compiled = None if pattern is None else _compiled(pattern, f"{place}pattern")
        self.words: Words = {}
        if words is not None:
            self.words = dict.fromkeys(words)
            if not self.words or "" in self.words:
                raise ConfigError(f"{place}words {'has an empty word' if words else 'is an empty list'}")
        elif path is not None:
            self.words = _dictionary(path, serialization_dir)
        # The lengths of the words that begin with a character, the longest first.
        lengths: defaultdict[str, set[int]] = defaultdict(set)
        for word in self.words:
            lengths[word[0]].add(len(word))
        self._lengths = {first: sorted(of_first, reverse=True) for first, of_first in lengths.items()}

    def find(self, text: str) -> Iterator[tuple[int, int, Optional[str]]]:
        """
        The matches in a text from left to right, which do not overlap: as (start, end, entity type of the word). At
        each place the longest word matches.

        # Raises

        `NerError` if the regular expression takes too long.
        """
        if self._compiled is None:
            yield from self._find_words(text)
            return
        try:
            for match in self._compiled.finditer(text, timeout=TIME_LIMIT):
                if match.end() > match.start():
                    yield match.start(), match.end(), None
        except TimeoutError:
            raise self._too_slow(text) from None

    def matches(self, surface: str) -> bool:
        """Whether all of a text is a match; errors as in `find`."""
        if self._compiled is None:
            return surface in self.words
        try:
            return self._compiled.fullmatch(surface, timeout=TIME_LIMIT) is not None
        except TimeoutError:
            raise self._too_slow(surface) from None

    def _find_words(self, text: str) -> Iterator[tuple[int, int, Optional[str]]]:
        start = 0
        while start < len(text):
            for length in self._lengths.get(text[start], ()):
                word = text[start : start + length]
                if word in self.words:
                    yield start, start + len(word), self.words[word]
                    start += len(word)
                    break
            else:
                start += 1

    def _too_slow(self, text: str) -> NerError:
        return NerError(
            f"the regular expression {shown(self.pattern)} of model.post_processing takes more than {TIME_LIMIT:.0f} s "
            f"for a text of {len(text):,} characters, {shown(text)}. Repetitions inside of repetitions, as in (a+)+b, "
            "can take exponential time: write it without them, or with possessive ones, (a++)+b"
        )


def _compiled(pattern: str, key: str) -> Any:
    plain = _ESCAPED.sub("x", pattern)
    if _CALLS_ITSELF.search(plain):
        # Its time and memory have no bound, whatever the limit.
        raise ConfigError(f"{key} is {shown(pattern)}, which calls itself: write it without (?R), (?1) and (?&name)")
    if _repeats(plain) > _MOST_REPEATS:
        raise ConfigError(f"{key} is {shown(pattern)}, which repeats a part more than {_MOST_REPEATS:,} times")
    try:
        return regex.compile(pattern)
    except (regex.error, RecursionError, OverflowError) as error:
        raise ConfigError(f"{key} is {shown(pattern)}, which is no regular expression: {error}") from error


def _is_dictionary(value: Any) -> bool:
    return isinstance(value, dict) and all(
        word and (type_ is None or (isinstance(type_, str) and type_)) for word, type_ in value.items()
    )


def _repeats(pattern: str) -> int:
    """How often a part of a pattern is repeated, at most, by counts such as `{9}` within each other."""
    most = [1]  # for each group that is open
    for found in _COUNTED.finditer(pattern):
        count = max([1, *map(int, _NUMBER.findall(found[0]))])
        if found[0] == "(":
            most.append(1)
        elif found[0][0] == ")" and len(most) > 1:
            inner = most.pop()
            most[-1] = max(most[-1], inner * count)
        else:
            most[-1] = max(most[-1], count)
    return math.prod(most)


def _dictionary(path: str, serialization_dir: Optional[Folder]) -> Words:
    """The words of a file: saved in training, and read from what was saved where a trained model is loaded."""
    name = f"dictionary-{asset_name(path)}.json"
    if is_loading() and serialization_dir is not None:
        what = f"the dictionary {shown(path)} of model.post_processing"
        saved: Words = Assets(serialization_dir).load_json(name, what)
        if not _is_dictionary(saved):
            raise ArchiveError(f"{serialization_dir}: {what} is damaged. Copy the archive again, or retrain")
        return saved
    words: Words = {}
    for number, line in open_lines(path):
        word, _, type_ = line.strip().partition("\t")
        word, known = word.strip(), type_.strip() or None
        if not word:
            continue
        if words.get(word, known) != known:
            raise DataError(
                f"the word {word!r} has the types {words[word]} and {known}",
                path=path,
                line=number,
                expected="one type for each word",
            )
        words[word] = known
    if not words:
        raise DataError("a dictionary without a word", path=path, expected="a word, or word<TAB>TYPE, on each line")
    if serialization_dir is not None:
        Assets(serialization_dir).save_json(name, words)
    return words
