"""The surfaces of a corpus: how often each is labelled, and where it is not."""

from collections import Counter, defaultdict
from typing import Iterable, Iterator, NamedTuple, Optional, Sequence

from ner_plugins.entities import Entity
from ner_plugins.files.folds_file import FoldRecord

SHORTEST = 2  # characters of a surface that is searched for: single characters are parts of other words


class Occurrence(NamedTuple):
    """
    A surface where it is not labelled.

    # Parameters

    record : `FoldRecord`
    entity : `Entity`
        Its place, with the type that it has most often elsewhere.
    labelled : `int`
        How often the surface is labelled with this type.
    unlabelled : `int`
        How often it occurs without a label.
    """

    record: FoldRecord
    entity: Entity
    labelled: int
    unlabelled: int


class Surfaces:
    """
    The labelled surfaces of a corpus.

    # Parameters

    records : `Iterable[FoldRecord]`
    """

    def __init__(self, records: Iterable[FoldRecord]) -> None:
        self._by_fold: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
        self._types: dict[str, Counter[str]] = defaultdict(Counter)
        self._folds_of_types: dict[str, set[int]] = defaultdict(set)
        for record in records:
            for entity in record.gold:
                self._folds_of_types[entity.type].add(record.fold)
                surface = record.text[entity.start : entity.end]
                self._by_fold[surface, entity.type][record.fold] += 1
                self._types[surface][entity.type] += 1

    def seen(self, surface: str, type_: str, fold: int) -> int:
        """How often a surface has a type in the other folds: what the model of this fold was trained on."""
        counts = self._by_fold.get((surface, type_))
        return 0 if counts is None else counts.total() - counts[fold]

    def unknown_types(self, fold: int) -> list[str]:
        """The types that no other fold has: the model of this fold does not know them."""
        return [type_ for type_, folds in self._folds_of_types.items() if folds == {fold}]

    def unlabelled(self, records: Sequence[FoldRecord]) -> list[Occurrence]:
        """
        Where labelled surfaces of two characters and more occur outside all labels, in the order of the records.

        Of surfaces that overlap, the longest counts, then the leftmost. Letters and digits of a longer word are no
        occurrence; Korean particles may follow.
        """
        lengths: dict[str, list[int]] = defaultdict(list)
        for beginning, length in sorted({(s[:SHORTEST], len(s)) for s in self._types if len(s) >= SHORTEST}):
            lengths[beginning].append(length)
        places = [(record, start, end) for record in records for start, end in self._places(record, lengths)]
        numbers = Counter(record.text[start:end] for record, start, end in places)
        found = []
        for record, start, end in places:
            surface = record.text[start:end]
            type_, labelled = min(self._types[surface].items(), key=lambda item: (-item[1], item[0]))
            found.append(Occurrence(record, Entity(start, end, type_), labelled, numbers[surface]))
        return found

    def _places(self, record: FoldRecord, lengths: dict[str, list[int]]) -> Iterator[tuple[int, int]]:
        text = record.text
        taken = bytearray(len(text))
        for entity in record.gold:
            taken[entity.start : entity.end] = b"\x01" * entity.width
        found = [
            (start, start + length)
            for start in range(len(text) - SHORTEST + 1)
            for length in lengths.get(text[start : start + SHORTEST], ())
            if start + length <= len(text) and text[start : start + length] in self._types
            if is_word(text, start, start + length)
        ]
        kept = []
        for start, end in sorted(found, key=lambda place: (place[0] - place[1], place[0])):
            if not any(taken[start:end]):
                taken[start:end] = b"\x01" * (end - start)
                kept.append((start, end))
        return iter(sorted(kept))


def is_word(text: str, start: int, end: int) -> bool:
    """
    Whether a stretch of a text is not cut out of a word: of letters and digits on either side, in Korean on the left.
    """
    before, after = text[start - 1 : start], text[end : end + 1]
    first, last = _script(text[start]), _script(text[end - 1])
    cut_before = bool(before) and first is not None and _script(before) == first
    cut_after = bool(after) and last == "alphabet" and _script(after) == last
    return not cut_before and not cut_after


def _script(character: str) -> Optional[str]:
    """`hangul`, or `alphabet` for other letters with words between blanks and for digits; `None` for the rest."""
    if "\uac00" <= character <= "\ud7a3":
        return "hangul"
    is_alphabet = character.isalnum() and (character < "\u2e80" or "\uff10" <= character <= "\uff5a")
    return "alphabet" if is_alphabet else None
