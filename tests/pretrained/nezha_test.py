"""NEZHA against its equations, one pair of positions at a time, with weights under their published names."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_encoders import make_encoder
from torch import Tensor

from ner_plugins.archives.assets import loading
from ner_plugins.pretrained._nezha import relative_positions
from ner_plugins.pretrained.encoder import build_encoder, read_config, read_encoder
from ner_plugins.pretrained.tokenizer import load_config, load_tokenizer

FURTHEST, HEADS, SIZE = 6, 2, 32


@pytest.fixture(scope="module", params=["bert.", "nezha.", ""])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As published: a language model with a pooler, heads, and a table of positions in each layer."""
    path = Path(make_encoder(tmp_path_factory.mktemp("nezha"), "nezha", positions=40))
    weights = {f"{request.param}{name}": value for name, value in load_file(path / "model.safetensors").items()}
    for layer in range(2):
        name = f"encoder.layer.{layer}.attention.self.relative_positions_encoding.positions_encoding"
        weights[f"{request.param}{name}"] = torch.zeros(40, 40, SIZE // HEADS)
    weights["cls.predictions.bias"] = torch.zeros(7)
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    assert config["model_type"] == "nezha"
    config["architectures"] = ["NezhaForPreTraining"]
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def position(seen_from: int, place: int) -> list[float]:
    row = FURTHEST + max(-FURTHEST, min(FURTHEST, place - seen_from))
    size = SIZE // HEADS
    angles = [row / 10000 ** (2 * (k // 2) / size) for k in range(size)]
    return [math.cos(angle) if k % 2 else math.sin(angle) for k, angle in enumerate(angles)]


def linear(weights: dict[str, Tensor], name: str, value: Tensor) -> Tensor:
    return weights[f"{name}.weight"] @ value + weights[f"{name}.bias"]


def normed(weights: dict[str, Tensor], name: str, value: Tensor) -> Tensor:
    centred = value - value.mean()
    return centred / (centred.square().mean() + 1e-12).sqrt() * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def literal(weights: dict[str, Tensor], ids: list[int]) -> Tensor:
    """The last layer for a single text without padding. Shape: (pieces, dim)"""
    words, types = weights["embeddings.word_embeddings.weight"], weights["embeddings.token_type_embeddings.weight"]
    hidden = [normed(weights, "embeddings.LayerNorm", words[piece] + types[0]) for piece in ids]
    size = SIZE // HEADS
    for layer in range(2):
        name = f"encoder.layer.{layer}"
        query, key, value = (
            [linear(weights, f"{name}.attention.self.{part}", vector) for vector in hidden]
            for part in ("query", "key", "value")
        )
        following = []
        for i in range(len(ids)):
            heads = []
            for head in range(HEADS):
                own = slice(head * size, (head + 1) * size)
                seen = [torch.tensor(position(i, j), dtype=torch.float64) for j in range(len(ids))]
                scores = [query[i][own] @ (key[j][own] + seen[j]) / math.sqrt(size) for j in range(len(ids))]
                shares = torch.softmax(torch.stack(scores), 0)
                heads.append(sum(shares[j] * (value[j][own] + seen[j]) for j in range(len(ids))))
            attended = linear(weights, f"{name}.attention.output.dense", torch.cat(heads)) + hidden[i]
            attended = normed(weights, f"{name}.attention.output.LayerNorm", attended)
            wide = torch.nn.functional.gelu(linear(weights, f"{name}.intermediate.dense", attended))
            following.append(
                normed(weights, f"{name}.output.LayerNorm", linear(weights, f"{name}.output.dense", wide) + attended)
            )
        hidden = following
    return torch.stack(hidden)


def test_vectors_are_those_of_the_equations(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Texts longer than the furthest distance, alone and padded; with the published weights and no warning."""
    encoder = read_encoder(str(folder), read_config(str(folder))).eval()
    assert not caplog.records
    weights = {}
    for name, value in load_file(folder / "model.safetensors").items():
        weights[name.removeprefix("bert.").removeprefix("nezha.")] = value.double()
    torch.manual_seed(1)
    texts = [torch.randint(5, 60, (length,)).tolist() for length in (17, 3, 1)]
    ids = torch.tensor([text + [0] * (17 - len(text)) for text in texts])
    mask = torch.tensor([[1] * len(text) + [0] * (17 - len(text)) for text in texts])
    with torch.no_grad():
        found = encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True)
        alone = encoder(inputs_embeds=encoder.get_input_embeddings()(ids[:1]), token_type_ids=torch.zeros_like(ids[:1]))
    assert len(found.hidden_states) == 3 and found.hidden_states[-1] is found.last_hidden_state
    torch.testing.assert_close(alone.last_hidden_state[0], found.last_hidden_state[0], atol=1e-5, rtol=0)
    for row, text in enumerate(texts):
        expected = literal(weights, text).float()
        torch.testing.assert_close(found.last_hidden_state[row, : len(text)], expected, atol=1e-5, rtol=1e-5)


def test_the_table_has_a_row_per_distance() -> None:
    table = relative_positions(9, 4, 3, like=torch.zeros(1))
    assert table.shape == (9, 9, 4)
    assert torch.equal(table[0, 3], table[0, 8]) and not torch.equal(table[0, 3], table[0, 2])
    assert torch.equal(table[4, 2], table[6, 4]) and not torch.equal(table[2, 4], table[4, 2])


def test_it_comes_from_an_archive_as_any_encoder(folder: Path, tmp_path: Path) -> None:
    load_tokenizer(str(folder), tmp_path)
    with loading():
        config = load_config(str(folder), tmp_path)
    built: Any = build_encoder(config)
    assert type(built).__name__ == "NezhaModel" and built.pooler is None
    assert config.max_relative_position == FURTHEST


def test_gradient_checkpointing_changes_no_gradient(folder: Path) -> None:
    gradients = []
    for checkpointed in (False, True):
        encoder = read_encoder(str(folder), read_config(str(folder))).eval()
        if checkpointed:
            encoder.train()
            for module in encoder.modules():
                if isinstance(module, torch.nn.Dropout):
                    module.p = 0.0
            encoder.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        encoder(input_ids=torch.arange(5, 20).unsqueeze(0)).last_hidden_state.square().sum().backward()
        gradients.append(encoder.encoder.layer[0].attention.self.query.weight.grad)
    torch.testing.assert_close(gradients[1], gradients[0], atol=1e-5, rtol=1e-4)
