"""
Everything computes on the device of its input: forward passes on a pretended GPU, which refuses tensors from another
device, and stops at a step that depends on values. `pretended_test.py` runs this file in a process of its own.
"""

import ner_plugins  # noqa: F401  isort: skip  (AllenNLP imports on these libraries only after it)

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gpu_cases
import numpy as np
import pytest
import torch
from loss_cases import ALL, random_cells
from pretended_gpu import Pretended, as_if_real, place_of, register_backend
from tiny_encoders import make_encoder
from torch import Tensor
from torch._subclasses.fake_tensor import (
    DataDependentOutputException,
    DynamicOutputShapeException,
    FakeTensorDeviceMismatchError,
)

from ner_plugins.heads.decoding import decode_spans
from ner_plugins.modules.crf import ConditionalRandomField, Spans, TagSet
from ner_plugins.modules.losses.contrastive import ContrastiveLoss, NercoLoss, SupConLoss
from ner_plugins.pretrained.masked_head import masked_head
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.training.masked_lm.batches import MaskedBatches
from ner_plugins.training.masked_lm.masking import MaskableSentence, Masking
from ner_plugins.training.masked_lm.objective import MaskedObjective

register_backend()

VALUES_NEEDED = (DataDependentOutputException, DynamicOutputShapeException)
CASES = [(head, "embedding") for head in gpu_cases.DECODERS]
CASES += [("biaffine", encoder) for encoder in gpu_cases.ENCODERS[1:]]
# `waits.py` has training steps of these, which compute the loss on the device too.
OTHERS = [(head, "embedding") for head in gpu_cases.HEADS.keys() - gpu_cases.DECODERS.keys()]
OTHERS += [("crf", encoder) for encoder in gpu_cases.ENCODERS[1:]]
CASES += [pytest.param(*case, marks=pytest.mark.exhaustive) for case in sorted(OTHERS)]
# Where the decoder of each head first needs values: the file and the function.
DECODERS = {"tags": ("tagging.py", "spans"), "pointer-published": ("pointer.py", "published_spans")}
ANY_DECODER = ("decoding.py", "_candidates")


def on_gpu(head: str, encoder: str, folder: Path, thresholds: Any = None) -> tuple[Pretended, Any, dict[str, Any]]:
    """A pretended GPU with a model and a batch on it."""

    def change(params: dict[str, Any]) -> None:
        params["thresholds"] = thresholds

    gpu = Pretended()
    model, batch = gpu_cases.build(head, encoder, folder, change=change)
    if encoder == "bilstm":  # AllenNLP's wrapper asks for the lengths
        recurrent = model.encoder._module
        model.encoder.forward = lambda vectors, mask: recurrent(vectors)[0]
    if encoder.startswith("flat"):
        model(**batch)  # checks once that the texts' lexicon is the model's
    gpu.move_module(model)
    return gpu, model, gpu.moved(batch)


def test_the_pretended_gpu_refuses_tensors_of_the_host() -> None:
    gpu = Pretended()
    with gpu(), torch.no_grad():
        there, here = torch.ones(3, device=gpu.device), torch.ones(3)
        with pytest.raises(FakeTensorDeviceMismatchError):
            there + here
        ways = (there.sum().item, there.nonzero, there.tolist, there[0].__bool__, there[0].__int__, there[0].__float__)
        for needs_values in (*ways, lambda: there[there > 0], lambda: there.masked_select(there > 0)):
            with pytest.raises(VALUES_NEEDED):
                needs_values()
        assert gpu.copies == []
        there.cpu()
        here.to(gpu.device)
        assert gpu.copies == ["aten._to_copy.default"] * 2
        here.to(gpu.device, non_blocking=True)
        assert len(gpu.copies) == 2


@pytest.mark.parametrize("head, encoder", CASES)
@torch.no_grad()
def test_the_loss_is_computed_on_the_device(head: str, encoder: str, tmp_path: Path) -> None:
    gpu, model, batch = on_gpu(head, encoder, tmp_path)
    model.train()
    with gpu(), as_if_real():
        loss = model(**batch)["loss"]
    assert (loss.device, loss.shape, loss.dtype) == (gpu.device, (), torch.float32)
    assert gpu.copies == []


@pytest.mark.parametrize("thresholds", [pytest.param(None, marks=pytest.mark.exhaustive), 0.3])
@pytest.mark.parametrize("head", gpu_cases.DECODERS)
@torch.no_grad()
def test_decoding_runs_on_the_device_up_to_the_first_step_that_needs_values(
    head: str, thresholds: float | None, tmp_path: Path
) -> None:
    gpu, model, batch = on_gpu(head, "embedding", tmp_path, thresholds)
    model.eval()
    del batch["entities"]
    with gpu(), as_if_real(), pytest.raises(VALUES_NEEDED) as raised:
        model(**batch)
    file, function = DECODERS.get("tags" if head.startswith(("crf", "softmax")) else head, ANY_DECODER)
    assert place_of(raised.value).endswith(f"/{file}, {function}")
    assert gpu.copies == []


@pytest.mark.parametrize("mode", ["flat_greedy", "flat_optimal", "nested"])
def test_span_decoding(mode: str) -> None:
    gpu = Pretended()
    with gpu(), pytest.raises(VALUES_NEEDED) as raised:
        decode_spans(torch.ones(2, 5, 4, 3, device=gpu.device), torch.ones(2, 5, 4, device=gpu.device) > 0, mode)
    assert place_of(raised.value).endswith("decoding.py, _candidates")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
def test_the_crf(scheme: str, dtype: torch.dtype) -> None:
    tag_set = TagSet(["PER", "LOC"], scheme)
    crf = ConditionalRandomField(len(tag_set), tag_set.constraints(), constrain_training=True)
    gpu = Pretended()
    gpu.move_module(crf)
    with gpu():
        emissions = torch.randn(3, 6, len(tag_set), device=gpu.device, dtype=dtype)
        mask = torch.ones(3, 6, dtype=torch.bool, device=gpu.device)
        entities = torch.zeros(3, 2, 3, dtype=torch.int64, device=gpu.device)
        tags = tag_set.targets(entities, mask)
        found: list[Tensor] = [crf(emissions, tags, mask), crf.log_likelihood(emissions, tags, mask)]
        found += [crf.log_partition(emissions, mask), crf.entropy(emissions, mask)]
        found += [*crf.viterbi(emissions, mask), *crf.n_best(emissions, mask, 2)]
        found.append(crf.marginals(emissions, mask))
        with pytest.raises(VALUES_NEEDED):
            tag_set.spans(tags, mask)
        places = [torch.zeros(4, dtype=torch.int64, device=gpu.device) for _ in range(4)]
        found.append(crf.entity_probabilities(emissions, mask, tag_set, Spans(*places)))
    assert {tensor.device for tensor in found} == {gpu.device}


@pytest.mark.parametrize("kind, options", ALL)
@torch.no_grad()
def test_every_loss_over_cells(kind: type, options: dict[str, Any]) -> None:
    gpu = Pretended()
    logits, targets, mask = (gpu.moved(tensor.detach()) for tensor in random_cells())
    with gpu():
        loss = kind(**options)(logits, targets, mask, 3)
    assert (loss.device, loss.shape) == (gpu.device, ()) and gpu.copies == []


@pytest.mark.parametrize("kind", [NercoLoss, SupConLoss])
@pytest.mark.parametrize("options", [{}, {"positives": "same_type_other_entity"}, {"projection_head": "mlp"}], ids=str)
@torch.no_grad()
def test_contrastive_losses(kind: type[ContrastiveLoss], options: dict[str, Any]) -> None:
    """Which tokens are in entities is what a loss needs first; the rest is computed from these."""
    gpu = Pretended()
    loss = kind(input_dim=6, **options)
    gpu.move_module(loss)
    with gpu():
        vectors, mask = torch.ones(2, 5, 6, device=gpu.device), torch.ones(2, 5, device=gpu.device) > 0
        types = torch.zeros(2, 5, dtype=torch.int64, device=gpu.device)
        with pytest.raises(VALUES_NEEDED) as raised:
            loss(vectors, mask, types, types)
        assert place_of(raised.value).endswith("contrastive.py, forward")
        tokens = torch.arange(4, device=gpu.device)
        anchors, others = loss._directions(vectors, tokens), loss._directions(vectors, tokens)
        pairs = loss._compare(anchors, others, torch.stack([tokens] * 3, 1))
        assert {pairs.similarity.device, pairs.positive.device, pairs.log_others.device} == {gpu.device}
        if kind is SupConLoss:
            assert {tensor.device for tensor in loss.of_pairs(pairs)} == {gpu.device}
    assert gpu.copies == []


@pytest.mark.parametrize("family", ["bert", "electra"])  # with a pretrained head and with a new one
@torch.no_grad()
def test_masked_language_modelling(family: str, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    folder = make_encoder(tmp_path / family, family, head=family != "electra")
    embedder = TransformerEmbedder(folder)
    masking = Masking(AutoTokenizer.from_pretrained(folder), embedder.encoder.config.vocab_size)
    sentences = [
        MaskableSentence(np.arange(5, 5 + size, dtype=np.int32), np.arange(size, dtype=np.int32), f"text:{size}")
        for size in (3, 6)
    ]
    host = torch.device("cpu")
    [[part]] = MaskedBatches(sentences, masking, 2, embedder.padding_id, host, seed=1)
    head, _ = masked_head(folder, embedder.encoder)
    trainer = SimpleNamespace(model=embedder, cuda_device=host, _use_amp=False, _scaler=None)
    objective = MaskedObjective(trainer, None, embedder, head, "masked_lm")
    gpu = Pretended()
    table = embedder.encoder.get_input_embeddings()
    tied = [vars(module) for module in head.modules() if vars(module).get("weight") is table.weight]
    for module in (embedder, head):
        gpu.move_module(module.train())
    for attributes in tied:  # in `Module.to` the parameter stays the same object
        attributes["weight"] = table.weight
    with gpu(), as_if_real():
        loss = objective.loss([gpu.moved(part)])
    assert loss is not None and (loss.device, loss.shape, loss.dtype) == (gpu.device, (), torch.float32)
    assert gpu.copies == []
