"""Sentences to folds: equal texts and documents stay together, entity types are spread evenly."""

from collections import Counter
from dataclasses import dataclass
from typing import Hashable, Iterable, Sequence

from ner_plugins.dataset_readers.text_split import share_of
from ner_plugins.entities import Sentence
from ner_plugins.errors import ConfigError

BY_TEXT, BY_DOCUMENT = "text", "document"
_LARGEST = 2  # a group of more than this many folds' sentences does not fit


@dataclass(frozen=True)
class Folds:
    """
    The folds of a corpus.

    # Parameters

    of : `tuple[int, ...]`
        For each sentence its fold, from 0.
    grouped_by : `str`
        `text`: equal texts are in one fold; `document`: so are all sentences of a document as well.
    """

    of: tuple[int, ...]
    grouped_by: str


@dataclass(frozen=True)
class _Group:
    """Sentences that stay together: their number, their entities by type, and a number in [0, 1) by their texts."""

    places: tuple[int, ...]
    types: Counter[str]
    share: float
    first: str


def fold_sentences(sentences: Sequence[Sentence], k: int, seed: int) -> Folds:
    """
    Folds that depend on the sentences and the seed alone, not on the order of the sentences.

    Equal texts are in one fold. Where the corpus marks documents, all sentences of a document are, unless there are
    fewer than `k` of them, or one is larger than two folds; documents with an equal text count as one.

    Groups are distributed by iterative stratification (Sechidis, Tsoumakas & Vlahavas 2011, "On the Stratification of
    Multi-Label Data"): the rarest type first, each group to the fold that lacks most of the type's entities, then
    most sentences, among those that have room for it. Ties are decided by a hash of seed and texts.

    # Parameters

    sentences : `Sequence[Sentence]`
        Labelled.
    k : `int`
        At least 2.
    seed : `int`

    # Raises

    `ConfigError` if there are fewer than `k` different texts.
    """
    by_document = _joined((sentence.text, sentence.document) for sentence in sentences)
    grouped_by = BY_DOCUMENT if any(sentence.document is not None for sentence in sentences) else BY_TEXT
    groups = by_document
    largest = max(map(len, groups), default=0)
    if grouped_by == BY_DOCUMENT and (len(groups) < k or largest * k > _LARGEST * len(sentences)):
        grouped_by, groups = BY_TEXT, _joined((sentence.text, None) for sentence in sentences)
    if len(groups) < k:
        raise ConfigError(f"-k is {k}, but the training data have {len(groups)} different texts: choose a smaller -k")
    fold_of = _distributed([_group(sentences, places, seed) for places in groups], k)
    return Folds(tuple(fold_of[place] for place in range(len(sentences))), grouped_by)


def _joined(keys: Iterable[tuple[str, str | None]]) -> list[list[int]]:
    """The places of sentences that share a text or a document, also over others (union by the smallest place)."""
    parent: list[int] = []
    owner: dict[Hashable, int] = {}

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = parent[parent[place]]
            place = parent[place]
        return place

    for place, (text, document) in enumerate(keys):
        parent.append(place)
        for key in [("text", text)] + [("document", document)] * (document is not None):
            one, other = sorted((root(owner.setdefault(key, place)), root(place)))
            parent[other] = one
    groups: dict[int, list[int]] = {}
    for place in range(len(parent)):
        groups.setdefault(root(place), []).append(place)
    return list(groups.values())


def _group(sentences: Sequence[Sentence], places: Sequence[int], seed: int) -> _Group:
    texts = {sentences[place].text for place in places}
    types = Counter(entity.type for place in places for entity in sentences[place].entities or ())
    share, first = min((share_of(text, seed), text) for text in texts)
    return _Group(tuple(places), types, share, first)


def _distributed(groups: Sequence[_Group], k: int) -> dict[int, int]:
    """The fold of each sentence, by its place."""
    totals = Counter[str]()
    for group in groups:
        totals.update(group.types)
    number = sum(len(group.places) for group in groups)
    sizes, counts = [0] * k, [Counter[str]() for _ in range(k)]
    fold_of: dict[int, int] = {}
    waiting = {id(group): group for group in groups}
    for name in [*sorted(totals, key=lambda name: (totals[name], name)), None]:
        those = [group for group in waiting.values() if name is None or group.types[name]]
        for group in sorted(those, key=lambda one: (-one.types[name or ""], -len(one.places), one.share, one.first)):
            first = int(group.share * k)
            # What a fold lacks, times k: whole numbers, so that ties are exact.
            size = len(group.places)
            lacks = [
                (
                    k * (sizes[fold] + size) < number + k,  # there is room
                    totals[name] - k * counts[fold][name] if name else 0,
                    number - k * sizes[fold],
                    -((fold - first) % k),
                )
                for fold in range(k)
            ]
            fold = lacks.index(max(lacks))
            sizes[fold] += size
            counts[fold].update(group.types)
            fold_of.update(dict.fromkeys(group.places, fold))
            del waiting[id(group)]
    return fold_of
