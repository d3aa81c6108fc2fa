"""What corpora hold: counts and distributions, split by split."""

from collections import Counter
from itertools import combinations
from typing import Any, Dict, List, Optional, Sequence

from ner_plugins.data_tools.corpora import Corpus
from ner_plugins.data_tools.statistics.digests import SharedTexts, TextDigests
from ner_plugins.data_tools.statistics.histogram import Histogram
from ner_plugins.data_tools.statistics.overlaps import PairCounts, count_pairs
from ner_plugins.entities import Sentence


class CorpusStatistics:
    """
    The figures of one corpus. Memory: 8 bytes for each sentence, and the distinct lengths and types.

    # Parameters

    name : `str`
        The corpus's.
    dataset : `str`, optional (default=`""`)
        What it is a split of.
    split : `Optional[str]`, optional (default=`None`)

    # Attributes

    sentences, labelled, without_entity : `int`
        `labelled` sentences have gold; of these, `without_entity` have none in it.
    tokens : `Optional[int]`
        Those of the file, if it has tokens of its own.
    types : `Counter[str]`
        Entities by type.
    text_lengths, widths, token_lengths : `Histogram`
        Characters of a text and of an entity; the file's own tokens of a text.
    nested, crossing, same_span, adjacent : `int`
        Pairs of entities: see `PairCounts`.
    texts : `TextDigests`
    """

    def __init__(self, name: str, dataset: str = "", split: Optional[str] = None) -> None:
        self.name, self.dataset, self.split = name, dataset, split
        self.sentences = self.labelled = self.without_entity = 0
        self.tokens: Optional[int] = None
        self.types: Counter[str] = Counter()
        self.text_lengths, self.widths, self.token_lengths = Histogram(), Histogram(), Histogram()
        self.nested = self.crossing = self.same_span = self.adjacent = 0
        self.texts = TextDigests()

    @property
    def characters(self) -> int:
        """Characters of all texts."""
        return self.text_lengths.total

    @property
    def entities(self) -> int:
        """Entities of all types."""
        return self.types.total()

    def add(self, sentence: Sentence) -> None:
        """Count one sentence."""
        self.sentences += 1
        self.text_lengths.add(len(sentence.text))
        self.texts.add(sentence.text)
        if sentence.entities is None:
            return
        self.labelled += 1
        self.without_entity += not sentence.entities
        for entity in sentence.entities:
            self.types[entity.type] += 1
            self.widths.add(entity.width)
        pairs = count_pairs(sentence.entities)
        for key in PairCounts._fields:
            setattr(self, key, getattr(self, key) + getattr(pairs, key))

    def to_json(self) -> Dict[str, Any]:
        """All figures, with plain numbers and strings only."""
        return {
            "name": self.name,
            "split": self.split,
            "sentences": self.sentences,
            "labelled": self.labelled,
            "unlabelled": self.sentences - self.labelled,
            "without_entity": self.without_entity,
            "tokens": self.tokens,
            "characters": self.characters,
            "entities": self.entities,
            "types": {
                type_: {"count": count, "share": count / self.entities} for type_, count in sorted(self.types.items())
            },
            "text_length": self.text_lengths.summary(),
            "text_tokens": self.token_lengths.summary(),
            "entity_width": self.widths.summary(),
            "nested_pairs": self.nested,
            "crossing_pairs": self.crossing,
            "same_span_pairs": self.same_span,
            "adjacent_pairs": self.adjacent,
            "repeated_texts": self.texts.repeated,
        }


def collect_statistics(corpus: Corpus) -> CorpusStatistics:
    """
    Reads a corpus to its end.

    # Raises

    `DataError` where it cannot be read.
    """
    statistics = CorpusStatistics(corpus.name, corpus.dataset, corpus.split)
    for sentence in corpus.sentences():
        statistics.add(sentence)
        if corpus.reader.sentence_tokens:
            statistics.token_lengths.add(corpus.reader.sentence_tokens)
    statistics.tokens = statistics.token_lengths.total or None
    return statistics


class Comparison:
    """
    What the splits of one dataset, or several datasets, have in common.

    # Parameters

    corpora : `Sequence[CorpusStatistics]`
    """

    def __init__(self, corpora: Sequence[CorpusStatistics]) -> None:
        self.corpora = list(corpora)

    def shared_texts(self) -> List[Dict[str, Any]]:
        """For each two corpora with a text in both: `first`, `second` (names), and `SharedTexts` of the two."""
        found: List[Dict[str, Any]] = []
        for first, second in combinations(self.corpora, 2):
            shared: SharedTexts = first.texts.shared_with(second.texts)
            if shared.texts:
                found.append({"first": first.name, "second": second.name, **shared._asdict()})
        return found

    def unseen_types(self) -> List[Dict[str, Any]]:
        """For each corpus with types that its dataset's training split lacks: `name`, and `types` with their counts."""
        found: List[Dict[str, Any]] = []
        for corpus in self.corpora:
            train = [c for c in self.corpora if c.dataset == corpus.dataset and c.split == "train" and c.labelled]
            if not train or corpus.split == "train":
                continue
            known = set().union(*(c.types for c in train))
            unseen = {type_: count for type_, count in sorted(corpus.types.items()) if type_ not in known}
            if unseen:
                found.append({"name": corpus.name, "types": unseen})
        return found

    def to_json(self) -> Dict[str, Any]:
        """Everything, as `allennlp ner-data stats --json` prints it."""
        return {
            "corpora": [corpus.to_json() for corpus in self.corpora],
            "shared_texts": self.shared_texts(),
            "unseen_types": self.unseen_types(),
        }
