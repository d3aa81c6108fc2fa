"""NerCo as published: over FLAT, with a lexicon, and with a pretrained transformer's features."""

import json

import pytest
import torch
from staged_runs import experiment_over_flat, train, train_and_kill
from tiny_encoders import make_encoder

from ner_plugins.archives import weights as safe_load


@pytest.mark.parametrize(
    "with_bert", [False, pytest.param(True, marks=pytest.mark.exhaustive)], ids=["alone", "with a transformer"]
)
def test_stages_over_flat_and_after_a_kill(with_bert, tmp_path) -> None:
    settings = experiment_over_flat(make_encoder(tmp_path / "encoder") if with_bert else None)
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
