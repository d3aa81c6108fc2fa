"""An encoder without padding gives the same vectors and gradients as one with it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.modules.token_embedders import TokenEmbedder
from tiny_encoders import make_encoder
from transformers import __version__

from ner_plugins.errors import ConfigError
from ner_plugins.token_embedders.transformer_embedder import TransformerEmbedder
from ner_plugins.token_embedders.unpadded import FAMILIES, Sequences, unpadded_attention

pytestmark = pytest.mark.skipif(__version__.startswith("4."), reason="needs Transformers 5")

SUPPORTED = ("bert", "roberta", "electra", "ernie", "albert")
LENGTHS = [7, 1, 4, 0, 12]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("encoders")
    return {family: make_encoder(folder / family, family, positions=24) for family in (*SUPPORTED, "deberta-v2")}


def embedder(name: str, **options: Any) -> TransformerEmbedder:
    made = TokenEmbedder.from_params(Params({"type": "ner_transformer", "model_name": name, **options}))
    assert isinstance(made, TransformerEmbedder)
    return made


def batch(lengths: list[int] = LENGTHS) -> dict[str, Any]:
    """Sentences whose tokens have 1, 2, 1, 2 … pieces."""
    torch.manual_seed(3)
    width = max(lengths)
    mask = torch.arange(width) < torch.tensor(lengths).unsqueeze(1)
    counts = (1 + torch.arange(width) % 2) * mask
    totals = counts.sum(1)
    ids = torch.randint(5, 60, (len(lengths), int(totals.max())))
    ids = ids.masked_fill(torch.arange(ids.size(1)) >= totals.unsqueeze(1), 0)
    return {"piece_ids": ids, "piece_counts": counts, "mask": mask, "piece_totals": tuple(totals.tolist())}


def both(name: str, **options: Any) -> tuple[TransformerEmbedder, TransformerEmbedder]:
    torch.manual_seed(0)
    padded = embedder(name, **options)
    torch.manual_seed(0)
    return padded, embedder(name, padding="unpadded", **options)


@pytest.mark.parametrize("options", [{}, {"last_layer_only": False}, {"pooling": "first"}], ids=str)
@pytest.mark.parametrize("family", SUPPORTED)
def test_vectors_and_gradients_are_those_with_padding(
    family: str, options: dict[str, Any], encoders: dict[str, str]
) -> None:
    vectors, gradients = [], []
    for made in both(encoders[family], attention_dropout=0.0, **options):
        made.eval()
        found = made(**batch())
        (found * torch.linspace(-1, 1, found.numel()).view_as(found)).sum().backward()
        vectors.append(found.detach())
        gradients.append({name: p.grad for name, p in made.named_parameters() if p.grad is not None})
    assert vectors[1].abs().max() > 0.1
    torch.testing.assert_close(vectors[1], vectors[0], rtol=0, atol=1e-4)
    assert gradients[0].keys() == gradients[1].keys() != set()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient, rtol=1e-3, atol=1e-3, msg=name)


@pytest.mark.parametrize("known", [True, False])
def test_texts_longer_than_the_encoder(encoders: dict[str, str], known: bool) -> None:
    inputs = batch([30, 3, 17])
    if not known:
        del inputs["piece_totals"]
    padded, unpadded = both(encoders["roberta"], attention_dropout=0.0)
    padded.eval(), unpadded.eval()
    torch.testing.assert_close(unpadded(**inputs), padded(**inputs), rtol=0, atol=1e-4)


def test_a_sentence_alone_has_the_vectors_that_it_has_in_a_batch(encoders: dict[str, str]) -> None:
    _, unpadded = both(encoders["bert"], attention_dropout=0.0)
    unpadded.eval()
    inputs = batch()
    together = unpadded(**inputs)
    alone = {name: value[:1] for name, value in inputs.items()}
    torch.testing.assert_close(unpadded(**alone)[0, : LENGTHS[0]], together[0, : LENGTHS[0]], rtol=0, atol=1e-5)


def test_it_computes_no_padding(encoders: dict[str, str]) -> None:
    seen: list[torch.Size] = []
    _, unpadded = both(encoders["bert"], attention_dropout=0.0)
    unpadded.encoder.encoder.layer[0].register_forward_hook(lambda _, inputs, output: seen.append(inputs[0].shape))
    inputs = batch()
    unpadded(**inputs)
    assert [shape[:2] for shape in seen] == [(1, sum(inputs["piece_totals"]) + 2 * len(LENGTHS))]


def test_training_with_dropout_elsewhere(encoders: dict[str, str]) -> None:
    _, unpadded = both(encoders["bert"], attention_dropout=0.0)
    unpadded.train()
    inputs = batch()
    assert not torch.equal(unpadded(**inputs), unpadded(**inputs))


def test_gradient_checkpointing(encoders: dict[str, str]) -> None:
    _, unpadded = both(encoders["bert"], attention_dropout=0.0, gradient_checkpointing=True)
    unpadded.train()
    unpadded(**batch()).sum().backward()
    assert all(p.grad is not None for p in unpadded.encoder.encoder.parameters())


def test_attention_dropout_is_refused_in_training(encoders: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"configured with 0.1: set ner_transformer.attention_dropout to 0, or"):
        embedder(encoders["bert"], padding="unpadded")
    embedder(encoders["bert"], padding="unpadded", train_parameters=False)
    heads = torch.randn(1, 2, 5, 4)
    with pytest.raises(ConfigError, match=r"no dropout of attention weights, got 0\.2"):
        unpadded_attention(torch.nn.Identity(), heads, heads, heads, None, dropout=0.2, sentence_lengths=(5,))


def test_another_class_of_encoder_is_refused(encoders: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r'padding must be "padded": .* this one is \'deberta-v2\''):
        embedder(encoders["deberta-v2"], padding="unpadded", attention_dropout=0.0)


@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_attention_dropout_out_of_range(encoders: dict[str, str], value: float) -> None:
    with pytest.raises(ConfigError, match=r"attention_dropout must be in \[0, 1\)"):
        embedder(encoders["bert"], attention_dropout=value)


def test_attention_dropout_is_set(encoders: dict[str, str]) -> None:
    made = embedder(encoders["bert"], attention_dropout=0.3)
    assert {m.p for n, m in made.encoder.named_modules() if n.endswith("self.dropout")} == {0.3}


def test_the_layout_of_a_batch() -> None:
    sequences = Sequences.of([2, 1, 3], 4, torch.device("cpu"))
    assert sequences.places.tolist() == [0, 1, 4, 8, 9, 10]
    assert sequences.positions.tolist() == [0, 1, 0, 0, 1, 2]
    assert sequences.boundaries.tolist() == [0, 2, 3, 6] and sequences.boundaries.dtype == torch.int32
    assert sequences.options()["max_length_q"] == 3


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_the_families_take_attention_from_the_interface(family: str) -> None:
    """What `FAMILIES` promises, of the installed Transformers."""
    from transformers import MODEL_MAPPING, AutoConfig

    encoder_class = MODEL_MAPPING[type(AutoConfig.for_model(family))]
    assert encoder_class._supports_attention_backend and encoder_class._supports_sdpa


@pytest.mark.gpu
def test_on_a_gpu(encoders: dict[str, str], tmp_path: Path) -> None:
    padded, unpadded = (made.eval().cuda() for made in both(encoders["bert"], attention_dropout=0.0))
    inputs = {name: v.cuda() if isinstance(v, torch.Tensor) else v for name, v in batch().items()}
    torch.testing.assert_close(unpadded(**inputs), padded(**inputs), rtol=0, atol=1e-4)
    with torch.autocast("cuda", torch.bfloat16):
        torch.testing.assert_close(unpadded(**inputs), padded(**inputs), rtol=0.05, atol=0.1)
