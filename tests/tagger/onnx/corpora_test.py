"""On whole development sets, the spans of an export are those of torch, and the scores equal to 1e-4."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, DatasetReader, Vocabulary
from allennlp.models import Model
from exported_models import export_model

from ner_plugins.tagger import Tagger
from ner_plugins.tagger.archive import ArchiveBackend

SENTENCES = 320
_LSTM = {"type": "lstm", "hidden_size": 60, "bidirectional": True}
# Few negatives, so that a short training finds entities.
_BIAFFINE = {
    "type": "biaffine",
    "max_span_width": 20,
    "projection": {"dim": 40},
    "loss": {"type": "cross_entropy", "reduction": "cells"},
    "negative_sampling": {"type": "per_positive", "negatives": 5},
}
# Corpus, training and development data, encoder (if any), model.
CASES = [
    ("cluener", "cluener2020/train.json.gz", "cluener2020/dev.json", {"head": {"type": "tags", "scheme": "BIOES"}}),
    ("cluener", "cluener2020/train.json.gz", "cluener2020/dev.json", {"head": _BIAFFINE}),
    ("kmou", "kmou/kmou_ner.tar.gz#train", "kmou/kmou_ner.tar.gz#dev", {"head": {"type": "tags"}, "encoder": _LSTM}),
    ("kmou", "kmou/kmou_ner.tar.gz#train", "kmou/kmou_ner.tar.gz#dev", {"head": {"type": "pointer"}, "encoder": _LSTM}),
]


def fitted(reader_type: str, data: str, model: dict[str, Any], encoder: str | None) -> tuple[Any, Any]:
    """A model that has learnt something from a corpus, and its reader."""
    part: dict[str, Any] = {"type": "ner_transformer", "model_name": encoder}
    embedder = part if encoder else {"type": "ner_embedding", "embedding_dim": 60}
    indexer = part if encoder else {"type": "single_id"}
    reader = DatasetReader.from_params(Params({"type": reader_type, "token_indexers": {"tokens": dict(indexer)}}))
    instances = list(islice(reader.read(data), SENTENCES))
    vocab = Vocabulary.from_instances(instances)
    torch.manual_seed(0)
    params = {"type": "ner", "text_field_embedder": {"token_embedders": {"tokens": dict(embedder)}}, **model}
    built = Model.from_params(Params(params), vocab=vocab)
    pretrained = [parameter for name, parameter in built.named_parameters() if ".encoder." in name]
    others = [parameter for name, parameter in built.named_parameters() if ".encoder." not in name]
    rate, most = (3e-3, 1.0) if encoder else (1e-2, float("inf"))
    optimizer = torch.optim.Adam([{"params": pretrained, "lr": 5e-4}, {"params": others, "lr": rate}])
    for step in range(60 if encoder else 240):
        batch = Batch(instances[step % 20 :: 20])
        batch.index_instances(vocab)
        optimizer.zero_grad()
        built(**batch.as_tensor_dict())["loss"].backward()
        torch.nn.utils.clip_grad_norm_(built.parameters(), most)
        optimizer.step()
    return built.eval(), reader


@pytest.mark.exhaustive
@pytest.mark.data
@pytest.mark.parametrize("corpus, train, dev, model", CASES, ids=["cluener-crf", "cluener-biaffine", "kmou", "kmou-2"])
def test_a_development_set(
    corpus: str, train: str, dev: str, model: Any, shared_data: Path, shared_encoders: Path, tmp_path: Path
) -> None:
    encoder = str(shared_encoders / "simbert-tiny-electra") if corpus == "cluener" else None
    built, reader = fitted(corpus, str(shared_data / train), model, encoder)
    texts = [sentence.text for sentence in reader.sentences(str(shared_data / dev))]
    expected = Tagger(ArchiveBackend(built, reader))(texts)
    found = Tagger.from_path(export_model(built, reader, tmp_path / "export"))(texts)
    differing, greatest, entities = [], 0.0, 0
    for one, other in zip(found, expected, strict=True):
        if [(e.start, e.end, e.type) for e in one.entities] != [(e.start, e.end, e.type) for e in other.entities]:
            differing.append((one, other))
            continue
        entities += len(one.entities)
        pairs = zip(one.entities, other.entities, strict=True)
        greatest = max([greatest, *(abs(a.score - b.score) for a, b in pairs)])
    print(f"{len(texts)} sentences, {entities} entities, greatest difference of scores {greatest:.1e}")
    assert differing == [] and greatest <= 1e-4 and entities > len(texts) / 4
