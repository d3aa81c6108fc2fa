"""Counts and distributions of corpora, and what corpora share."""

from collections import Counter
from itertools import combinations
from typing import Any, Optional, Sequence

from ner_plugins.data_tools.corpora import Corpus
from ner_plugins.data_tools.statistics.digests import SharedTexts, TextDigests
from ner_plugins.data_tools.statistics.histogram import Histogram
from ner_plugins.data_tools.statistics.overlaps import PairCounts, count_pairs
from ner_plugins.entities import Sentence
from ner_plugins.segmentation.blanks import has_blank_edge


class CorpusStatistics:
    """
    The figures of one corpus. Memory: 8 bytes per sentence, plus the distinct lengths and types.

    # Parameters

    name : `str`
    dataset : `str`, optional (default=`""`)
        The dataset that the corpus is a split of.
    split : `Optional[str]`, optional (default=`None`)

    # Attributes

    sentences, labelled, without_entity : `int`
        All sentences, those with gold, and those whose gold is empty.
    tokens : `Optional[int]`
        Tokens in the file; `None` if its format has no tokens.
    types : `Counter[str]`
        Entities by type.
    text_lengths, widths, token_lengths : `Histogram`
        Characters per text, characters per entity, and tokens per text if the format has tokens.
    blank_edges : `int`
        Entities that begin or end with a blank, which models never predict (`ner_plugins.segmentation.blanks`).
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
        self.blank_edges = 0
        self.nested = self.crossing = self.same_span = self.adjacent = 0
        self.texts = TextDigests()

    @property
    def characters(self) -> int:
        """The number of characters of all texts."""
        return self.text_lengths.total

    @property
    def entities(self) -> int:
        """The number of entities of all types."""
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
            self.blank_edges += has_blank_edge(entity.start, entity.end, sentence.text)
        pairs = count_pairs(sentence.entities)
        for key in PairCounts._fields:
            setattr(self, key, getattr(self, key) + getattr(pairs, key))

    def to_json(self) -> dict[str, Any]:
        """All figures as plain numbers and strings."""
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
            "blank_edges": self.blank_edges,
            "nested_pairs": self.nested,
            "crossing_pairs": self.crossing,
            "same_span_pairs": self.same_span,
            "adjacent_pairs": self.adjacent,
            "repeated_texts": self.texts.repeated,
        }


def collect_statistics(corpus: Corpus) -> CorpusStatistics:
    """
    Read a corpus to its end and count.

    # Raises

    `DataError` if it cannot be read.
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
    The texts that corpora share, and types missing from training splits.

    # Parameters

    corpora : `Sequence[CorpusStatistics]`
    """

    def __init__(self, corpora: Sequence[CorpusStatistics]) -> None:
        self.corpora = list(corpora)

    def shared_texts(self) -> list[dict[str, Any]]:
        """For every two corpora that share a text: their names, `first` and `second`, and their `SharedTexts`."""
        found: list[dict[str, Any]] = []
        for first, second in combinations(self.corpora, 2):
            shared: SharedTexts = first.texts.shared_with(second.texts)
            if shared.texts:
                found.append({"first": first.name, "second": second.name, **shared._asdict()})
        return found

    def unseen_types(self) -> list[dict[str, Any]]:
        """For every corpus with types that its dataset's training split lacks: `name`, and `types` with counts."""
        found: list[dict[str, Any]] = []
        for corpus in self.corpora:
            train = [c for c in self.corpora if c.dataset == corpus.dataset and c.split == "train" and c.labelled]
            if not train or corpus.split == "train":
                continue
            known = set().union(*(c.types for c in train))
            unseen = {type_: count for type_, count in sorted(corpus.types.items()) if type_ not in known}
            if unseen:
                found.append({"name": corpus.name, "types": unseen})
        return found

    def to_json(self) -> dict[str, Any]:
        """All figures, as `allennlp ner-data stats --json` prints it."""
        return {
            "corpora": [corpus.to_json() for corpus in self.corpora],
            "shared_texts": self.shared_texts(),
            "unseen_types": self.unseen_types(),
        }
