"""The embedder against direct calls of the encoder, one sentence at a time."""

import copy
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from allennlp.common import Params
from allennlp.data import Vocabulary
from allennlp.data.tokenizers import Token
from allennlp.modules import TextFieldEmbedder
from allennlp.modules.token_embedders import TokenEmbedder
from tiny_encoders import FAMILIES, HAN, HANGUL, make_encoder

from ner_plugins.errors import ConfigError
from ner_plugins.pretrained.tokenizer import load_tokenizer, replacement_id
from ner_plugins.segmentation.windows import lay_out, plan_windows
from ner_plugins.token_embedders import TransformerEmbedder
from ner_plugins.token_embedders.pooling import pool
from ner_plugins.token_indexers import TransformerIndexer

POSITIONS = 24


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("encoders")
    return {family: make_encoder(root / family, family, positions=POSITIONS) for family in FAMILIES}


def _texts(seed: int, lengths: list[int]) -> list[list[str]]:
    draw = random.Random(seed)
    choices = [*HAN, *HANGUL, "thesing", "北京大", " ", "🙂", "\x01"]
    return [[draw.choice(choices) for _ in range(length)] for length in lengths]


def _batch(folder: str, sentences: list[list[str]], extra: int = 0) -> dict[str, torch.Tensor]:
    indexer = TransformerIndexer(folder)
    indexed = [indexer.tokens_to_indices([Token(t) for t in sentence], Vocabulary()) for sentence in sentences]
    padding = [indexer.get_padding_lengths(one) for one in indexed]
    longest = {key: max(one[key] for one in padding) + extra for key in padding[0]}
    tensors = [indexer.as_padded_tensor_dict(one, longest) for one in indexed]
    return {key: torch.stack([one[key] for one in tensors]) for key in tensors[0]}


def _directly(embedder: TransformerEmbedder, folder: str, sentence: list[str], pooling: str) -> torch.Tensor:
    """Shape: (tokens, dim). The window of each piece is found by trying all."""
    batch = _batch(folder, [sentence])
    pieces = batch["piece_ids"][0].tolist()
    before, after = embedder.prefix_ids.tolist(), embedder.suffix_ids.tolist()
    plan = plan_windows([len(pieces)], embedder.window_size, embedder.window_overlap)
    contexts = np.full(len(pieces), -1)
    vectors = torch.zeros(len(pieces), embedder.get_output_dim())
    for start, length in zip(plan.start, plan.length, strict=True):
        ids = torch.tensor([before + pieces[start : start + length] + after])
        with torch.no_grad():
            hidden = embedder.encoder(input_ids=ids).last_hidden_state[0, len(before) : len(before) + length]
        for place in range(length):
            context = min(place, length - 1 - place)
            if context > contexts[start + place]:
                contexts[start + place] = context
                vectors[start + place] = hidden[place]
    result, position = [], 0
    for count in batch["piece_counts"][0].tolist():
        own = vectors[position : position + count]
        result.append(own[0] if pooling == "first" else own.mean(dim=0))
        position += count
    return torch.stack(result) if result else torch.zeros(0, embedder.get_output_dim())


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("pooling", ["first", "mean"])
def test_vectors_equal_the_encoders_own(folders: dict[str, str], family: str, pooling: str) -> None:
    """Each sentence alone, in a batch, in a batch padded further; sentences that fit and that do not, and none."""
    folder = folders[family]
    embedder = TransformerEmbedder(folder, pooling=pooling).eval()
    sentences = _texts(1, [3, 90, 1, 0, 12, 24, 7])
    expected = [_directly(embedder, folder, sentence, pooling) for sentence in sentences]
    with torch.no_grad():
        for chosen, extra in ((range(7), 0), (range(7), 5), ((0, 2, 3), 0), ((0, 2), 40), ((3, 3), 0), ((1,), 0)):
            vectors = embedder(**_batch(folder, [sentences[index] for index in chosen], extra))
            for row, index in enumerate(chosen):
                length = len(sentences[index])
                torch.testing.assert_close(vectors[row, :length], expected[index], atol=1e-5, rtol=0)
                assert not vectors[row, length:].any()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_window_that_fits_changes_nothing(folders: dict[str, str], family: str) -> None:
    sentences = _texts(2, [2, 3, 1])
    narrow = TransformerEmbedder(folders[family], window_overlap=0).eval()
    batch = _batch(folders[family], sentences)
    assert batch["piece_ids"].size(1) <= narrow.window_size
    wide = narrow(**batch)
    narrow.window_size = int(batch["piece_counts"].sum(dim=1).max())
    padded = _batch(folders[family], sentences, extra=narrow.window_size)
    torch.testing.assert_close(narrow(**padded)[:, : wide.size(1)], wide, atol=1e-5, rtol=0)


def test_passes_do_not_change_vectors(folders: dict[str, str]) -> None:
    batch = _batch(folders["bert"], _texts(3, [90, 5, 70, 0, 22]))
    outputs = [TransformerEmbedder(folders["bert"], max_windows_per_pass=most).eval()(**batch) for most in (1, 3, 64)]
    for output in outputs[1:]:
        torch.testing.assert_close(output, outputs[0], atol=1e-5, rtol=0)


def test_short_texts_are_not_padded_to_a_long_one() -> None:
    lengths = [100, 3, 4, 10]
    plan = plan_windows(lengths, 20, 5)
    layout = lay_out(plan, lengths, torch.Size((4, 100)), most=4)
    assert [one.shape for one in layout.passes] == [(4, 20), (3, 20), (1, 10), (2, 4)]
    assert [one.tolist() for one in layout.lengths] == [[20] * 4, [20] * 3, [10], [4, 3]]


def test_one_copy_to_the_host_and_only_for_long_texts(folders: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = TransformerEmbedder(folders["bert"]).eval()
    # The encoder has its own ways; what is ours stands around it.
    monkeypatch.setattr(embedder, "_hidden", lambda ids, attention_mask: torch.ones(*ids.shape, 32))
    short, long = _batch(folders["bert"], _texts(4, [5, 3])), _batch(folders["bert"], _texts(4, [5, 90, 3]))
    totals = tuple((long["piece_counts"] * long["mask"]).sum(1).tolist())
    copies = []
    for name in ("tolist", "item", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__index__", "__float__"):
        original = getattr(torch.Tensor, name)
        counted = lambda self, *rest, _name=name, _original=original: copies.append(_name) or _original(self, *rest)  # noqa: E731
        monkeypatch.setattr(torch.Tensor, name, counted)
    embedder(**short)
    assert copies == []
    embedder(**long)
    assert copies == ["tolist"]
    embedder(**long, piece_totals=totals)
    assert copies == ["tolist"]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_learns(folders: dict[str, str], family: str) -> None:
    embedder = TransformerEmbedder(folders[family]).train()
    batch = _batch(folders[family], _texts(5, [4, 40, 0]))
    before = copy.deepcopy(embedder.state_dict())
    optimizer = torch.optim.SGD(embedder.parameters(), lr=0.01)
    embedder(**batch).square().mean().backward()
    # Distributed training fails on parameters without a gradient.
    assert not [name for name, one in embedder.named_parameters() if one.requires_grad and one.grad is None]
    optimizer.step()
    assert any(not torch.equal(before[name], value) for name, value in embedder.state_dict().items())
    assert embedder.get_output_dim() == 32 and all(value.isfinite().all() for value in embedder.state_dict().values())


def test_a_batch_without_pieces_still_has_gradients(folders: dict[str, str]) -> None:
    embedder = TransformerEmbedder(folders["bert"]).train()
    for extra in (0, 60):
        embedder.zero_grad()
        output = embedder(**_batch(folders["bert"], [[], []], extra))
        assert output.shape == (2, extra, 32) and not output.any()
        output.sum().backward()
        assert not [name for name, one in embedder.named_parameters() if one.grad is None]


def test_a_token_without_pieces_gets_zeros(folders: dict[str, str]) -> None:
    batch = {
        "piece_ids": torch.tensor([[7, 8, 9]]),
        "piece_counts": torch.tensor([[0, 2, 0, 1, 0]]),
        "mask": torch.ones(1, 5, dtype=torch.bool),
    }
    for pooling in ("first", "mean"):
        embedder = TransformerEmbedder(folders["bert"], pooling=pooling).eval()
        vectors = embedder(**batch)
        assert vectors.any(dim=-1).tolist() == [[False, True, False, True, False]]
        assert not vectors.isnan().any()


def test_pooling_by_hand() -> None:
    pieces = torch.arange(12.0).view(1, 6, 2)
    counts = torch.tensor([[2, 0, 1, 3, 0]])
    assert pool(pieces, counts, "first").tolist() == [[[0, 1], [0, 0], [4, 5], [6, 7], [0, 0]]]
    assert pool(pieces, counts, "mean").tolist() == [[[1, 2], [0, 0], [4, 5], [8, 9], [0, 0]]]
    assert pool(pieces, counts[:, :0], "mean").shape == (1, 0, 2)


def test_layers_are_mixed(folders: dict[str, str]) -> None:
    folder = folders["bert"]
    embedder = TransformerEmbedder(folder, last_layer_only=False).eval()
    batch = _batch(folder, [list("我在北京")])
    ids = torch.cat([embedder.prefix_ids, batch["piece_ids"][0], embedder.suffix_ids]).unsqueeze(0)
    layers = embedder.encoder(input_ids=ids, output_hidden_states=True).hidden_states[1:]
    assert embedder.scalar_mix is not None and len(layers) == 2
    torch.testing.assert_close(embedder(**batch), (layers[0] + layers[1])[:, 1:-1] / 2, atol=1e-5, rtol=0)
    with torch.no_grad():
        embedder.scalar_mix.scalar_parameters[0].fill_(30.0)
    torch.testing.assert_close(embedder(**batch), layers[0][:, 1:-1], atol=1e-5, rtol=0)
    embedder(**batch).sum().backward()
    assert embedder.scalar_mix.gamma.grad is not None


@pytest.mark.parametrize("mixed", [False, True])
def test_a_frozen_encoder_stays_as_it_is(folders: dict[str, str], mixed: bool) -> None:
    embedder = TransformerEmbedder(folders["bert"], train_parameters=False, last_layer_only=not mixed)
    batch = _batch(folders["bert"], _texts(6, [5, 50]))
    reference = embedder.eval()(**batch)
    head = torch.nn.Linear(32, 1)
    model = torch.nn.ModuleDict({"embedder": embedder, "head": head}).train()
    assert not embedder.encoder.training and embedder.training
    assert torch.equal(embedder(**batch), reference)  # no dropout
    before = copy.deepcopy(embedder.encoder.state_dict())
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    head(embedder(**batch)).sum().backward()
    optimizer.step()
    assert all(torch.equal(before[name], value) for name, value in embedder.encoder.state_dict().items())
    trained = [name for name, one in model.named_parameters() if one.requires_grad]
    assert any("scalar_mix" in name for name in trained) == mixed and not any("encoder" in name for name in trained)


@pytest.mark.parametrize("family", ["bert", "roberta", "electra"])
def test_checkpointing_gives_the_same_gradients(folders: dict[str, str], family: str) -> None:
    gradients = []
    for checkpointing in (False, True):
        embedder = TransformerEmbedder(folders[family], gradient_checkpointing=checkpointing).train()
        assert embedder.encoder.is_gradient_checkpointing == checkpointing
        for module in embedder.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0
        for layer in embedder.encoder.modules():  # sdpa's own
            if hasattr(layer, "dropout_prob"):
                layer.dropout_prob = 0.0
        embedder(**_batch(folders[family], _texts(7, [6, 30]))).square().sum().backward()
        gradients.append({name: one.grad for name, one in embedder.named_parameters() if one.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-5, rtol=1e-4)


def test_half_precision(folders: dict[str, str]) -> None:
    embedder = TransformerEmbedder(folders["bert"]).train()
    batch = _batch(folders["bert"], _texts(8, [5, 60]))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = embedder(**batch)
    output.float().sum().backward()
    assert output.isfinite().all()


def test_limits(folders: dict[str, str], tmp_path: Path) -> None:
    for family in FAMILIES:
        embedder = TransformerEmbedder(folders[family])
        assert embedder.window_size == POSITIONS - 2 and embedder.window_overlap == (POSITIONS - 2) // 4
    embedder = TransformerEmbedder(folders["bert"], max_length=12, window_overlap=3)
    assert (embedder.window_size, embedder.window_overlap) == (10, 3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"max_length": POSITIONS + 1}, r"ner_transformer.max_length must be <= 24, .* got 25"),
        ({"max_length": 2}, "max_length must be > 2, the special pieces, got 2"),
        ({"window_overlap": 22}, r"window_overlap must be from 0 to 21, .* 22 pieces, got 22"),
        ({"window_overlap": -1}, r"window_overlap must be from 0 to 21, .* got -1"),
        ({"max_windows_per_pass": 0}, "max_windows_per_pass must be >= 1, got 0"),
    ],
)
def test_settings_that_cannot_be(folders: dict[str, str], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TransformerEmbedder(folders["bert"], **settings)


def test_an_unknown_pooling(folders: dict[str, str]) -> None:
    params = Params({"type": "ner_transformer", "model_name": folders["bert"], "pooling": "last"})
    with pytest.raises(ConfigError, match=r"pooling is .last.; it can be first or mean"):
        TokenEmbedder.from_params(params)


def test_a_tokenizer_that_is_anothers(folders: dict[str, str], tmp_path: Path) -> None:
    folder = Path(make_encoder(tmp_path / "mixed", "bert"))
    (folder / "tokenizer.json").write_bytes((Path(folders["roberta"]) / "tokenizer.json").read_bytes())
    (folder / "tokenizer_config.json").write_bytes((Path(folders["roberta"]) / "tokenizer_config.json").read_bytes())
    with pytest.raises(ConfigError, match="has ids up to 264, but its encoder has only 178"):
        TransformerEmbedder(str(folder))


def test_checkpointing_where_the_encoder_has_none(folders: dict[str, str]) -> None:
    if TransformerEmbedder(folders["albert"]).encoder.supports_gradient_checkpointing:
        pytest.skip("this version of transformers has it for all families")
    with pytest.raises(ConfigError, match="gradient_checkpointing must be false: AlbertModel"):
        TransformerEmbedder(folders["albert"], gradient_checkpointing=True)


def test_weights_of_older_transformers_fit(folders: dict[str, str]) -> None:
    """They carry tables that are computed; both in the strict and in the forgiving way of loading nothing is amiss."""
    embedder = torch.nn.ModuleDict({"bert": TransformerEmbedder(folders["bert"])})
    state = dict(embedder.state_dict())
    state["bert.encoder.embeddings.position_ids"] = torch.arange(POSITIONS).unsqueeze(0)
    embedder.load_state_dict(state, strict=True)
    state["bert.encoder.embeddings.other_ids"] = torch.arange(POSITIONS)
    assert embedder.load_state_dict(state, strict=False).unexpected_keys == ["bert.encoder.embeddings.other_ids"]


def test_from_a_configuration(folders: dict[str, str], tmp_path: Path) -> None:
    params = Params({"token_embedders": {"encoder": {"type": "ner_transformer", "model_name": folders["bert"]}}})
    embedder = TextFieldEmbedder.from_params(params, vocab=Vocabulary(), serialization_dir=str(tmp_path))
    assert embedder({"encoder": _batch(folders["bert"], [list("我在北京")])}).shape == (1, 4, 32)
    assert (tmp_path / "ner_assets" / "manifest.json").is_file()


@pytest.mark.data
@pytest.mark.parametrize("name", ["bge-small-zh-v1.5-int8deq", "simbert-tiny-electra"])
def test_real_encoders_read_long_texts(shared_encoders: Path, name: str) -> None:
    folder = str(shared_encoders / name)
    embedder = TransformerEmbedder(folder, train_parameters=False).eval()
    assert embedder.window_size == 510 and embedder.encoder.dtype == torch.float32
    text = (list("北京大学的王小明在上海读书，他喜欢ABC") * 200)[:2427]
    vectors = embedder(**_batch(folder, [text, list("我在北京")]))
    assert vectors.shape[:2] == (2, 2427) and vectors[0].any(dim=-1).all() and vectors.isfinite().all()
    torch.testing.assert_close(vectors[1:, :4], embedder(**_batch(folder, [list("我在北京")])), atol=1e-5, rtol=0)
    # The first window's own pieces do not know of the rest.
    first = embedder(**_batch(folder, [text[:510]]))
    torch.testing.assert_close(vectors[0, :400], first[0, :400], atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_pieces_of_replaced_tokens_are_the_mask(family, folders) -> None:
    embedder = TransformerEmbedder(folders[family]).eval()
    batch = _batch(folders[family], _texts(3, [30, 0, 7]), extra=2)  # longer than a window
    dropped = torch.rand(batch["mask"].shape, generator=torch.Generator().manual_seed(1)) < 0.5
    found = embedder.token_replacer()(batch, dropped)
    mask_piece = load_tokenizer(folders[family]).mask_token_id
    expected = batch["piece_ids"].clone()
    for row, counts in enumerate(batch["piece_counts"].tolist()):
        start = 0
        for token, count in enumerate(counts):
            if dropped[row, token]:
                expected[row, start : start + count] = mask_piece
            start += count
    assert torch.equal(found["piece_ids"], expected) and not torch.equal(expected, batch["piece_ids"])
    assert all(found[name] is batch[name] for name in batch if name != "piece_ids")
    with torch.no_grad():
        vectors, originals = embedder(**found), embedder(**batch)
    assert vectors.shape == originals.shape and not torch.equal(vectors[0], originals[0])


def test_a_tokenizer_without_a_mask_piece_gives_the_unknown_one() -> None:
    class Tokenizer:
        mask_token, unk_token = None, "<unk>"
        convert_tokens_to_ids = staticmethod({"<unk>": 3, "<mask>": 9}.get)

    assert replacement_id(Tokenizer(), 9) == 3
    Tokenizer.mask_token = "<mask>"  # type: ignore[assignment]
    assert replacement_id(Tokenizer(), 10) == 9
    assert replacement_id(Tokenizer(), 9) == 3  # the encoder has no embedding of the mask
    Tokenizer.mask_token = Tokenizer.unk_token = None  # type: ignore[assignment]
    assert replacement_id(Tokenizer(), 9) is None
