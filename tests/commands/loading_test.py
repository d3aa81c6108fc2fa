from pathlib import Path

import pytest
from allennlp.data import Vocabulary
from allennlp.models import archival
from allennlp.models.archival import Archive
from allennlp.models.basic_classifier import BasicClassifier
from allennlp.modules.seq2vec_encoders import BagOfEmbeddingsEncoder
from allennlp.modules.text_field_embedders import BasicTextFieldEmbedder
from allennlp.modules.token_embedders import Embedding
from fitted_archive import fitted_archive

from ner_plugins.commands import loading
from ner_plugins.commands.loading import load_ours
from ner_plugins.errors import ConfigError
from ner_plugins.models.named import BiaffineNer


def test_an_archive_of_ours(repository: Path) -> None:
    archive = load_ours(str(fitted_archive(repository)), -1, '{"model.thresholds": 0.25}')
    assert isinstance(archive.model, BiaffineNer)
    assert set(archive.model.thresholds.tolist()) == {0.25}


def test_a_device_that_is_not_there(repository: Path) -> None:
    with pytest.raises(ConfigError, match="--cuda-device is 7"):
        load_ours(str(fitted_archive(repository)), 7)


def test_a_model_of_another_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    embedder = BasicTextFieldEmbedder({"tokens": Embedding(embedding_dim=2, num_embeddings=3)})
    model = BasicClassifier(Vocabulary(), embedder, BagOfEmbeddingsEncoder(2), num_labels=2)
    assert loading.load_archive is archival.load_archive
    monkeypatch.setattr(loading, "load_archive", lambda *_, **__: Archive(model, None, None, None, None))
    with pytest.raises(ConfigError, match="BasicClassifier"):
        load_ours("other.tar.gz")
