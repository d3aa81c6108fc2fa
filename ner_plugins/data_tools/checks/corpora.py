"""Problems in corpora: within each sentence, and between sentences and splits."""

import logging
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Iterator, NamedTuple, Optional, Sequence

from ner_plugins.data_tools.checks.findings import Findings
from ner_plugins.data_tools.checks.sentences import LONG_TEXT, check_sentence, quoted
from ner_plugins.data_tools.corpora import Corpus
from ner_plugins.data_tools.statistics.digests import PlacedDigests
from ner_plugins.dataset_readers.columns.conll import ConllReader
from ner_plugins.entities import Sentence
from ner_plugins.errors import DataError, LeftOut, Remark
from ner_plugins.files.data_paths import SPLITS

# `rare-type`: a surface with at least this many occurrences has a type in less than this share of them.
FREQUENT_SURFACE = 10
RARE_SHARE = 0.1
# `one-sentence`: a file has more tokens than this, all in one sentence.
ONE_SENTENCE = 500


@dataclass(slots=True)
class _Use:
    """A type with its number of occurrences and the place of the first."""

    type: str
    place: str
    count: int = 0


@dataclass
class _Dataset:
    """The surfaces and types of a dataset, for comparisons."""

    surfaces: dict[str, list[_Use]] = field(default_factory=dict)  # lists, since most surfaces have one type
    types: dict[int, dict[str, _Use]] = field(default_factory=dict)  # by corpus number, then by type


@dataclass
class _CorpusCounts:
    """Counts of a corpus, for the problems of a whole file."""

    sentences: int = 0
    labelled: int = 0
    with_entity: int = 0
    tokens: int = 0

    def add(self, sentence: Sentence, corpus: Corpus) -> None:
        """Count a sentence that the corpus's reader has just read."""
        self.sentences += 1
        self.labelled += sentence.entities is not None
        self.with_entity += bool(sentence.entities)
        self.tokens += corpus.reader.sentence_tokens

    def report(self, corpus: Corpus, findings: Findings) -> None:
        """Add the problems `unlabelled` and `one-sentence`, if the counts show them."""
        count = f"its {self.sentences:,} sentence{'s' * (self.sentences != 1)}"
        if self.sentences and corpus.split != "test" and not self.with_entity:
            what = "has an entity" if self.labelled else "has a label, not even an empty one"
            findings.add("unlabelled", corpus.path, f"none of {count} {what}: is this the right reader?")
        in_columns = isinstance(corpus.reader, ConllReader) and not corpus.reader.document_level
        if in_columns and self.sentences == 1 and self.tokens > ONE_SENTENCE:
            message = f"one sentence of {self.tokens:,} tokens in the whole file: are blank lines missing?"
            findings.add("one-sentence", corpus.path, message)


class _Copy(NamedTuple):
    """A repeated text: the first earlier copy in each split, and the first labelled one in its dataset."""

    number: int
    earlier: tuple[int, ...]
    labelled: Optional[int]


def check_corpora(
    corpora: Sequence[Corpus],
    kinds: Optional[Sequence[str]] = None,
    limit: int = 10,
    long_text: int = LONG_TEXT,
) -> Findings:
    """
    Read corpora once, to their ends, and list their problems.

    Memory: 28 bytes per sentence, about 150 more per repeated text, about 400 per distinct surface of a dataset, and
    the problems kept.

    # Parameters

    corpora : `Sequence[Corpus]`
        Opened with `on_error="skip"`, so that an unreadable record becomes a problem in the list.
    kinds : `Optional[Sequence[str]]`, optional (default=`None`)
        See `Findings`.
    limit : `int`, optional (default=`10`)
        See `Findings`.
    long_text : `int`, optional (default=`LONG_TEXT`)
        Texts with more characters than this are `long-text`.

    # Raises

    `ConfigError` for an unknown kind.
    """
    findings = Findings(kinds, limit)
    digests = PlacedDigests()
    datasets: dict[str, _Dataset] = {}
    compares_texts = findings.wants("leak", "repeated-text", "conflicting-copy")
    compares_surfaces = findings.wants("rare-type", "normalisation", "unseen-type")
    for number, corpus in enumerate(corpora):
        dataset = datasets.setdefault(corpus.dataset, _Dataset())
        dataset.types[number] = {}
        counts = _CorpusCounts()
        for sentence in _readable(corpus, findings):
            findings.sentences += 1
            counts.add(sentence, corpus)
            for kind, message in check_sentence(sentence, long_text):
                findings.add(kind, sentence.source, message)
            if compares_texts:
                digests.add(number, sentence.text, _gold_key(sentence), sentence.source)
            if compares_surfaces:
                _keep_surfaces(sentence, dataset, number)
        counts.report(corpus, findings)
    _compare_texts(corpora, digests, findings)
    for dataset in datasets.values():
        _compare_surfaces(dataset, findings)
        _compare_types(corpora, dataset, findings)
    return findings


def _readable(corpus: Corpus, findings: Findings) -> Iterator[Sentence]:
    """The sentences of a corpus; the errors of its reader become findings."""
    reader = corpus.reader
    skipped = reader.counts["skipped"]
    begun = False

    def listener(error: DataError) -> None:
        nonlocal skipped
        is_skipped, skipped = reader.counts["skipped"] > skipped, reader.counts["skipped"]
        if isinstance(error, Remark):
            kind = "left-out" if isinstance(error, LeftOut) else "wrong-reader"
        else:
            kind = "unreadable" if is_skipped else "illegal-tags"
        findings.add(kind, *_place_and_message(error, corpus))

    reader.listener = listener
    try:
        with _silenced("ner_plugins.dataset_readers"):
            for sentence in corpus.sentences():
                begun = True
                yield sentence
    except DataError as error:
        place, message = _place_and_message(error, corpus)
        findings.add("unreadable", place, message + ". The rest of the file was not checked" * begun)
    finally:
        reader.listener = None


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Suppress the warnings of a logger: the findings report the same."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _place_and_message(error: DataError, corpus: Corpus) -> tuple[str, str]:
    path = corpus.path if error.path is None else error.path
    parts = [error.problem + (f" (expected {error.expected})" if error.expected else ""), error.remedy or ""]
    return path if error.line is None else f"{path}:{error.line}", ". ".join(filter(None, parts))


def _gold_key(sentence: Sentence) -> str:
    """A string that is equal for equal gold, and empty for an unlabelled sentence."""
    if sentence.entities is None:
        return ""
    return repr(sorted((entity.start, entity.end, entity.type) for entity in set(sentence.entities)))


def _keep_surfaces(sentence: Sentence, dataset: _Dataset, number: int) -> None:
    types = dataset.types[number]
    for entity in sentence.entities or ():
        surface = sentence.text[max(entity.start, 0) : max(entity.end, 0)]
        types.setdefault(entity.type, _Use(entity.type, sentence.source)).count += 1
        uses = dataset.surfaces.setdefault(surface, [])
        for use in uses:
            if use.type == entity.type:
                use.count += 1
                break
        else:
            uses.append(_Use(entity.type, sentence.source, 1))


def _compare_texts(corpora: Sequence[Corpus], digests: PlacedDigests, findings: Findings) -> None:
    """
    Report every copy of a text except the first.

    Copies are ordered by split (train, dev, test, others), then by sentence.
    """
    splits = {split: number for number, split in enumerate(SPLITS)}
    ranks = {number: (splits.get(corpus.split or "", len(SPLITS)), number) for number, corpus in enumerate(corpora)}

    def order(number: int) -> tuple[tuple[int, int], int]:
        return ranks[digests.split(number)], number

    copies: list[_Copy] = []
    for group in digests.groups():
        first: dict[int, int] = {}  # by split
        labelled: dict[str, int] = {}  # the first labelled copy, by dataset
        for number in sorted(group, key=order):
            split, dataset = digests.split(number), corpora[digests.split(number)].dataset
            if first:
                copies.append(_Copy(number, tuple(first.values()), labelled.get(dataset)))
            first.setdefault(split, number)
            if digests.has_gold(number):
                labelled.setdefault(dataset, number)
    for copy in sorted(copies, key=lambda copy: order(copy.number)):
        _report_copy(corpora, copy, digests, findings)


def _report_copy(corpora: Sequence[Corpus], copy: _Copy, digests: PlacedDigests, findings: Findings) -> None:
    place, split = digests.place(copy.number), digests.split(copy.number)
    for other in copy.earlier:
        if digests.split(other) == split:
            findings.add("repeated-text", place, f"the same text as {digests.place(other)}")
        else:
            name = corpora[digests.split(other)].name
            message = f"this text of {corpora[split].name} is also in {name}: {digests.place(other)}"
            findings.add("leak", place, message)
    same = copy.labelled
    if same is not None and digests.has_gold(copy.number) and digests.gold(same) != digests.gold(copy.number):
        findings.add("conflicting-copy", place, f"the same text has other entities at {digests.place(same)}")


def _compare_surfaces(dataset: _Dataset, findings: Findings) -> None:
    composed: dict[str, str] = {}
    for surface, uses in dataset.surfaces.items():
        total = sum(use.count for use in uses)
        if total >= FREQUENT_SURFACE and len(uses) > 1:
            main = max(uses, key=lambda use: use.count)
            for use in uses:
                if use.count < RARE_SHARE * total:
                    message = f"{quoted(surface)} is {use.type} (here first, {use.count} of {total} times), "
                    findings.add("rare-type", use.place, message + f"but {main.type} {main.count} times")
        if not surface.isascii() and not unicodedata.is_normalized("NFC", surface):
            other = composed.setdefault(unicodedata.normalize("NFC", surface), surface)
            if other != surface or unicodedata.normalize("NFC", surface) in dataset.surfaces:
                findings.add("normalisation", uses[0].place, f"{surface!a} is also written with other code points")


def _compare_types(corpora: Sequence[Corpus], dataset: _Dataset, findings: Findings) -> None:
    train = [uses for number, uses in dataset.types.items() if corpora[number].split == "train" and uses]
    known = set().union(*train)
    for number, uses in dataset.types.items():
        for use in uses.values():
            if train and use.type not in known:
                times = "once" if use.count == 1 else f"{use.count:,} times"
                message = f"{use.type} (here first, {times} in {corpora[number].name}) is not in the training split"
                findings.add("unseen-type", use.place, message)
