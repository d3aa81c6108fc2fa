"""NerCo as published: over FLAT, with a lexicon, and with a pretrained transformer's features."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from staged_runs import ROOT, experiment, train, train_and_kill
from tiny_encoders import make_encoder

from ner_plugins.compat import safe_load

NERCO = {"type": "nerco", "epochs": 3, "batch_size": 6, "head_only_epochs": 2, "pictures": False}
VECTORS = str(ROOT / "fixtures/lexicon/words.vec")


def over_flat(encoder: str | None, **callback: Any) -> dict[str, Any]:
    settings = experiment(
        {**NERCO, **callback},
        optimizer={"type": "sgd", "lr": 0.001, "momentum": 0.9},
        grad_clipping=5,
        learning_rate_scheduler={"type": "warmup_inverse_decay"},
    )
    settings["dataset_reader"]["lexicon"] = {"path": VECTORS}
    indexers: dict[str, Any] = {"characters": {"type": "single_id"}, "bigrams": {"type": "ner_bigrams"}}
    embedders: dict[str, Any] = {
        "characters": {"type": "ner_embedding", "embedding_dim": 6},
        "bigrams": {"type": "ner_embedding", "embedding_dim": 4, "vocab_namespace": "bigrams"},
    }
    if encoder is not None:
        indexers["bert"] = {"type": "ner_transformer", "model_name": encoder}
        embedders["bert"] = {"type": "ner_transformer", "model_name": encoder}
    settings["dataset_reader"]["token_indexers"] = indexers
    dim = int(Path(VECTORS).read_text(encoding="utf-8").split(maxsplit=2)[1])
    settings["model"] = {
        "type": "flat",
        "text_field_embedder": {"token_embedders": embedders},
        "lattice_encoder": {
            "heads": 2, "head_dim": 4, "feedforward_dim": 8, "words": {"dim": dim, "pretrained_file": VECTORS}
        },
    }  # fmt: skip
    return settings


@pytest.mark.parametrize("with_bert", [False, True], ids=["alone", "with a transformer"])
def test_stages_over_flat_and_after_a_kill(with_bert, tmp_path) -> None:
    settings = over_flat(make_encoder(tmp_path / "encoder") if with_bert else None)
    whole = train(settings, tmp_path / "whole")
    assert train_and_kill(settings, tmp_path / "killed", "losses.jsonl", 2)
    folder = tmp_path / "killed/nerco"
    changed = safe_load.load(folder / "contrastive_after_2.th")["model"]
    assert "lattice_encoder.words.embedding.weight" in changed
    assert not [name for name in changed if "lexicon" in name or ".token_embedder_bert.encoder." in name]
    constant = safe_load.load(folder / "contrastive_constant.th")["model"]
    assert "lattice_encoder.words.lexicon_vectors" in constant
    after = train(settings, tmp_path / "killed", recover=True)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, after.state_dict()[name]), name
    lines = [json.loads(line) for line in (folder / "losses.jsonl").read_text().splitlines()]
    assert [line.get("stage", line.get("moment")) for line in lines] == [
        *["contrastive"] * 3, "before", "after", *["head_only"] * 2
    ]  # fmt: skip
