import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Lazy, Params
from allennlp.data import Vocabulary
from forked import run_ranks
from generated_lattices import VOCABULARY, WORD_DIM, Batch, PlainWords, batch_of, batches
from hypothesis import given, settings
from hypothesis import strategies as st
from literal_flat import LiteralFlat
from torch import Tensor

from ner_plugins.errors import ConfigError
from ner_plugins.modules.lattice import FlatEncoder, LatticeEncoder

INPUT_DIM = 4
SMALL = {"heads": 2, "head_dim": 4, "feedforward_dim": 5}


def encoder_of(**options: Any) -> FlatEncoder:
    torch.manual_seed(1)
    settings: dict[str, Any] = {"words": Lazy(PlainWords), "vocab": Vocabulary(), "input_dim": INPUT_DIM, **SMALL}
    encoder = FlatEncoder(**{**settings, **options})
    for parameter in encoder.parameters():  # biases of 0 and norms of 1 show little
        torch.nn.init.normal_(parameter, std=0.6)
    return encoder.double().eval()


def literal_of(encoder: FlatEncoder, **options: Any) -> LiteralFlat:
    options = {"distances": encoder.positions.distances, "max_length": 20, **SMALL, **options}
    options.pop("block_size", None)
    literal = LiteralFlat(INPUT_DIM, copy.deepcopy(encoder.words), **options).double().eval()
    literal.load_state_dict(encoder.state_dict())
    return literal


def characters_of(batch: Batch) -> Tensor:
    return torch.randn(*batch[0].shape, INPUT_DIM, dtype=torch.float64, requires_grad=True)


OPTIONS = st.fixed_dictionaries(
    {
        "layers": st.integers(1, 3),
        "distances": st.sampled_from(["two", "four"]),
        "fusion": st.sampled_from(["relu", "linear"]),
        "block_size": st.sampled_from([None, 1, 3]),
        **dict.fromkeys(
            ["legacy_no_residual", "key_projection", "output_projection", "scale", "shared_norm"], st.booleans()
        ),
    }
)


@settings(deadline=None, max_examples=150)
@given(batches(), OPTIONS)
def test_it_computes_the_published_formulas(batch: Batch, options: dict[str, Any]) -> None:
    mask, lattice = batch
    encoder = encoder_of(**options)
    literal = literal_of(encoder, **options)
    characters = characters_of(batch)
    found, expected = encoder(characters, mask, lattice), literal(characters, mask, lattice)
    torch.testing.assert_close(found[mask], expected[mask])
    weight = torch.randn_like(expected[mask])
    (found[mask] * weight).sum().backward()
    of_characters, characters.grad = characters.grad, None
    (expected[mask] * weight).sum().backward()
    torch.testing.assert_close(of_characters, characters.grad)
    right = dict(literal.named_parameters())
    for name, parameter in encoder.named_parameters():
        # Where nothing came of a parameter (no word, no score that depends on it) there may be no gradient.
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in (parameter, right[name])]
        torch.testing.assert_close(*gradients, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("distances", ["two", "four"])
def test_a_training_step_without_chance_is_the_published_one(layers: int, distances: str) -> None:
    """With every dropout off, in training."""
    batch = batch_of([6, 3], [[(0, 1), (0, 3), (2, 3), (4, 5)], [(1, 2)]])
    none = {"embedding_dropout": 0.0, "feedforward_dropout": 0.0}
    encoder = encoder_of(layers=layers, distances=distances, **none).train()
    literal = literal_of(encoder, layers=layers, **none).train()
    characters = characters_of(batch)
    real = batch[0]
    torch.testing.assert_close(encoder(characters, *batch)[real], literal(characters, *batch)[real])


@pytest.mark.parametrize("layers", [1, 2])
def test_gradcheck(layers: int) -> None:
    mask, lattice = batch_of([3, 2], [[(0, 1), (1, 2)], [(0, 1)]])
    encoder = encoder_of(layers=layers, block_size=2)
    names, parameters = zip(*encoder.named_parameters(), strict=True)

    def run(characters: Tensor, *values: Tensor) -> Tensor:
        return torch.func.functional_call(encoder, dict(zip(names, values, strict=True)), (characters, mask, lattice))

    assert torch.autograd.gradcheck(run, (characters_of((mask, lattice)), *parameters), fast_mode=True)


@settings(deadline=None)
@given(batches(), st.integers(1, 2), st.randoms(use_true_random=False))
def test_order_of_words_padding_and_other_sentences_change_nothing(batch: Batch, layers: int, random: Any) -> None:
    mask, lattice = batch
    encoder = encoder_of(layers=layers)
    characters = characters_of(batch)
    together = encoder(characters, mask, lattice)
    for sentence in range(len(mask)):
        tokens = int(mask[sentence].sum())
        words = lattice["mask"][sentence].nonzero().flatten().tolist()
        random.shuffle(words)
        alone = {name: tensor[sentence : sentence + 1, words] for name, tensor in lattice.items()}
        found = encoder(characters[sentence : sentence + 1, :tokens], mask[sentence : sentence + 1, :tokens], alone)
        torch.testing.assert_close(found[0], together[sentence, :tokens])


def test_a_lexicon_without_matches_is_no_lexicon() -> None:
    spans = [[(0, 1), (1, 3)], [(0, 1)]]
    encoder, (mask, lattice) = encoder_of(), batch_of([5, 3], spans)
    characters = characters_of((mask, lattice))
    nothing = {name: tensor.masked_fill(tensor.bool(), 0) for name, tensor in lattice.items()}
    empty = {name: tensor[:, :0] for name, tensor in lattice.items()}
    found = encoder(characters, mask, nothing)
    torch.testing.assert_close(found, encoder(characters, mask, empty))
    assert not torch.allclose(found, encoder(characters, mask, lattice))
    torch.testing.assert_close(found[mask], literal_of(encoder)(characters, mask, empty)[mask])


@pytest.mark.parametrize("layers", [1, 2])
def test_one_character_and_sentences_of_padding(layers: int) -> None:
    encoder = encoder_of(layers=layers).train()
    mask, lattice = batch_of([1], [[]])
    found = encoder(characters_of((mask, lattice)), mask, lattice)
    found.sum().backward()
    # Without a word too: distributed training waits for every gradient.
    assert found.isfinite().all() and all(parameter.grad is not None for parameter in encoder.parameters())
    mask, lattice = batch_of([3, 0], [[(0, 2)], []])
    characters = characters_of((mask, lattice)).detach()
    characters[1] = float("nan")  # what an encoder may make of a text without a piece
    found = encoder(characters, mask, lattice)
    found.sum().backward()
    assert found.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


@pytest.mark.parametrize("layers", [1, 2])
def test_autocast(layers: int) -> None:
    encoder = encoder_of(layers=layers).float()
    mask, lattice = batch_of([30, 17], [[(i, i + 1) for i in range(20)], [(i, i + 3) for i in range(9)]])
    characters = torch.randn(2, 30, INPUT_DIM)
    expected = encoder(characters, mask, lattice)
    expected[mask].square().sum().backward()
    gradients = {name: parameter.grad.clone() for name, parameter in encoder.named_parameters()}
    largest = max(gradient.abs().max().item() for gradient in gradients.values())
    encoder.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = encoder(characters, mask, lattice)
    torch.testing.assert_close(found[mask].float(), expected[mask], rtol=0.1, atol=0.15)
    found[mask].float().square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.dtype == torch.float32
        # What is 0 but for rounding (a bias of all scores alike) is small beside the others.
        torch.testing.assert_close(parameter.grad, gradients[name], rtol=0.1, atol=0.1 * largest)


# In a process of its own: the end of a process group may wait for its threads for ever.
DISTRIBUTED = """
import os, runpy, sys
import ner_plugins
import torch
from torch import distributed

_, folder, tests = sys.argv[1:]
given = runpy.run_path(tests)
encoder = given["encoder_of"](layers=2, attention_dropout=0.2).train()
distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=0, world_size=1)
wrapped = torch.nn.parallel.DistributedDataParallel(encoder)
for spans in ([[(0, 1), (1, 3)], []], [[], []], [[(2, 2)], [(0, 2)]]):
    batch = given["batch_of"]([5, 3], spans)
    wrapped(given["characters_of"](batch), *batch).square().sum().backward()
assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())
print("done", flush=True)
os._exit(0)
"""


def test_distributed_training(tmp_path: Path) -> None:
    """A parameter without a gradient would stop the second step."""
    [done] = run_ranks(DISTRIBUTED, tmp_path, str(tmp_path), __file__, ranks=1)
    assert done.stdout == "done\n", done.stdout + done.stderr


def test_evaluation_without_gradients() -> None:
    encoder, batch = encoder_of(layers=2), batch_of([5, 3], [[(0, 1), (1, 3)], [(0, 1)]])
    characters = characters_of(batch)
    with torch.no_grad():
        found = encoder(characters, *batch)
    assert not found.requires_grad
    torch.testing.assert_close(found, encoder(characters, *batch))


def test_defaults_are_the_published_ones() -> None:
    encoder = LatticeEncoder.from_params(Params({}), vocab=Vocabulary(), input_dim=150, words=Lazy(PlainWords))
    assert encoder.get_output_dim() == 128
    assert encoder.positions.distances == "two" and encoder.positions.projection.weight.shape == (128, 256)
    [layer] = encoder.layers
    assert layer.feedforward[0].weight.shape == (384, 128)
    assert (encoder.dropout.p, layer.feedforward[2].p, layer.feedforward[4].p, layer.attention.dropout) == (
        0.5, 0.15, 0.15, 0.0,
    )  # fmt: skip
    assert not list(layer.attention.key.parameters()) and not list(layer.attention.output.parameters())
    assert layer.attention.factor == 1.0 and layer.second_norm is None and not layer.legacy_no_residual
    assert FlatEncoder(Vocabulary(), 4, Lazy(PlainWords), layers=2).positions.distances == "four"
    bound = (6 / (128 + 150)) ** 0.5
    assert 0.98 * bound < encoder.token_projection.weight.abs().max() <= bound
    assert layer.attention.content_bias.abs().max() <= (6 / (8 + 16)) ** 0.5
    assert encoder.words.weight.std() > 0.7  # not touched


def test_dropout_is_where_it_was_published() -> None:
    """On the characters' and the words' vectors before the linear maps, and after the feed-forward layers."""
    batch = batch_of([4], [[(0, 1)]])
    characters = torch.ones(1, 4, INPUT_DIM, dtype=torch.float64)
    seen: dict[str, list[Tensor]] = {"token": [], "word": []}
    encoder = encoder_of(embedding_dropout=0.5, feedforward_dropout=0.0).train()
    encoder.words.weight.data.fill_(1.0)
    for name, module in (("token", encoder.token_projection), ("word", encoder.word_projection)):
        module.register_forward_pre_hook(lambda _, inputs, name=name: seen[name].append(inputs[0]))
    for _ in range(200):
        encoder(characters, *batch)
    for name in seen:
        values, counts = torch.stack(seen[name]).unique(return_counts=True)
        assert values.tolist() == [0.0, 2.0]
        assert 0.4 < counts[0] / counts.sum() < 0.6


@pytest.mark.parametrize(
    "options, message",
    [
        ({"layers": 0}, "lattice_encoder.layers must be >= 1, got 0"),
        ({"heads": -1}, "lattice_encoder.heads must be >= 1, got -1"),
        ({"head_dim": 0}, "lattice_encoder.head_dim must be >= 1, got 0"),
        ({"feedforward_dim": 0}, "lattice_encoder.feedforward_dim must be >= 1, got 0"),
        ({"block_size": 0}, "lattice_encoder.block_size must be >= 1, got 0"),
        ({"heads": 3, "head_dim": 5}, "must be even and >= 4, got 15"),
        ({"embedding_dropout": 1.0}, r"lattice_encoder.embedding_dropout must be in \[0, 1\), got 1.0"),
    ],
)
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        encoder_of(**options)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"distances": "3"}, "distances is .3.; it can be two or four"),
        ({"fusion": "gate"}, "fusion is .gate.; it can be relu or linear"),
    ],
)
def test_unknown_choices(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LatticeEncoder.from_params(Params({"type": "flat", "input_dim": 5, **options}), vocab=Vocabulary())


def test_an_encoder_must_define_its_size() -> None:
    class Unfinished(LatticeEncoder):
        def forward(self, encoded: Tensor, mask: Tensor, lattice: dict[str, Tensor]) -> Tensor:
            return encoded

    with pytest.raises(TypeError, match=r"abstract.*get_output_dim"):
        Unfinished()


def test_words_of_other_sizes_fit() -> None:
    encoder = encoder_of()
    assert encoder.words.weight.shape == (VOCABULARY, WORD_DIM)
    assert encoder.word_projection.weight.shape == (8, WORD_DIM)
