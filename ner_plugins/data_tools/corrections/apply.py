"""Changes the labels of a corpus as was decided, after checks that the decisions are about this corpus."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Callable, Collection, Iterable, Mapping, Optional, Sequence

from ner_plugins.data_tools.corrections.decisions import Decision
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import DataError, shown
from ner_plugins.files.digests import text_key

_Place = tuple[str, tuple[Entity, ...]]


@dataclass
class Outcome:
    """
    What became of the decisions. The counts of decisions add up to their number.

    # Parameters

    applied, rejected, already, repeated, refused : `int`
        Decisions that changed the corpus; that reject, so that the labels stay; whose result the corpus has already;
        that say the same as another one; and that were left out because of an error.
    sentences, added, removed : `int`
        Sentences with other labels than before, and the labels put there and taken away. Equal texts with equal labels
        are changed together.
    """

    applied: int = 0
    rejected: int = 0
    already: int = 0
    repeated: int = 0
    refused: int = 0
    sentences: int = 0
    added: int = 0
    removed: int = 0

    def __str__(self) -> str:
        changes = f"{self.sentences:,} sentences changed: {self.added:,} labels added, {self.removed:,} removed"
        parts = [
            f"{self.applied:,} decisions applied ({changes})",
            f"{self.rejected:,} rejected suspects left as they are",
        ]
        if self.already:
            parts.append(f"{self.already:,} applied before")
        if self.repeated:
            parts.append(f"{self.repeated:,} repetitions")
        if self.refused:
            parts.append(f"{self.refused:,} refused")
        return "; ".join(parts)


@dataclass
class _Change:
    """The decisions about one text with one set of labels, and what they make of it together."""

    decisions: list[Decision] = field(default_factory=list)

    def result(self, gold: Iterable[Entity]) -> tuple[Entity, ...]:
        """The labels after the change, sorted."""
        removed = {entity for decision in self.decisions for entity in decision.remove}
        added = {entity for decision in self.decisions for entity in decision.add}
        return tuple(sorted((set(gold) - removed) | added))


class Corrections:
    """
    Decisions, to apply to a corpus.

    # Parameters

    decisions : `Sequence[Decision]`
    on_bad : `Optional[Callable[[DataError], None]]`, optional (default=`None`)
        Called for each decision that cannot be applied, instead of raising the error: it is left out and counted.
    """

    def __init__(self, decisions: Sequence[Decision], on_bad: Optional[Callable[[DataError], None]] = None) -> None:
        self.outcome = Outcome()
        self._on_bad = on_bad
        self._decisions = self._without_conflicts(self._without_repetitions(decisions))

    def apply(self, sentences: Sequence[Sentence], new_types: Collection[str] = ()) -> list[Sentence]:
        """
        The corpus with the changes, in order; sentences that no decision is about stay as they are.

        A decision is about the sentences with its text and with the labels that were there when it was decided.

        # Parameters

        sentences : `Sequence[Sentence]`
        new_types : `Collection[str]`, optional (default=`()`)
            Types that the corpus lacks, and that may be added.

        # Raises

        `DataError` for the first decision that is about no sentence of the corpus, whose labels have changed since,
        that adds a label beyond the end of the text, or a type that is not in the corpus, unless there is `on_bad`.
        """
        lengths = {text_key(sentence.text): len(sentence.text) for sentence in sentences}
        golds: dict[str, set[tuple[Entity, ...]]] = defaultdict(set)
        for sentence in sentences:
            if sentence.entities is not None:
                golds[text_key(sentence.text)].add(_gold(sentence))
        types = {entity.type for sentence in sentences for entity in sentence.entities or ()}
        changes = self._grouped([d for d in self._decisions if self._fits(d, lengths, types | set(new_types))])
        kept = {place: change for place, change in changes.items() if self._is_due(place, change, golds)}
        return [self._changed(sentence, kept) for sentence in sentences]

    def _refuse(self, problem: str, decisions: Sequence[Decision], remedy: str) -> None:
        path, _, line = decisions[0].source.rpartition(":")
        number = int(line) if line.isdigit() else None
        error = DataError(problem, path=path or None, line=number, remedy=remedy)
        if self._on_bad is None:
            raise error
        self._on_bad(error)
        self.outcome.refused += len(decisions)

    def _without_repetitions(self, decisions: Sequence[Decision]) -> list[Decision]:
        """Each suspect's only decision; those of a suspect that was decided in two ways are refused."""
        by_suspect: dict[object, list[Decision]] = defaultdict(list)
        for number, decision in enumerate(decisions):
            by_suspect[number if decision.suspect is None else decision.suspect].append(decision)
        kept = []
        for first, *others in by_suspect.values():
            other = next((one for one in others if not first.agrees(one)), None)
            if other is None:
                self.outcome.repeated += len(others)
                kept.append(first)
            else:
                problem = f"one suspect is decided in two ways, here and at {other.source}"
                self._refuse(problem, [first, *others], "Delete one of the lines")
        return kept

    def _without_conflicts(self, decisions: Sequence[Decision]) -> list[Decision]:
        """The decisions without those that put two different labels onto the same characters."""
        refused: set[int] = set()
        for change in self._grouped(decisions).values():
            for one, other in combinations(change.decisions, 2):
                if id(one) in refused or id(other) in refused or not _conflict(one, other):
                    continue
                refused |= {id(one), id(other)}
                problem = f"it contradicts the decision at {other.source}: they label the same characters differently"
                self._refuse(problem, [one, other], "Delete one of the lines")
        return [decision for decision in decisions if id(decision) not in refused]

    @staticmethod
    def _grouped(decisions: Iterable[Decision]) -> dict[_Place, _Change]:
        groups: dict[_Place, _Change] = defaultdict(_Change)
        for decision in decisions:
            groups[decision.key, decision.gold].decisions.append(decision)
        return dict(groups)

    def _fits(self, decision: Decision, lengths: Mapping[str, int], types: Collection[str]) -> bool:
        """Whether a decision is about a text of the corpus and adds labels that it can have."""
        if decision.key not in lengths:
            remedy = "Apply the decisions to the data that were audited, read by the same reader"
            self._refuse(f"no sentence has the text of SHA-256 {decision.key[:12]}…", [decision], remedy)
            return False
        for entity in decision.add:
            if entity.end > lengths[decision.key]:
                problem = f"the label ({entity.start}, {entity.end}) ends beyond the text, which has"
                self._refuse(f"{problem} {lengths[decision.key]} characters", [decision], "Correct the line")
                return False
            if entity.type not in types:
                remedy = "Correct it, or allow it with --new-types"
                self._refuse(f"no label of the data has the type {shown(entity.type)}", [decision], remedy)
                return False
        return True

    def _is_due(self, place: _Place, change: _Change, golds: Mapping[str, set[tuple[Entity, ...]]]) -> bool:
        """Whether a sentence still has the labels that were decided on; counts the decisions."""
        key, gold = place
        verdicts = Counter(decision.verdict == "reject" for decision in change.decisions)
        if gold in golds[key]:
            self.outcome.rejected += verdicts[True]
            self.outcome.applied += verdicts[False]
            return True
        if change.result(gold) in golds[key]:
            self.outcome.rejected += verdicts[True]
            self.outcome.already += verdicts[False]
        else:
            problem = f"the labels of the text of SHA-256 {key[:12]}… are not those that were decided on"
            self._refuse(problem, change.decisions, "Audit the data as they are now")
        return False

    def _changed(self, sentence: Sentence, changes: Mapping[_Place, _Change]) -> Sentence:
        gold = _gold(sentence)
        change = changes.get((text_key(sentence.text), gold))
        result = gold if change is None else change.result(gold)
        if sentence.entities is None or result == gold:
            return sentence
        self.outcome.sentences += 1
        self.outcome.added += len(set(result) - set(gold))
        self.outcome.removed += len(set(gold) - set(result))
        return replace(sentence, entities=result)


def _gold(sentence: Sentence) -> tuple[Entity, ...]:
    return tuple(sorted(set(sentence.entities or ())))


def _conflict(one: Decision, other: Decision) -> bool:
    """Whether one adds what the other removes, or both add different labels that overlap."""
    if set(one.add) & set(other.remove) or set(one.remove) & set(other.add):
        return True
    return any(a != b and a.overlaps(b) for a in one.add for b in other.add)
