"""Heads of masked language models against those of Transformers."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_encoders import FAMILIES, make_encoder
from torch import Tensor

from ner_plugins.pretrained.encoder import read_config, read_encoder
from ner_plugins.pretrained.masked_head import MaskedHead, PretrainedMaskedHead, masked_head, read_masked_head

IDS = torch.tensor([[2, 9, 11, 4, 30, 12, 3]])


def encoder_of(folder: str) -> Any:
    return read_encoder(folder, read_config(folder)).eval()


def vectors_of(encoder: Any) -> Tensor:
    vectors: Tensor = encoder(input_ids=IDS).last_hidden_state.squeeze(0)
    return vectors


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pretrained_head_computes_what_transformers_does_and_trains_the_encoders_embeddings(
    family: str, tmp_path: Path
) -> None:
    from transformers import AutoModelForMaskedLM

    folder = make_encoder(tmp_path / family, family, head=True)
    encoder = encoder_of(folder)
    head, reason = masked_head(folder, encoder)
    assert reason is None and isinstance(head, PretrainedMaskedHead)
    whole = AutoModelForMaskedLM.from_pretrained(folder).float().eval()
    logits = head.eval()(vectors_of(encoder))
    torch.testing.assert_close(logits, whole(input_ids=IDS).logits.squeeze(0))
    # Gradients of the one copy of the embeddings come from both sides, as in Transformers.
    logits.logsumexp(-1).sum().backward()
    whole(input_ids=IDS).logits.logsumexp(-1).sum().backward()
    found, expected = (model.get_input_embeddings().weight for model in (encoder, whole))
    torch.testing.assert_close(found.grad, expected.grad, rtol=1e-4, atol=1e-5)
    assert all(parameter is not found for parameter in head.parameters())
    sizes = [parameter.numel() for parameter in head.parameters()]
    assert sum(sizes) < found.numel() + 2000 and found.shape not in [p.shape for p in head.parameters()]
    assert head.state_dict().keys() & {"language_model.cls.predictions.decoder.weight"} == set()


@pytest.mark.parametrize("family", FAMILIES)
def test_an_encoder_without_a_head_gets_a_new_one(family: str, tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / family, family)
    encoder = encoder_of(folder)
    assert read_masked_head(folder, encoder) is None
    head, reason = masked_head(folder, encoder)
    assert isinstance(head, MaskedHead) and reason is not None and "has no head of a masked language model" in reason
    vectors = vectors_of(encoder)
    embeddings = encoder.get_input_embeddings().weight
    hidden = torch.nn.functional.gelu(vectors @ head.dense.weight.T)
    expected = torch.nn.functional.layer_norm(hidden, hidden.shape[-1:], eps=head.norm.eps) @ embeddings.T
    torch.testing.assert_close(head(vectors), expected)
    head(vectors).sum().backward()
    assert embeddings.grad is not None and all(p is not embeddings for p in head.parameters())


def test_a_new_head_is_that_of_electra(tmp_path: Path) -> None:
    """The generator of ELECTRA, with its weights."""
    from transformers import ElectraForMaskedLM

    folder = make_encoder(tmp_path / "electra", "electra", head=True)
    whole = ElectraForMaskedLM.from_pretrained(folder).eval()
    encoder = encoder_of(folder)
    head = MaskedHead(encoder)
    with torch.no_grad():
        head.dense.load_state_dict(whole.generator_predictions.dense.state_dict())
        head.norm.load_state_dict(whole.generator_predictions.LayerNorm.state_dict())
        head.norm.eps = whole.generator_predictions.LayerNorm.eps
        head.bias.copy_(whole.generator_lm_head.bias)
        torch.testing.assert_close(head(vectors_of(encoder)), whole(input_ids=IDS).logits.squeeze(0))


def test_an_encoder_of_another_kind_or_place_gets_a_new_head(tmp_path: Path) -> None:
    bert = encoder_of(make_encoder(tmp_path / "bert"))
    electra = make_encoder(tmp_path / "electra", "electra", head=True)
    assert read_masked_head(electra, bert) is None
    head, reason = masked_head(str(tmp_path / "none"), bert)
    assert isinstance(head, MaskedHead) and reason is not None and reason.startswith("there is no encoder folder")


def test_a_head_has_the_precision_of_the_encoder(tmp_path: Path) -> None:
    folder = make_encoder(tmp_path / "bert", head=True)
    encoder = encoder_of(folder).double()
    for head in (masked_head(folder, encoder)[0], MaskedHead(encoder)):
        assert head(vectors_of(encoder)).dtype == torch.float64
