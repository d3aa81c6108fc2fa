import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.data import BatchSampler, Instance, Vocabulary
from allennlp.data.fields import TextField
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.data.tokenizers import Token
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_encoders import make_encoder

from ner_plugins.errors import ConfigError
from ner_plugins.fields.lattice_field import LatticeField
from ner_plugins.fields.lengths import padded_length
from ner_plugins.fields.tokens_field import TokensField
from ner_plugins.lexicon.word_lexicon import WordLexicon
from ner_plugins.token_indexers.transformer_indexer import TransformerIndexer
from ner_plugins.training.token_budget import TokenBudgetSampler, cut_by_budget

VOCABULARY = Vocabulary()


def sentence(length: int) -> Instance:
    field = TextField([Token("a")] * length, {"tokens": SingleIdTokenIndexer()})
    instance = Instance({"tokens": field})
    instance.index_fields(VOCABULARY)
    return instance


def epoch(sampler: BatchSampler, instances: list[Instance], seed: int) -> list[list[int]]:
    random.seed(seed)
    return list(sampler.get_batch_indices(instances))


samplers = st.builds(
    TokenBudgetSampler,
    budget=st.integers(1, 200),
    max_sentences=st.none() | st.integers(1, 9),
    noise=st.sampled_from([0.0, 0.02, 0.1, 0.5]),
    max_padding=st.none() | st.sampled_from([0.0, 0.03, 0.3]),
    shuffle=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(sampler=samplers, lengths=st.lists(st.integers(0, 60), max_size=40), seed=st.integers(0, 9))
def test_every_epoch_keeps_the_limits(sampler: TokenBudgetSampler, lengths: list[int], seed: int) -> None:
    instances = [sentence(length) for length in lengths]
    batches = epoch(sampler, instances, seed)
    assert sorted(place for batch in batches for place in batch) == list(range(len(lengths)))
    assert len(batches) == sampler.get_num_batches(instances)
    for batch in batches:
        padded = max(lengths[place] for place in batch) * len(batch)
        assert len(batch) == 1 or padded <= sampler.budget
        assert sampler.max_sentences is None or len(batch) <= sampler.max_sentences
        if sampler.max_padding is not None and not sampler.noise:
            assert padded - sum(lengths[place] for place in batch) <= sampler.max_padding * padded


@given(st.lists(st.integers(1, 30), min_size=1, max_size=30), st.integers(1, 90), st.none() | st.integers(1, 9))
def test_no_two_neighbouring_batches_fit_into_one(lengths: list[int], budget: int, most: int) -> None:
    lengths.sort(reverse=True)
    cuts = cut_by_budget(lengths, budget, most)
    for start, after in pairwise(cuts[:-1]):
        assert (after - start + 1) * lengths[start] > budget or after - start == most


def test_epochs_differ_and_depend_on_the_seed_alone() -> None:
    instances = [sentence(length) for length in [5] * 30 + [7] * 30 + [60] * 30]
    sampler = TokenBudgetSampler(budget=120)
    first, again, other = (epoch(sampler, instances, seed) for seed in (1, 1, 2))
    assert first == again
    assert {frozenset(batch) for batch in first} != {frozenset(batch) for batch in other}
    assert [len(instances[batch[0]]["tokens"]) for batch in first] != sorted(
        (len(instances[batch[0]]["tokens"]) for batch in first), reverse=True
    )


def test_noise_mixes_neighbouring_lengths() -> None:
    lengths = list(range(300, 400))
    instances = [sentence(length) for length in lengths]
    mixed, exact = TokenBudgetSampler(4000, noise=0.1), TokenBudgetSampler(4000, noise=0.0)
    assert {frozenset(batch) for batch in epoch(exact, instances, 1)} == {
        frozenset(batch) for batch in epoch(exact, instances, 2)
    }
    assert {frozenset(batch) for batch in epoch(mixed, instances, 1)} != {
        frozenset(batch) for batch in epoch(mixed, instances, 2)
    }


def test_without_shuffle_the_longest_come_first_and_no_generator_is_used() -> None:
    instances = [sentence(length) for length in (1, 9, 5, 5, 2)]
    state = random.getstate()
    sampler = TokenBudgetSampler(budget=10, shuffle=False)
    assert list(sampler.get_batch_indices(instances)) == [[1], [2, 3], [4, 0]]
    assert random.getstate() == state


def test_length_is_what_the_model_pads(tmp_path: Path) -> None:
    tokens = [Token("unwahrscheinlich"), Token("中")]
    indexer = TransformerIndexer(make_encoder(tmp_path / "encoder"))
    words = TokensField(tokens, {"pieces": indexer, "words": SingleIdTokenIndexer()})
    instance = Instance({"tokens": words})
    instance.index_fields(VOCABULARY)
    pieces = words.get_padding_lengths()["pieces___piece_ids"]
    assert pieces > 2
    assert padded_length(instance) == pieces
    (tmp_path / "words.txt").write_text("中国\n", encoding="utf-8")
    lexicon = WordLexicon(str(tmp_path / "words.txt"))
    lattice = LatticeField("中国中国", [(i, i + 1) for i in range(4)], lexicon)
    instance.add_field("lattice", lattice, VOCABULARY)
    assert padded_length(instance) == pieces + 2


@pytest.mark.parametrize(
    ["options", "message"],
    [
        ({"budget": 0}, "budget must be >= 1, got 0"),
        ({"budget": 9, "max_sentences": 0}, "max_sentences must be >= 1, got 0"),
        ({"budget": 9, "noise": 1.0}, "noise must be from 0 to below 1, got 1.0"),
        ({"budget": 9, "max_padding": -0.1}, "max_padding must be from 0 to below 1, got -0.1"),
    ],
)
def test_bad_settings_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=f"token_budget.{message}"):
        BatchSampler.from_params(Params({"type": "token_budget", **options}))
