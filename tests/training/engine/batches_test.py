import random

import numpy
import pytest
import torch
from allennlp.data import Vocabulary
from allennlp.data.data_loaders import MultiProcessDataLoader
from allennlp.data.samplers import BucketBatchSampler, MaxTokensBatchSampler

from ner_plugins.dataset_readers.json.cluener import CluenerReader
from ner_plugins.errors import ConfigError
from ner_plugins.training.engine.batches import EpochBatches
from ner_plugins.training.engine.random_states import random_states, restore_random_states

CPU = torch.device("cpu")
DATA = "fixtures/sample#train"


def loader(**settings) -> MultiProcessDataLoader:
    made = MultiProcessDataLoader(CluenerReader(max_instances=17), DATA, **settings)
    made.index_with(VOCAB)
    return made


@pytest.fixture(autouse=True, scope="module")
def vocabulary(repository) -> None:
    global VOCAB
    reader = CluenerReader(max_instances=17)
    instances = list(reader.read(DATA))
    for instance in instances:
        reader.apply_token_indexers(instance)
    VOCAB = Vocabulary.from_instances(instances)


def sources(batches: EpochBatches) -> list[str]:
    return [instance["metadata"].metadata["source"] for instance in batches.instances]


def flat(batches: list[list[str]]) -> list[str]:
    return [one for batch in batches for one in batch]


def ids(batches) -> list[list[str]]:
    """Of the sentences of each batch, which is a dict of a loader or has parts."""
    parts = [batch if isinstance(batch, list) else [batch] for batch in batches]
    return [[one["source"] for part in batch for one in part["metadata"]] for batch in parts]


def test_batches_are_drawn_anew_and_hold_every_sentence_once() -> None:
    batches = EpochBatches(loader(batch_size=4, shuffle=True), VOCAB, CPU, batch_size=5, shuffle=True)
    first, second = ids(batches), ids(batches)
    assert [len(batch) for batch in first] == [5, 5, 5, 2] and len(batches) == 4
    assert sorted(flat(first)) == sorted(flat(second)) and first != second
    in_order = EpochBatches(loader(batch_size=4), VOCAB, CPU, batch_size=5)
    assert ids(in_order) == ids(in_order) and flat(ids(in_order)) == sources(in_order)


@pytest.mark.parametrize(
    "sampler", [BucketBatchSampler(4, sorting_keys=["tokens"]), MaxTokensBatchSampler(80, sorting_keys=["tokens"])]
)
def test_without_a_size_they_are_the_loaders(sampler) -> None:
    kept = random_states()
    made = loader(batch_sampler=sampler)
    expected = ids(made)
    batches = EpochBatches(made, VOCAB, CPU, shuffle=True)
    restore_random_states(kept)
    assert ids(batches) == expected
    assert ids(EpochBatches(loader(batch_size=6), VOCAB, CPU)) == ids(loader(batch_size=6))


@pytest.mark.parametrize("settings", [{"shuffle": True}, {"max_instances_in_memory": 8}])
def test_the_loader_stays_as_it_is(settings) -> None:
    kept = random_states()
    expected = [ids(made) for made in [loader(batch_size=4, **settings)] for _ in range(2)]
    made = loader(batch_size=4, **settings)
    batches = EpochBatches(made, VOCAB, CPU, batch_size=3, shuffle=True)
    for _ in range(3):
        list(batches)
    restore_random_states(kept)
    assert [ids(made) for _ in range(2)] == expected


def test_a_sample_is_the_same_each_time_and_draws_nothing() -> None:
    batches = EpochBatches(loader(batch_size=4), VOCAB, CPU, batch_size=5, shuffle=True)
    states = random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    first = ids(batches.sampled(9))
    assert first == ids(batches.sampled(9)) and len(flat(first)) == 9
    assert sorted(flat(ids(batches.sampled(100)))) == sorted(sources(batches))
    lengths = {one["metadata"].metadata["source"]: one["tokens"].sequence_length() for one in batches.instances}
    found = [lengths[place] for place in flat(ids(batches.sampled(100)))]
    assert found == sorted(found) and len(set(found)) > 1  # little is padding
    assert states == (random.getstate(), numpy.random.get_state()[1].tolist(), torch.get_rng_state().tolist())


def test_parts_of_a_batch_are_of_about_one_length() -> None:
    settings = {"batch_size": 10, "shuffle": True}
    kept = random_states()
    whole = ids(EpochBatches(loader(batch_size=4), VOCAB, CPU, **settings))
    restore_random_states(kept)
    batches = list(EpochBatches(loader(batch_size=4), VOCAB, CPU, **settings, part_size=4))
    assert [sorted(batch) for batch in ids(batches)] == [sorted(batch) for batch in whole]
    assert [[len(part["metadata"]) for part in batch] for batch in batches] == [[4, 4, 2], [4, 3]]
    for batch in batches:
        lengths = [part["tokens"]["tokens"]["tokens"].size(1) for part in batch]
        assert lengths == sorted(lengths)


def test_no_instances_are_refused() -> None:
    made = loader(batch_size=4)
    made._instances = []
    made.iter_instances = lambda: iter(())
    with pytest.raises(ConfigError, match="there is no instance"):
        EpochBatches(made, VOCAB, CPU)
