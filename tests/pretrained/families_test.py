"""Each family of encoders, in the files that it is published in: trained, archived, and predicting without them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from allennlp.commands.train import train_model
from allennlp.common import Params
from published_encoders import LAYOUTS, make_published

from ner_plugins.pretrained.tokenizer import load_tokenizer, special_ids
from ner_plugins.tagger import Tagger

CHINESE = ["我在北京大学", "王小明喜欢上海", "天气很好"]
KOREAN = ["나는 서울 일하고", "김철수 부산대학교", "하고 있다"]
ALWAYS = {"nezha", "kobert", "klue-roberta"}  # the three that differ most from BERT


@pytest.mark.parametrize(
    "family", [pytest.param(name, marks=[] if name in ALWAYS else [pytest.mark.exhaustive]) for name in LAYOUTS]
)
def test_a_family_is_trained_saved_and_predicts(family: str, tmp_path: Path) -> None:
    encoder = Path(make_published(tmp_path / "encoder", family))
    vocabulary = (encoder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    tokenizer = load_tokenizer(str(encoder))
    assert special_ids(tokenizer) == ([vocabulary.index("[CLS]")], [vocabulary.index("[SEP]")])
    assert tokenizer.pad_token_id == vocabulary.index("[PAD]")
    korean = family.startswith(("ko", "klue")) or family.endswith("kobert")
    texts = KOREAN if korean else CHINESE
    tokenizing = {"type": "ner_subwords", "model_name": str(encoder)} if "kobert" in family else "ner_characters"
    train_model(_config(encoder, texts, tmp_path, tokenizing), str(tmp_path / "run"))
    shutil.rmtree(encoder)
    tagger = Tagger.from_path(tmp_path / "run" / "model.tar.gz", device=-1)
    long = "".join(texts) * 4  # more pieces than the encoder reads
    found = tagger([*texts, long, ""])
    assert [one.text for one in found] == [*texts, long, ""]
    gold = [_gold(text) for text in texts]
    assert [[(e.start, e.end, e.type) for e in one.entities] for one in found[: len(texts)]] == gold


def _gold(text: str) -> list[tuple[int, int, str]]:
    names = {"北京大学": "ORG", "王小明": "PER", "上海": "LOC", "서울": "LOC", "김철수": "PER", "부산대학교": "ORG"}
    found = [(text.index(name), text.index(name) + len(name), kind) for name, kind in names.items() if name in text]
    return sorted(found)


def _config(encoder: Path, texts: list[str], folder: Path, tokenizer: Any) -> Params:
    data = folder / "train.jsonl"
    names = ("start", "end", "type")
    rows = [{"text": text, "entities": [dict(zip(names, e, strict=True)) for e in _gold(text)]} for text in texts]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows * 4), encoding="utf-8")
    named = {"type": "ner_transformer", "model_name": str(encoder)}
    return Params(
        {
            "dataset_reader": {
                "type": "datasets_ner",
                "tokenizer": tokenizer,
                "token_indexers": {"tokens": dict(named)},
            },
            "train_data_path": str(data),
            "model": {"type": "crf_tagger", "text_field_embedder": {"token_embedders": {"tokens": dict(named)}}},
            "data_loader": {"batch_size": 3},
            "trainer": {"type": "ner", "num_epochs": 6, "optimizer": {"type": "adam", "lr": 0.02}},
            "random_seed": 1,
            "pytorch_seed": 1,
        }
    )
