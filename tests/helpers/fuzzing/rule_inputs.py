"""Rules of `model.post_processing`: what is built is applied to texts, and what comes out can be predicted."""

import json
import random
from pathlib import Path
from typing import Any

from allennlp.common import Params

from fuzzing.mutations import mutated, value_changed
from fuzzing.outcomes import WrongOutcome, check_described
from ner_plugins.archives.assets import Assets, loading
from ner_plugins.entities import Entity
from ner_plugins.post_processing import PostProcessing, SpanRule
from ner_plugins.post_processing.span_rule import conflicts

_TYPES = ("PER", "ORG", "LOC")
_PATTERNS = (
    "[0-9]+", "林.", "(?<=在).{1,3}", r"\b\w+\b", "", "(", "[", "a{1000000}", "(?P<x>a)(?P=x)", "x*", "^", ".", "\\",
    "(?i)İ", "((a{9}){9}){9}", "(?r)..", "(?:大学){e<=1}", "\ud800", r"\X", r"\p{Han}+", "(?R)", "z" * 3000,
)  # fmt: skip
_WORDS = ("雾港", "雾港大学", "大学", "林", " 林 ", "a", "😀", "\u3000", "é", "學")
_TEXTS = (
    "雾港大学的林晓彤在2026年", "  林 　晓，彤（雾港）。", "aaa aab 学a", "😀👩\u200d👧é", "\ud800x\u202e",
    " 　\n\t", "（（，。", "x" * 60,
)  # fmt: skip


def _rule(chance: random.Random, folder: Path) -> dict[str, Any]:
    kind = chance.choice(["add", "forbid", "retype", "strip"])
    rule: dict[str, Any] = {"type": kind}
    if chance.random() < 0.2:
        rule["name"] = chance.choice(["one", "two", "", "a/b"])
    if kind != "add" and chance.random() < 0.4:
        rule["entity_types"] = chance.sample(_TYPES, chance.randrange(3))
    if kind == "strip":
        return {**rule, "characters": chance.choice(["，。（）()", "", "x", "林雾\u3000", "😀"])}
    if kind != "forbid" and chance.random() < 0.9:
        rule["entity_type"] = chance.choice([*_TYPES, "X"])
    if kind == "add":
        rule["overlap"] = chance.choice(["keep", "replace"])
    act = chance.random()
    if act < 0.5:
        rule["pattern"] = chance.choice(_PATTERNS)
    elif act < 0.8:
        rule["words"] = chance.sample(_WORDS, chance.randrange(5))
    else:
        lines = [word + chance.choice(["", "\tPER", "\tX", "\t", "\tPER\tx"]) for word in chance.sample(_WORDS, 4)]
        data = "\n".join(lines).encode()
        rule["path"] = str(folder / "dictionary.txt")
        (folder / "dictionary.txt").write_bytes(mutated(data, chance) if chance.random() < 0.5 else data)
    return rule


def _entities(text: str, nested: bool, chance: random.Random) -> list[Entity]:
    found: list[Entity] = []
    for _ in range(chance.randrange(6)):
        start = chance.randrange(len(text))
        entity = Entity(start, chance.randrange(start + 1, len(text) + 1), chance.choice(_TYPES), chance.random())
        if not any(conflicts(entity, other, nested) for other in found):
            found.append(entity)
    return sorted(found)


def attack_rules(chance: random.Random, folder: Path) -> int:
    """Some rules, right or wrong, built and applied; or the saved dictionary of an archive, changed."""
    rules: Any = [_rule(chance, folder) for _ in range(chance.randrange(1, 4))]
    if chance.random() < 0.3:
        rules = value_changed(rules, chance)
    text, nested = chance.choice(_TEXTS), chance.random() < 0.5
    size = len(json.dumps(rules))
    try:
        if chance.random() < 0.1:
            built = [_of_an_archive(chance, folder)]
        elif not isinstance(rules, list):
            return size
        else:
            built = [SpanRule.from_params(Params({"of": rule}).pop("of")) for rule in rules]
        after = PostProcessing(built, _TYPES)(_entities(text, nested, chance), text, nested)
    except WrongOutcome:
        raise
    except Exception as error:
        check_described(error)
        return size
    for place, entity in enumerate(after):
        if not (0 <= entity.start < entity.end <= len(text) and entity.type in _TYPES):
            raise WrongOutcome(f"{entity} in {text!r} by {rules}")
        if any(conflicts(entity, other, nested) for other in after[:place]):
            raise WrongOutcome(f"{entity} cannot stand among {after} by {rules}")
    return size


def _of_an_archive(chance: random.Random, folder: Path) -> SpanRule:
    """A rule whose dictionary is read from an archive, which may hold anything."""
    (folder / "words.txt").write_text("雾港\tLOC\n林\n", encoding="utf-8")
    params = {"type": "add", "path": str(folder / "words.txt"), "entity_type": "PER"}
    place = folder / "assets"
    SpanRule.from_params(Params(dict(params)), serialization_dir=str(place))
    [saved] = Assets(place).root.glob("dictionary-*")
    value = json.loads(saved.read_text(encoding="utf-8"))
    changed = value_changed(value, chance)
    saved.write_text(json.dumps(changed), encoding="utf-8")
    with loading():
        return SpanRule.from_params(Params(dict(params)), serialization_dir=str(place))
