"""Any reader works with `biaffine`: an epoch of training, evaluation and prediction, flat and nested."""

import json
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.train import train_model_from_file
from allennlp.predictors import Predictor

ROOT = Path(__file__).resolve().parents[2]

# Reader, folder among the fixtures and among the corpora, options.
READERS: list[tuple[str, str, str | None, dict[str, Any]]] = [
    ("cluener", "cluener", "cluener2020", {}),
    ("msra", "msra", "msra_bio", {"dev_fraction": 0.5, "dev_seed": 1}),
    ("msra", "msra_bmes", "msra_bmes", {"dev_fraction": 0.5, "dev_seed": 1, "rename_types": {"NR": "PER"}}),
    ("peoples_daily", "peoples_daily", "peoples_daily", {}),
    ("weibo", "weibo", "weibo", {}),
    ("resume", "resume", "resume", {}),
    ("ontonotes4", "ontonotes4", None, {}),
    ("kmou", "kmou", "kmou/kmou_ner.tar.gz", {}),
    ("kmou", "kmou", "kmou/kmou_ner.tar.gz", {"annotation": "tags"}),
    ("klp", "klp", None, {}),
    ("conll2003_ner", "conll2003", "conll2003", {}),
    ("conll2003_ner", "conll2003", "conll2003", {"document_level": True}),
    ("ccks_address", "ccks_address", None, {}),
    ("germeval", "germeval", "germeval2014", {}),
    ("conll_ner", "conll_ner", None, {}),
    ("brackets_ner", "brackets", None, {}),
    ("datasets_ner", "datasets_rows", None, {}),
]
IDS = [f"{reader}-{index}" for index, (reader, *_) in enumerate(READERS)]


def train_and_predict(reader: dict[str, Any], data: str, decoding: str, folder: Path, many: int) -> None:
    # People's Daily has no training file at hand.
    train = f"{data}#dev" if data.endswith("peoples_daily") and "fixtures" not in data else f"{data}#train"
    overrides = {
        "dataset_reader": {**reader, "max_instances": many, "token_indexers": {"tokens": {"type": "single_id"}}},
        "train_data_path": train,
        "validation_data_path": f"{data}#dev",
        "trainer.num_epochs": 1,
        "trainer.cuda_device": -1,
        "model.decoding": decoding,
        "model.projection.dim": 8,
        "model.max_span_width": 20,
    }
    if reader.get("document_level"):
        overrides |= {f"{part}data_loader.batch_sampler.max_sentences": 4 for part in ("", "validation_")}
    train_model_from_file(ROOT / "training_config/biaffine.jsonnet", folder, overrides=json.dumps(overrides))
    metrics = json.loads((folder / "metrics.json").read_text())
    predictor = Predictor.from_path(str(folder / "model.tar.gz"), cuda_device=-1)
    dev = []
    for sentence in predictor._dataset_reader.sentences(f"{data}#dev"):
        dev.append(sentence)
        if len(dev) == many:
            break
    # The metrics divide by what the file says, whatever the model can represent.
    assert metrics["best_validation_gold"] == sum(len(sentence.entities) for sentence in dev)
    texts = [sentence.text for sentence in dev[:20]]
    for text, found in zip(texts, predictor.predict_texts(texts), strict=True):
        assert found["text"] == text
        assert all(text[e["start"] : e["end"]] == e["text"] for e in found["entities"])


@pytest.mark.parametrize(("name", "folder", "corpus", "options"), READERS, ids=IDS)
def test_on_the_fixtures(name, folder, corpus, options, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    decoding = "nested" if name in ("germeval", "cluener") else "flat_greedy"
    train_and_predict({"type": name, **options}, f"fixtures/{folder}", decoding, tmp_path / "run", 12)


@pytest.mark.data
@pytest.mark.parametrize(
    "many", [pytest.param(60, id=""), pytest.param(200, marks=pytest.mark.exhaustive, id="many")]
)
@pytest.mark.parametrize(
    ("name", "folder", "corpus", "options", "decoding"),
    [
        pytest.param(*reader, decoding, id=f"{id_}-{decoding}", marks=() if usual else pytest.mark.exhaustive)
        for id_, reader in zip(IDS, READERS, strict=True)
        for decoding in ("flat_greedy", "nested")
        for usual in [(decoding == "nested") == (reader[0] in ("germeval", "cluener"))]
        if reader[2]
    ],
)
def test_on_the_first_sentences_of_real_corpora(
    name, folder, corpus, options, decoding, many, tmp_path, monkeypatch, shared_data
):
    monkeypatch.chdir(ROOT)
    many = min(many, 6) if options.get("document_level") else many
    train_and_predict({"type": name, **options}, f"{shared_data}/{corpus}", decoding, tmp_path / "run", many)
