"""The CRF as a module: what it is given, copied, saved and trained with."""

import copy
import io
import pickle

import pytest
import torch
from enumerated_chains import random_potentials

from ner_plugins.errors import NerError
from ner_plugins.modules.crf import ConditionalRandomField, TagSet
from ner_plugins.modules.crf import compiled as crf_compiled


def made(num_tags, **settings):
    torch.manual_seed(0)
    return ConditionalRandomField(num_tags, **settings)


def random_batch(batch, length, tags, kept=0.75):
    emissions, mask, *_ = random_potentials(batch, length, tags, 0, torch.float32, kept)
    return emissions, torch.zeros(batch, length, dtype=torch.int64), mask


@pytest.mark.parametrize(
    "shape, tags, mask",
    [
        ((2, 4, 5), (2, 4), (2, 4)),
        ((2, 4, 3), (2, 4), (2, 5)),
        ((2, 4, 3), (2, 4), (1, 4)),
        ((2, 4, 3), (1, 4), (2, 4)),
        ((2, 4), (2, 4), (2, 4)),
    ],
)
def test_shapes_that_do_not_fit(shape, tags, mask):
    """The kernels would read other memory."""
    arguments = torch.zeros(shape), torch.zeros(tags, dtype=torch.int64), torch.ones(mask, dtype=torch.bool)
    message = r"emissions have shape .* mask and tags need|gold tags have shape .* mask has shape"
    with pytest.raises(NerError, match=message):
        made(3)(*arguments)


def test_copies_and_files_compute_the_same():
    crf = made(5, constraints=TagSet(["X"], "BIOES").constraints(), constrain_training=True)
    emissions, gold, mask = random_batch(3, 6, 5)
    expected = crf(emissions, gold, mask)
    expected.backward()
    file = io.BytesIO()
    torch.save(crf, file)
    file.seek(0)
    for other in (copy.deepcopy(crf), pickle.loads(pickle.dumps(crf)), torch.load(file, weights_only=False)):
        assert torch.equal(other(emissions, gold, mask), expected)
        assert torch.equal(other.viterbi(emissions, mask).tags, crf.viterbi(emissions, mask).tags)


@pytest.mark.parametrize("compiled", [True, False])
def test_distributed_training_waits_for_no_parameter(compiled, monkeypatch, tmp_path):
    """A parameter without a gradient in some step would make the next one fail."""
    monkeypatch.setattr(crf_compiled, "is_available", lambda module: compiled)
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        crf = made(5, constraints=TagSet(["X"], "BIOES").constraints())
        model = torch.nn.parallel.DistributedDataParallel(crf)
        for batch, length, kept in ((3, 6, 0.7), (2, 4, 0.0), (2, 1, 1.0), (1, 0, 1.0), (3, 5, 1.0)):
            model.zero_grad()
            model(*random_batch(batch, length, 5, kept=kept)).backward()
            assert all(parameter.grad is not None for parameter in crf.parameters())
    finally:
        torch.distributed.destroy_process_group()
