import json
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
from ner_plugins.commands.loading import load_ours, mention_max_instances
from ner_plugins.errors import ConfigError
from ner_plugins.models.named import BiaffineNer


def test_an_archive_of_ours(repository: Path) -> None:
    archive = load_ours(str(fitted_archive(repository)), -1, '{"model.thresholds": 0.25}')
    assert isinstance(archive.model, BiaffineNer)
    assert set(archive.model.thresholds.tolist()) == {0.25}


@pytest.mark.parametrize(
    "overrides, option, remedy",
    [
        (
            {"dataset_reader.max_instances": 3},
            "-o",
            """; for all of them: -o '{"dataset_reader.max_instances": null}'""",
        ),
        (
            {"validation_dataset_reader": {"type": "cluener", "max_instances": 3}},
            "--overrides",
            """; for all of them: --overrides '{"validation_dataset_reader.max_instances": null}'""",
        ),
        ({"dataset_reader.max_instances": 3}, None, ""),
    ],
)
def test_a_reader_that_leaves_data_out_is_mentioned(
    repository: Path, caplog: pytest.LogCaptureFixture, overrides: dict, option: str | None, remedy: str
) -> None:
    archive = load_ours(str(fitted_archive(repository)), -1, json.dumps(overrides))
    caplog.clear()
    mention_max_instances(archive, option)
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == f"the archive's reader reads at most 3 sentences (max_instances){remedy}"


def test_a_reader_that_reads_everything_is_not_mentioned(
    repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    archive = load_ours(str(fitted_archive(repository)), -1, '{"dataset_reader.max_instances": null}')
    caplog.clear()
    mention_max_instances(archive, "-o")
    assert not caplog.records


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
