"""The pretrained encoders of every family give the same vectors exported as in torch."""

from pathlib import Path

import pytest
from exported_models import export_model
from gpu_cases import build_with_reader
from tiny_encoders import FAMILIES

from ner_plugins.tagger import Tagger
from ner_plugins.tagger.archive import ArchiveBackend

TEXTS = ["张三在北京大学读书", "", "我在上海", "the 王五 ", "张三在北京大学读书" * 9, "北"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mixed", [False, True])
def test_the_entities_over_each_family(family: str, mixed: bool, tmp_path: Path) -> None:
    def change(params: dict) -> None:
        embedder = params["text_field_embedder"]["token_embedders"]["tokens"]
        embedder.update(last_layer_only=not mixed, pooling="first" if mixed else "mean")

    model, reader, _ = build_with_reader("crf", "transformer", tmp_path, family, change)
    expected = Tagger(ArchiveBackend(model.eval(), reader))(TEXTS)
    assert any(tagged.entities for tagged in expected)
    found = Tagger.from_path(export_model(model, reader, tmp_path / "export"), budget=40)(TEXTS)
    for one, other in zip(found, expected, strict=True):
        assert [(e.start, e.end, e.type) for e in one.entities] == [(e.start, e.end, e.type) for e in other.entities]
        scores = [entity.score for entity in other.entities]
        assert [entity.score for entity in one.entities] == pytest.approx(scores, abs=1e-4)
