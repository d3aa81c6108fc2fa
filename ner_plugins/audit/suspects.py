"""A suspected label error, as it is ranked, written and shown."""

from dataclasses import dataclass
from typing import Any, Mapping, Optional

from ner_plugins.entities import Entity
from ner_plugins.files.folds_file import FoldRecord

KINDS: Mapping[str, str] = {
    "missed": "the model is sure of an entity where nothing is labelled",
    "spurious": "the model finds nothing where something is labelled",
    "boundary": "the model gives a labelled entity other edges",
    "type": "the model gives a labelled entity another type",
    "unlabelled": "these characters are labelled elsewhere in the corpus, but not here",
}
"""The kinds of suspects, with their meaning."""


@dataclass(frozen=True)
class Suspect:
    """
    A label that may be wrong, with what the audit suggests instead.

    # Parameters

    record : `FoldRecord`
        The sentence.
    kind : `str`
        One of `KINDS`.
    score : `float`
        The confidence that the label is wrong, in [0, 1].
    remove : `tuple[Entity, ...]`
        The labels that the suggestion replaces, the one in question first; `score` is the model's probability of each.
    add : `tuple[Entity, ...]`
        The labels that it puts there, at most one; `score` is the model's probability, `None` below the folds' floor.
    seen_given, seen_suggested : `Optional[int]`, optional (default=`None`)
        How often the other folds, which the model was trained on, label the same characters with the same type: those
        of the first of `remove`, and of `add`. With 0 the model cannot have memorised them (CrossWeigh: Wang et al.
        2019). `None` where there is no such label.
    """

    record: FoldRecord
    kind: str
    score: float
    remove: tuple[Entity, ...]
    add: tuple[Entity, ...]
    seen_given: Optional[int] = None
    seen_suggested: Optional[int] = None

    @property
    def place(self) -> Entity:
        """The label in question, or the suggested one where nothing is labelled."""
        return (self.remove or self.add)[0]

    @property
    def types(self) -> list[str]:
        """The types of the labels concerned."""
        return sorted({entity.type for entity in (*self.remove, *self.add)})

    def to_json(self, rank: int) -> dict[str, Any]:
        """
        The object of a line.

        # Parameters

        rank : `int`
            Its place in the ranking, from 1.
        """
        record, text = self.record, self.record.text
        return {
            "rank": rank,
            "score": round(self.score, 6),
            "kind": self.kind,
            "remove": [_described(entity, text) for entity in self.remove],
            "add": [_described(entity, text) for entity in self.add],
            "seen": {"given": self.seen_given, "suggested": self.seen_suggested},
            "id": record.id,
            "key": record.key,
            "fold": record.fold,
            "source": {"file": record.file, "line": record.line},
            "document": record.document,
            "text": text,
            "gold": [entity.to_json() for entity in record.gold],
        }


def _described(entity: Entity, text: str) -> dict[str, Any]:
    return {**entity.to_json(), "text": text[entity.start : entity.end], "probability": entity.score}
