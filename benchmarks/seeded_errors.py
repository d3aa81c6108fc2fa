"""Label errors put into a corpus on purpose, to measure what finds them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple, Optional

from ner_plugins.entities import Entity, Sentence

KINDS = ("missed", "spurious", "boundary", "type")
_TRIES = 20


class SeededError(NamedTuple):
    """
    One error.

    # Parameters

    sentence : `int`
        The index of its sentence.
    kind : `str`
        One of `KINDS`.
    right, wrong : `Optional[Entity]`
        The entity before and after; `None` where there is none.
    """

    sentence: int
    kind: str
    right: Optional[Entity]
    wrong: Optional[Entity]

    @property
    def places(self) -> list[Entity]:
        """The spans that the error concerns."""
        return [entity for entity in (self.right, self.wrong) if entity is not None]


def seed_errors(sentences: Sequence[Sentence], share: float, seed: int) -> tuple[list[Sentence], list[SeededError]]:
    """
    A corpus with one error in each of a share of its sentences, the kinds in equal parts.

    - missed: an entity is deleted;
    - spurious: characters outside all entities are labelled, as many as an entity of the corpus has, with its type;
    - boundary: the start or the end of an entity moves by one or two characters, in or out;
    - type: an entity gets another type, as frequent as the types are in the corpus.

    # Parameters

    sentences : `Sequence[Sentence]`
    share : `float`
        Of the sentences.
    seed : `int`
        Equal seeds give equal errors.

    # Returns

    `tuple[list[Sentence], list[SeededError]]`
        All sentences, and the errors by sentence.
    """
    draw = random.Random(seed)
    everything = [entity for sentence in sentences for entity in sentence.entities or ()]
    makers: dict[str, Callable[[Sentence], Optional[tuple[Optional[Entity], Optional[Entity]]]]] = {
        "missed": lambda sentence: _missed(sentence, draw),
        "spurious": lambda sentence: _spurious(sentence, draw, everything),
        "boundary": lambda sentence: _boundary(sentence, draw),
        "type": lambda sentence: _type(sentence, draw, everything),
    }
    wanted = round(share * len(sentences))
    changed, errors = list(sentences), []
    for place in draw.sample(range(len(sentences)), len(sentences)):
        if len(errors) == wanted:
            break
        kind = KINDS[len(errors) % len(KINDS)]
        made = makers[kind](sentences[place])
        if made is None:
            continue  # this sentence has no room for an error of this kind
        right, wrong = made
        kept = [entity for entity in sentences[place].entities or () if entity != right]
        changed[place] = replace(sentences[place], entities=sorted([*kept, *([wrong] if wrong else [])]))
        errors.append(SeededError(place, kind, right, wrong))
    return changed, sorted(errors, key=lambda error: error.sentence)


def _missed(sentence: Sentence, draw: random.Random) -> Optional[tuple[Optional[Entity], Optional[Entity]]]:
    return (draw.choice(sentence.entities), None) if sentence.entities else None


def _spurious(
    sentence: Sentence, draw: random.Random, everything: Sequence[Entity]
) -> Optional[tuple[Optional[Entity], Optional[Entity]]]:
    for _ in range(_TRIES):
        model = draw.choice(everything)
        start = draw.randrange(max(len(sentence.text) - model.width, 0) + 1)
        wrong = Entity(start, start + model.width, model.type)
        if _fits(wrong, sentence, None):
            return None, wrong
    return None


def _boundary(sentence: Sentence, draw: random.Random) -> Optional[tuple[Optional[Entity], Optional[Entity]]]:
    for _ in range(_TRIES):
        if not sentence.entities:
            return None
        right = draw.choice(sentence.entities)
        by = draw.choice((-2, -1, 1, 2))
        moved = (right.start + by, right.end) if draw.random() < 0.5 else (right.start, right.end + by)
        wrong = Entity(*moved, right.type)
        if _fits(wrong, sentence, right):
            return right, wrong
    return None


def _type(
    sentence: Sentence, draw: random.Random, everything: Sequence[Entity]
) -> Optional[tuple[Optional[Entity], Optional[Entity]]]:
    if not sentence.entities:
        return None
    right = draw.choice(sentence.entities)
    for _ in range(_TRIES):
        type_ = draw.choice(everything).type
        if type_ != right.type:
            return right, Entity(right.start, right.end, type_)
    return None


def _fits(entity: Entity, sentence: Sentence, instead_of: Optional[Entity]) -> bool:
    """Whether an entity is a stretch of a text without blank edges, and overlaps none but the one it replaces."""
    surface = sentence.text[max(entity.start, 0) : entity.end]
    inside = 0 <= entity.start < entity.end <= len(sentence.text) and surface == surface.strip()
    return inside and not any(entity.overlaps(o) for o in sentence.entities or () if o != instead_of)
