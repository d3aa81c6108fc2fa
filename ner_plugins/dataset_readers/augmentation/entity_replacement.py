"""The augmentation `replace_entities`: other entities of the same type."""

import random
from collections import defaultdict
from dataclasses import replace
from typing import Optional, Sequence

from ner_plugins.dataset_readers.augmentation.augmentation import (
    Augmentation,
    Reading,
    checked_probability,
    lone_entities,
)
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.files.data_paths import DataPath
from ner_plugins.files.opening import open_streams
from ner_plugins.files.text_lines import read_lines
from ner_plugins.segmentation.characters import continues

_HANGUL = ("\uac00", "\ud7a3")
_FINALS = 28  # finals of Hangul syllables, "none" included
_L = 8  # the final after which "ro" has no "eu"


@Augmentation.register("replace_entities")
class EntityReplacement(Augmentation):
    """
    Replaces entities by others of their type (mention replacement, Dai & Adel 2020, "An Analysis of Simple Data
    Augmentation for Named Entity Recognition", section 3): 林晓彤来了 becomes 阿宝来了.

    Entities that overlap others are left alone and never drawn, since what is labelled inside them would have to be
    known. A surface is drawn as often as it occurs in the training data. A Korean one is replaced by one whose last
    syllable takes the same particles (with a final consonant, with ㄹ, or without); any other by any other.

    # Parameters

    probability : `float`, optional (default=`0.3`)
        Of replacing each entity.
    surfaces : `Optional[str]`, optional (default=`None`)
        A file of `TYPE<TAB>SURFACE` lines to draw from instead; types that it lacks are left alone. `None` for the
        training data.

    # Raises

    `ConfigError` if `probability` is out of range; in `prepare`, `DataError` for a file that cannot be read.
    """

    def __init__(self, probability: float = 0.3, surfaces: Optional[str] = None) -> None:
        self.probability = checked_probability("replace_entities.probability", probability)
        self.surfaces = surfaces
        self._drawn_from: dict[tuple[str, Optional[int]], list[str]] = {}

    def prepare(self, sentences: Sequence[Sentence], reading: Reading) -> None:
        """Collect the surfaces of each type."""
        found: dict[tuple[str, Optional[int]], list[str]] = defaultdict(list)
        pairs = _of_sentences(sentences) if self.surfaces is None else _of_file(self.surfaces)
        for type_, surface in pairs:
            if surface and surface == surface.strip() and not continues(surface[0]):
                found[type_, _final(surface)].append(surface)
        self._drawn_from = dict(found)
        types = {entity.type for sentence in sentences for entity in sentence.entities or ()}
        if self.surfaces is not None and types and not types & {type_ for type_, _ in found}:
            raise ConfigError(
                f"augmentation.replace_entities.surfaces: {self.surfaces} has none of the types of the training data, "
                f"{', '.join(sorted(types))}"
            )

    def change(self, sentence: Sentence, draw: random.Random) -> Sentence:
        """The sentence with some of its lone entities replaced, and the offsets of all others moved."""
        text, shift = sentence.text, 0
        pieces: list[str] = []
        moves: list[tuple[int, int]] = []  # from this character on, all move by so much
        done = 0
        replaced: dict[Entity, Entity] = {}
        for entity in lone_entities(sentence.entities):
            surface = self._other(text, entity, draw)
            if surface is None:
                continue
            pieces += [text[done : entity.start], surface]
            start = entity.start + shift
            replaced[entity] = replace(entity, start=start, end=start + len(surface))
            shift += len(surface) - entity.width
            done = entity.end
            moves.append((done, shift))
        if not moves:
            return sentence
        gold = sentence.entities or ()
        moved = [replaced.get(entity) or _moved(entity, moves) for entity in gold]
        return replace(sentence, text="".join(pieces) + text[done:], entities=tuple(moved))

    def _other(self, text: str, entity: Entity, draw: random.Random) -> Optional[str]:
        """What to write in place of an entity; `None` to leave it."""
        old = text[entity.start : entity.end]
        choices = self._drawn_from.get((entity.type, _final(old)))
        if not choices or draw.random() >= self.probability:
            return None
        after = text[entity.end : entity.end + 1]
        if old != old.strip() or continues(old[0]) or (after and continues(after)):
            return None  # a border inside a written character
        surface = draw.choice(choices)
        return None if surface == old else surface


def _moved(entity: Entity, moves: Sequence[tuple[int, int]]) -> Entity:
    """An entity that is not replaced; no replaced one is inside it or around it."""
    shift = next((by for start, by in reversed(moves) if start <= entity.start), 0)
    return replace(entity, start=entity.start + shift, end=entity.end + shift)


def _of_sentences(sentences: Sequence[Sentence]) -> list[tuple[str, str]]:
    return [
        (entity.type, sentence.text[entity.start : entity.end])
        for sentence in sentences
        for entity in lone_entities(sentence.entities)
    ]


def _of_file(path: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for name, stream in open_streams(DataPath.parse(path), lambda names, split: names):
        for number, line in read_lines(stream, name):
            if not line.strip():
                continue
            type_, tab, surface = line.partition("\t")
            if not (type_ and tab and surface.strip()):
                problem, expected = "no type and surface", "TYPE<TAB>SURFACE"
                raise DataError(problem, path=name, line=number, expected=expected, remedy="Correct the line")
            found.append((type_, surface.strip()))
    return found


def _final(surface: str) -> Optional[int]:
    """Which Korean particles follow a surface: 0 without a final consonant, 1 with ㄹ, 2 with another; else `None`."""
    last = surface[-1:]
    if not _HANGUL[0] <= last <= _HANGUL[1]:
        return None
    final = (ord(last) - ord(_HANGUL[0])) % _FINALS
    return 0 if final == 0 else 1 if final == _L else 2
