"""Each augmentation by itself: what it keeps, whatever the sentence."""

import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

import random
from collections import defaultdict
from pathlib import Path

import pytest
from allennlp.data import Token
from generated_sentences import CHARACTERS, TYPES, sentences
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.dataset_readers.augmentation import Concatenation, EntityReplacement, HiddenTokens, Reading
from ner_plugins.dataset_readers.augmentation.augmentation import lone_entities
from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError, DataError
from ner_plugins.tokenizers import NerCharacterTokenizer

READING = Reading(NerCharacterTokenizer(), Token("[MASK]"))
CORPUS = st.lists(sentences(types=TYPES[:3]), min_size=1, max_size=6)


def lone(sentence: Sentence) -> list[Entity]:
    """By looking at every pair."""
    gold = sorted(set(sentence.entities or ()))
    return [one for one in gold if not any(one.overlaps(other) for other in gold if other != one)]


def surface(sentence: Sentence, entity: Entity) -> str:
    return sentence.text[entity.start : entity.end]


@given(sentences())
def test_lone_entities_overlap_no_other(sentence: Sentence) -> None:
    assert lone_entities(sentence.entities) == lone(sentence)


def outside(sentence: Sentence, entities: list[Entity]) -> list[str]:
    """The texts between entities that do not overlap."""
    borders = [0, *(place for one in entities for place in (one.start, one.end)), len(sentence.text)]
    return [sentence.text[start:end] for start, end in zip(borders[::2], borders[1::2], strict=True)]


@settings(deadline=None)
@given(corpus=CORPUS, seed=st.integers(0, 99))
def test_replaced_entities_keep_all_else(corpus: list[Sentence], seed: int) -> None:
    augmentation = EntityReplacement(probability=0.8)
    augmentation.prepare(corpus, READING)
    surfaces = defaultdict(set)
    for sentence in corpus:
        for entity in lone(sentence):
            surfaces[entity.type].add(surface(sentence, entity))
    for sentence in corpus:
        found = augmentation.change(sentence, random.Random(seed))
        again = augmentation.change(sentence, random.Random(seed))
        assert (found, found.entities) == (again, again.entities)
        assert found.entities is not None and sentence.entities is not None
        assert [one.type for one in found.entities] == [one.type for one in sentence.entities]
        alone = set(lone(sentence))
        for one, before in zip(found.entities, sentence.entities, strict=True):
            assert 0 <= one.start < one.end <= len(found.text)
            if before in alone:
                assert surface(found, one) in surfaces[before.type]
            else:
                assert surface(found, one) == surface(sentence, before)
        assert len(lone(found)) == len(alone)
        assert outside(found, lone(found)) == outside(sentence, lone(sentence))


def test_entities_are_replaced_and_the_others_move() -> None:
    corpus = [
        Sentence("林晓彤在青禾银行", (Entity(0, 3, "name"), Entity(4, 8, "company"))),
        Sentence("阿宝来了", (Entity(0, 2, "name"),)),
    ]
    augmentation = EntityReplacement(probability=1.0)
    augmentation.prepare(corpus, READING)
    found = {augmentation.change(corpus[0], random.Random(seed)).text for seed in range(20)}
    assert found == {"林晓彤在青禾银行", "阿宝在青禾银行"}
    changed = next(
        one for seed in range(20) if (one := augmentation.change(corpus[0], random.Random(seed))) is not corpus[0]
    )
    assert changed.entities == (Entity(0, 2, "name"), Entity(3, 7, "company"))


def test_nested_entities_stay_and_are_not_drawn() -> None:
    nested = Sentence("雾港大学在雾港", (Entity(0, 4, "ORG"), Entity(0, 2, "LOC"), Entity(5, 7, "LOC")))
    other = Sentence("望月湖", (Entity(0, 3, "LOC"),))
    augmentation = EntityReplacement(probability=1.0)
    augmentation.prepare([nested, other], READING)
    found = {augmentation.change(nested, random.Random(seed)).text for seed in range(20)}
    assert found == {"雾港大学在雾港", "雾港大学在望月湖"}


PARTICLES = [("한별", "이", "서울"), ("미르", "가", "나래"), ("강현", "은", "한솜")]


@pytest.mark.parametrize("old, particle, same", PARTICLES)
def test_korean_surfaces_take_the_same_particles(old: str, particle: str, same: str) -> None:
    others = ["한별", "서울", "미르", "나래", "강현", "한솜", "Ansel"]
    corpus = [Sentence(one, (Entity(0, len(one), "PER"),)) for one in others]
    augmentation = EntityReplacement(probability=1.0)
    augmentation.prepare(corpus, READING)
    sentence = Sentence(f"{old}{particle} 왔다.", (Entity(0, 2, "PER"),))
    found = {augmentation.change(sentence, random.Random(seed)).text for seed in range(30)}
    assert found == {f"{one}{particle} 왔다." for one in (old, same)}


def test_surfaces_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "surfaces.tsv"
    file.write_text("name\t阿宝\n\nname\t白露\n", encoding="utf-8")
    sentence = Sentence("林晓彤在青禾银行", (Entity(0, 3, "name"), Entity(4, 8, "company")))
    augmentation = EntityReplacement(probability=1.0, surfaces=str(file))
    augmentation.prepare([sentence], READING)
    found = {augmentation.change(sentence, random.Random(seed)).text for seed in range(20)}
    assert found == {"阿宝在青禾银行", "白露在青禾银行"}


@pytest.mark.parametrize("line", ["name 阿宝", "name\t", "\t阿宝"])
def test_a_bad_line_of_the_file_is_named(line: str, tmp_path: Path) -> None:
    file = tmp_path / "surfaces.tsv"
    file.write_text(f"name\t白露\n{line}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"surfaces.tsv:2: no type and surface \(expected TYPE<TAB>SURFACE\)"):
        EntityReplacement(surfaces=str(file)).prepare([], READING)


def test_a_file_of_other_types_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "surfaces.tsv"
    file.write_text("PER\t白露\n", encoding="utf-8")
    sentence = Sentence("阿宝来了", (Entity(0, 2, "name"),))
    with pytest.raises(ConfigError, match="has none of the types of the training data, name"):
        EntityReplacement(surfaces=str(file)).prepare([sentence], READING)


@settings(deadline=None)
@given(corpus=CORPUS, seed=st.integers(0, 99))
def test_a_concatenation_is_two_sentences(corpus: list[Sentence], seed: int) -> None:
    augmentation = Concatenation(probability=1.0, max_characters=25)
    augmentation.prepare(corpus, READING)
    for sentence in corpus:
        found = augmentation.change(sentence, random.Random(seed))
        if found is sentence:
            continue
        assert len(found.text) <= 25 and found.text.startswith(sentence.text)
        number = len(sentence.entities or ())
        assert found.entities is not None and found.entities[:number] == sentence.entities
        gold = [(surface(found, one), one.type) for one in found.entities[number:]]
        candidates = [one for one in corpus if found.text.endswith(one.text)]
        assert any([(surface(one, e), e.type) for e in one.entities or ()] == gold for one in candidates)


@pytest.mark.parametrize(
    "first, second, expected",
    [
        ("下雨了", "阿宝", "下雨了阿宝"),
        ("it rains", "again", "it rains again"),
        ("왔다.", "한별", "왔다.한별"),
        ("왔다", "한별", "왔다 한별"),
    ],
)
def test_the_separator(first: str, second: str, expected: str) -> None:
    augmentation = Concatenation(probability=1.0)
    augmentation.prepare([Sentence(second, (), weight=0.5)], READING)
    found = augmentation.change(Sentence(first, ()), random.Random(0))
    assert found.text == expected and found.weight == 0.5
    chosen = Concatenation(probability=1.0, separator="。")
    chosen.prepare([Sentence(second, ())], READING)
    assert chosen.change(Sentence(first, ()), random.Random(0)).text == f"{first}。{second}"


@settings(deadline=None)
@given(sentences(characters=[*CHARACTERS[:30]]), st.sampled_from(["outside", "inside", "everywhere"]))
def test_hidden_tokens_keep_their_places(sentence: Sentence, where: str) -> None:
    tokens = READING.tokenizer.tokenize(sentence.text) or [Token("", 0, 0)]
    augmentation = HiddenTokens(probability=1.0, where=where)  # type: ignore[arg-type]
    augmentation.prepare([sentence], READING)
    found = augmentation.change_tokens(sentence, tokens, random.Random(0))
    assert [(one.idx, one.idx_end) for one in found] == [(one.idx, one.idx_end) for one in tokens]
    inside = {place for entity in sentence.entities or () for place in range(entity.start, entity.end)}
    for token, before in zip(found, tokens, strict=True):
        hides = before.text and (where == "everywhere" or (before.idx in inside) == (where == "inside"))
        assert token.text == ("[MASK]" if hides else before.text)


def test_random_tokens_come_from_the_training_data() -> None:
    augmentation = HiddenTokens(probability=1.0, where="everywhere", replacement="random")
    augmentation.prepare([Sentence("ab", ()), Sentence("c", ())], READING)
    tokens = READING.tokenizer.tokenize("下雨了" * 20)
    found = augmentation.change_tokens(Sentence("下雨了" * 20, ()), tokens, random.Random(0))
    assert {one.text for one in found} == set("abc")
    assert [one.idx for one in found] == list(range(60)) and [one.text for one in tokens[:3]] == ["下", "雨", "了"]


@pytest.mark.parametrize("kind", [EntityReplacement, Concatenation, HiddenTokens])
def test_a_probability_is_one(kind: type) -> None:
    with pytest.raises(ConfigError, match=r"probability is 1\.5, but has to be from 0 to 1"):
        kind(probability=1.5)
    with pytest.raises(ConfigError, match="max_characters is 0"):
        Concatenation(max_characters=0)
