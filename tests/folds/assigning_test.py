"""Folds: equal texts and documents stay together, types are spread, and the order of the sentences does not matter."""

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.entities import Entity, Sentence
from ner_plugins.errors import ConfigError
from ner_plugins.folds.assigning import fold_sentences

entities = st.lists(st.builds(Entity, st.just(0), st.just(1), st.sampled_from("ABC")), max_size=3, unique=True)
documents = st.one_of(st.none(), st.sampled_from("xyz"))
corpora = st.lists(
    st.builds(Sentence, st.text("ab", min_size=1, max_size=5), entities, document=documents), min_size=40, max_size=60
)


@settings(max_examples=60)
@given(corpora, st.integers(2, 5), st.integers(0, 3), st.randoms(use_true_random=False))
def test_they_depend_on_the_sentences_and_the_seed_alone(
    sentences: list[Sentence], k: int, seed: int, chance: random.Random
) -> None:
    if len({sentence.text for sentence in sentences}) < k:
        with pytest.raises(ConfigError, match="different texts: choose a smaller -k"):
            fold_sentences(sentences, k, seed)
        return
    found = fold_sentences(sentences, k, seed)
    assert set(found.of) == set(range(k))
    of_text = {sentence.text: fold for sentence, fold in zip(sentences, found.of, strict=True)}
    assert all(of_text[one.text] == fold for one, fold in zip(sentences, found.of, strict=True))
    if found.grouped_by == "document":
        pairs = {(one.document, fold) for one, fold in zip(sentences, found.of, strict=True) if one.document}
        assert len(pairs) == len({document for document, _ in pairs})
    order = list(range(len(sentences)))
    chance.shuffle(order)
    shuffled = fold_sentences([sentences[place] for place in order], k, seed)
    assert shuffled.grouped_by == found.grouped_by
    assert [found.of[place] for place in order] == list(shuffled.of)


def corpus(number: int = 500, document: int | None = None) -> list[Sentence]:
    chance = random.Random(1)
    names, weights = ["common", "usual", "rare"], [30, 10, 1]
    return [
        Sentence(
            f"第{place}句",
            [Entity(n, n + 1, name) for n, name in enumerate(chance.choices(names, weights, k=chance.randrange(4)))],
            document=None if document is None else str(place // document),
        )
        for place in range(number)
    ]


@pytest.mark.parametrize("k, document", [(2, None), (5, None), (10, None), (5, 4)])
def test_types_and_sentences_are_spread_evenly(k: int, document: int | None) -> None:
    sentences = corpus(document=document)
    found = fold_sentences(sentences, k, 0)
    assert found.grouped_by == ("text" if document is None else "document")
    sizes = Counter(found.of)
    assert max(sizes.values()) - min(sizes.values()) <= (1 if document is None else document)
    for name in ("common", "usual", "rare"):
        counts = Counter[int]()
        for one, fold in zip(sentences, found.of, strict=True):
            counts[fold] += sum(entity.type == name for entity in one.entities or ())
        mean = sum(counts.values()) / k
        assert all(abs(counts[fold] - mean) <= (0.05 if document is None else 0.2) * mean + 2 for fold in range(k))


def test_other_seeds_give_other_folds() -> None:
    sentences = corpus(100)
    assert len({fold_sentences(sentences, 5, seed).of for seed in range(4)}) == 4


@pytest.mark.parametrize("documents", [["a"] * 30 + ["b"] * 30, ["a"] * 50 + [f"d{n}" for n in range(10)]])
def test_documents_that_do_not_make_folds_are_parted(documents: list[str]) -> None:
    sentences = [Sentence(f"第{n}句", [Entity(0, 1, "A")], document=one) for n, one in enumerate(documents)]
    assert fold_sentences(sentences, 3, 0).grouped_by == "text"


def test_documents_with_a_common_text_are_one() -> None:
    sentences = [Sentence(f"第{n}句", [], document=str(n // 3)) for n in range(30)]
    sentences += [Sentence("同上", [], document="0"), Sentence("同上", [], document="7")]
    found = fold_sentences(sentences, 3, 0)
    assert found.grouped_by == "document" and len({found.of[n] for n in (0, 1, 2, 21, 22, 23, 30, 31)}) == 1
