"""Brackets and tags: what is written is read again as it was, and anything else is an error of ours or a reading."""

import random
from pathlib import Path

from fuzzing.outcomes import WrongOutcome, check_message
from ner_plugins.brackets import UnescapedBrackets, from_brackets, to_brackets
from ner_plugins.entities import Entity
from ner_plugins.errors import NerError
from ner_plugins.tag_schemes import (
    SCHEMES,
    detect_scheme,
    illegal_tags,
    is_tag,
    read_tags,
    spans_to_tags,
    tags_to_spans,
)

_CHARACTERS = '<>:\\nru\n\r\u2028\ufeff \t"東aé0\ud800\U0001f469\u202e\x00'
_TAGS = ("O", "B-X", "I-X", "M-X", "E-X", "S-X", "U-X", "L-X", "B-Y", "I-Y", "E-Y", "B_X", "I_Z-1", "I-O")
_NO_TAGS = ("", "B-", "-X", "o", "X-B", "B", "BX", "B-\n", "B- ", "\ud800", "I-" + "x" * 300)
_UNESCAPED = UnescapedBrackets(("PER", "X", "한"))


def _text(chance: random.Random, most: int = 14) -> str:
    return "".join(chance.choice(_CHARACTERS) for _ in range(chance.randrange(most)))


def attack_brackets(chance: random.Random, folder: Path) -> int:
    """A text with nested entities there and back; a line of anything; an annotated line beside its text."""
    text = _text(chance)
    entities: list[Entity] = []
    for _ in range(chance.randrange(6) if text else 0):
        start = chance.randrange(len(text))
        entity = Entity(start, chance.randrange(start + 1, len(text) + 1), _text(chance, 4) or "X")
        if not any(entity.crosses(other) for other in entities):
            entities.append(entity)
    line = to_brackets(text, entities)
    read, found = from_brackets(line)
    if read != text or set(found) != set(entities) or "\n" in line or "\r" in line:
        raise WrongOutcome(f"{text!r} with {entities} is written {line!r}, and read {read!r} with {found}")
    changed = list(line)
    for _ in range(chance.randrange(4)):
        changed.insert(chance.randrange(len(changed) + 1), chance.choice(_CHARACTERS))
    try:
        read, found = from_brackets("".join(changed))
        again, same = from_brackets(to_brackets(read, found))  # the order may differ on one span
        if again != read or set(same) != set(found):
            raise WrongOutcome(f"{''.join(changed)!r} is not read again as what it is written")
    except NerError as error:
        check_message(error)
    annotated = "".join(chance.choice(("<", ">", ":", ":X>", ":PER>", "a", "东", "<a", "<<")) for _ in range(12))
    try:
        for entity in _UNESCAPED.entities(text if chance.random() < 0.3 else _plain(annotated), annotated):
            assert entity.start < entity.end
    except NerError as error:
        check_message(error)
    return len(line)


def _plain(annotated: str) -> str:
    return annotated.replace(":X>", "").replace(":PER>", "").replace("<", "", 1)


def attack_tags(chance: random.Random, folder: Path) -> int:
    """A sequence of tags by every scheme; spans there and back."""
    pool = _TAGS if chance.random() < 0.8 else _TAGS + _NO_TAGS
    tags = [chance.choice(pool) for _ in range(chance.randrange(12))]
    scheme = chance.choice(SCHEMES)
    try:
        spans, legal = read_tags(tags, scheme)
        if all(legal) and not illegal_tags(tags, scheme):
            written = spans_to_tags(spans, len(tags), scheme)
            if written != [tag.replace("_", "-", 1) if tag[1:2] == "_" else tag for tag in tags]:
                raise WrongOutcome(f"{tags} in {scheme} is written again as {written}")
        for rule in ("repair", "drop", "strict"):
            tags_to_spans(tags, scheme, rule)
    except NerError as error:
        check_message(error)
    try:
        detect_scheme([tags, tags[::-1]])
    except NerError as error:
        check_message(error)
    length = chance.randrange(1, 15)
    spans, at = [], 0
    while at < length:
        at += chance.randrange(3)
        end = at + chance.randrange(1, 4)
        if end <= length:
            spans.append((at, end, chance.choice(["X", "Y", "O", "-", "X-Y", "_", "\u202e"])))
        at = end
    written = spans_to_tags(spans, length, scheme)
    if tags_to_spans(written, scheme, "strict") != spans or not all(map(is_tag, written)):
        raise WrongOutcome(f"{spans} in {scheme} is written {written}")
    return len(tags)
