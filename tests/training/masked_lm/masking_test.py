"""What masking does to sentences: whole words, in BERT's proportions, by seed, epoch and sentence alone."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError
from ner_plugins.training.masked_lm.batches import MaskedBatches
from ner_plugins.training.masked_lm.masking import NEVER, MaskableSentence, Masking

SPECIAL = [0, 1, 2, 3, 4]
MASK = 4
SIZE = 1000
CPU = torch.device("cpu")


class Tokenizer(SimpleNamespace):
    def __len__(self) -> int:
        return SIZE


TOKENIZER = Tokenizer(mask_token_id=MASK, all_special_ids=SPECIAL, name_or_path="tiny")


def masking(probability: float = 0.15) -> Masking:
    return Masking(TOKENIZER, SIZE, probability)


def sentence(lengths: list[int], special: Any = (), seed: int = 0, repeat: int = 0) -> MaskableSentence:
    """Words of some lengths, with the pieces at `special` unknown."""
    words = np.repeat(np.arange(len(lengths)), lengths).astype(np.int32)
    ids = np.random.RandomState(seed).randint(len(SPECIAL), SIZE, len(words)).astype(np.int32)
    for place in special:
        ids[place], words[place] = 1, NEVER
    kept = words != NEVER
    words[kept] = np.unique(words[kept], return_inverse=True)[1]
    return MaskableSentence(ids, words, "here", repeat)


SENTENCES = st.builds(
    lambda lengths, special, seed: sentence(lengths, [place for place in special if place < sum(lengths)], seed),
    st.lists(st.integers(1, 5), min_size=1, max_size=30), st.sets(st.integers(0, 40)), st.integers(0, 99),
)  # fmt: skip


@given(SENTENCES, st.integers(0, 2**40), st.integers(-1, 50), st.sampled_from([0.05, 0.15, 0.5, 0.9]))
def test_whole_words_are_masked_and_nothing_else(one: MaskableSentence, seed: int, epoch: int, share: float) -> None:
    found = masking(share)(one, seed, epoch)
    chosen = sorted({int(one.words[place]) for place in found.places})
    number = share * one.number_of_words
    assert len(chosen) in ({0} if one.number_of_words == 0 else {max(1, math.floor(number)), max(1, math.ceil(number))})
    assert found.places.tolist() == [place for place, word in enumerate(one.words) if word in chosen]
    assert NEVER not in chosen
    changed = np.flatnonzero(found.ids != one.ids)
    assert set(changed) <= set(found.places)
    for word in chosen:
        after = found.ids[one.words == word]
        assert (after == MASK).all() or not np.isin(after, SPECIAL).any()


@given(SENTENCES, st.integers(0, 2**40), st.integers(0, 50))
def test_the_same_arguments_give_the_same_masks_whatever_came_before(
    one: MaskableSentence, seed: int, epoch: int
) -> None:
    first = masking()(one, seed, epoch)
    np.random.rand(3)
    other = masking()
    other(sentence([3, 4]), seed, epoch)
    copy = MaskableSentence(one.ids.copy(), one.words.copy(), "elsewhere", one.repeat)
    again = other(copy, seed, epoch)
    assert np.array_equal(first.ids, again.ids) and np.array_equal(first.places, again.places)


@pytest.mark.parametrize("change", [{"seed": 1}, {"epoch": 1}, {"repeat": 1}])
def test_each_of_seed_epoch_and_repetition_changes_the_masks(change: dict[str, int]) -> None:
    settings = {"seed": 0, "epoch": 0, "repeat": 0}
    lengths = [1] * 60
    places = []
    for one in (settings, {**settings, **change}):
        places.append(masking()(sentence(lengths, repeat=one["repeat"]), one["seed"], one["epoch"]).places.tolist())
    assert places[0] != places[1]


def test_proportions() -> None:
    """Of 40,000 words 15 % are chosen; of these 80 % are masked, 10 % random and 10 % kept: within 5 deviations."""
    words = predicted = 0
    masked = random = kept = 0
    drawn: list[int] = []
    for number in range(2000):
        one = sentence([1 + place % 3 for place in range(20)], seed=number)
        found = masking()(one, 7, 3)
        words += one.number_of_words
        for word in sorted({int(one.words[place]) for place in found.places}):
            before, after = one.ids[one.words == word], found.ids[one.words == word]
            predicted += 1
            if (after == MASK).all():
                masked += 1
            elif np.array_equal(before, after):
                kept += 1
            else:
                random += 1
                drawn += after.tolist()
    assert words == 40_000

    def near(count: int, total: int, share: float) -> bool:
        return abs(count - total * share) < 5 * math.sqrt(total * share * (1 - share))

    assert near(predicted, words, 0.15) and near(masked, predicted, 0.8)
    assert near(random, predicted, 0.1) and near(kept, predicted, 0.1)
    assert not set(drawn) & set(SPECIAL) and max(drawn) < SIZE
    assert abs(np.mean(drawn) - (SIZE + len(SPECIAL)) / 2) < 5 * SIZE / math.sqrt(12 * len(drawn))


def test_fractions_of_a_word_are_rounded_at_random() -> None:
    counts = [len(masking()(sentence([1] * 10), seed, 0).places) for seed in range(400)]
    assert set(counts) == {1, 2} and abs(np.mean(counts) - 1.5) < 5 * 0.5 / 20


def test_mistakes() -> None:
    with pytest.raises(ConfigError, match="'tiny' has no mask token"):
        Masking(Tokenizer(mask_token_id=None, all_special_ids=[], name_or_path="tiny"), SIZE)
    with pytest.raises(ConfigError, match="has no mask token that the encoder knows"):
        Masking(TOKENIZER, MASK)
    for share in (0.0, 1.0, -1.0, 2.0):
        with pytest.raises(ConfigError, match=r"ner_mlm\.mlm_probability is"):
            masking(share)


# Batches.

CORPUS = [sentence([1, 2] * (1 + number % 7), seed=number) for number in range(23)]


def batches(size: int = 4, seed: int = 5) -> MaskedBatches:
    return MaskedBatches(CORPUS, masking(), size, padding_id=0, device=CPU, seed=seed)


def rows(batch: list[dict[str, Any]]) -> list[tuple[list[int], dict[int, int]]]:
    """The pieces of each sentence, and the pieces to predict."""
    (part,) = batch
    width = part["piece_ids"].size(1)
    assert part["lengths"].tolist() == part["known"] and width == max(part["known"])
    targets = dict(zip(part["places"].tolist(), part["targets"].tolist(), strict=True))
    found = []
    for row, (ids, length) in enumerate(zip(part["piece_ids"].tolist(), part["known"], strict=True)):
        assert ids[length:] == [0] * (width - length)
        own = {place - row * width: id_ for place, id_ in targets.items() if place // width == row}
        found.append((ids[:length], own))
    return found


def test_an_epoch_has_every_sentence_once_with_its_masks() -> None:
    made = batches()
    number, epoch = made.epoch(2)
    all_rows = [rows(batch) for batch in epoch]
    assert number == len(all_rows) == made.number == 6 and sorted(map(len, all_rows)) == [3, 4, 4, 4, 4, 4]
    found = sorted(str(row) for batch in all_rows for row in batch)
    expected = []
    for one in CORPUS:
        ids, places = masking()(one, 5, 2)
        expected.append(str((ids.tolist(), {int(place): int(one.ids[place]) for place in places})))
    assert found == sorted(expected)


def test_an_epoch_continues_where_it_stopped_and_epochs_differ() -> None:
    made = batches()
    whole = [rows(batch) for batch in made.epoch(3)[1]]
    for start in range(7):
        assert [rows(batch) for batch in batches().epoch(3, start)[1]] == whole[start:]
    assert [rows(batch) for batch in made.epoch(4)[1]] != whole
    assert [rows(batch) for batch in batches(seed=6).epoch(3)[1]] != whole


def test_validation_is_the_same_each_time() -> None:
    made = batches()
    first = [rows(batch) for batch in made]
    assert [rows(batch) for batch in made] == first
    assert sum(map(len, first)) == len(CORPUS)


def test_sentences_of_a_batch_have_similar_lengths() -> None:
    many = [sentence([1] * (1 + number % 50), seed=number) for number in range(600)]
    made = MaskedBatches(many, masking(), 8, padding_id=0, device=CPU, seed=0)
    spread = [max(part["known"]) - min(part["known"]) for (part,) in made.epoch(0)[1]]
    assert np.mean(spread) < 5
    means = [np.mean(part["known"]) for (part,) in made.epoch(0)[1]]
    assert means != sorted(means)


def test_no_sentence() -> None:
    with pytest.raises(ConfigError, match="no sentence with a word to mask"):
        MaskedBatches([], masking(), 8, padding_id=0, device=CPU, seed=0)
