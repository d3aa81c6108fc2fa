"""No head predicts white space at an entity's edge, whatever the tokenizer: random weights would, often."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
from allennlp.common import Params
from allennlp.data import Batch, DatasetReader, Vocabulary
from allennlp.models import Model
from generated_sentences import sentences
from gpu_cases import DECODERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from normalising_tokenizers import make_tokenizer

from ner_plugins.entities import Entity
from ner_plugins.models import offsets
from ner_plugins.segmentation.blanks import has_blank_edge
from ner_plugins.tagger import Tagger
from ner_plugins.tagger.archive import ArchiveBackend

CHARACTERS = [*"王芳在青禾ab1，", *(" \t\u00a0\u3000\u200b\u2060\ufeff" * 2), "\u0301", "\ud800"]
KINDS = ["characters", "words", "bytes", "metaspace", "sentencepiece"]
TRAINED = "王芳 在青禾\u3000ab1"


def build(head: str, kind: str, folder: Path, seed: int = 0) -> tuple[Any, Any]:
    """A model with random weights that are so large that it predicts much, and its reader."""
    tokenizer: dict[str, Any] = {"type": f"ner_{kind}"}
    if kind not in ("characters", "words"):
        tokenizer = {"type": "ner_subwords", "model_name": make_tokenizer(folder / f"{kind}-{seed}", kind)}
    config = {"type": "cluener", "tokenizer": tokenizer, "token_indexers": {"tokens": {"type": "single_id"}}}
    reader = DatasetReader.from_params(Params(config))
    instances = [
        reader.text_to_instance(TRAINED, [Entity(0, 2, "PER"), Entity(4, 6, "ORG")], id=0),
        reader.text_to_instance("\u200b,，", [], id=1),
    ]
    for instance in instances:
        reader.apply_token_indexers(instance)
    vocab = Vocabulary.from_instances(instances)
    embedder = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 8}}}
    torch.manual_seed(seed)
    params = Params({"type": "ner", "head": deepcopy(DECODERS[head]), "text_field_embedder": embedder})
    model = Model.from_params(params, vocab=vocab)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(0, 1)
    return model.eval(), reader


def batch_of(instances: list[Any], reader: Any, vocab: Vocabulary) -> dict[str, Any]:
    for instance in instances:
        reader.apply_token_indexers(instance)
    batch = Batch(instances)
    batch.index_instances(vocab)
    return batch.as_tensor_dict()


@pytest.mark.parametrize("head", DECODERS)
@pytest.mark.parametrize("kind", ["characters", "metaspace"])
def test_no_entity_begins_or_ends_with_a_blank(
    head: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(head, kind, tmp_path, monkeypatch)


@pytest.mark.parametrize("kind", KINDS)
def test_of_any_tokenizer(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check("softmax", kind, tmp_path, monkeypatch)


def check(head: str, kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trimmed = found = 0
    original = offsets.without_blank_edges

    def counting(entities: Any, text: str) -> list[Entity]:
        nonlocal trimmed
        trimmed += sum(has_blank_edge(entity.start, entity.end, text) for entity in entities)
        return original(entities, text)

    monkeypatch.setattr(offsets, "without_blank_edges", counting)

    @settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.lists(sentences(CHARACTERS, ["PER", "ORG"], least=1), min_size=4, max_size=6))
    def run(generated: list[Any]) -> None:
        nonlocal found
        instances = [reader.text_to_instance(s.text, s.entities, id=i) for i, s in enumerate(generated)]
        with torch.no_grad():
            evaluated = model(**batch_of(instances, reader, model.vocab))["entities"]
        shown = tagger([s.text for s in generated])
        for sentence, of_evaluation, of_prediction in zip(generated, evaluated, shown, strict=True):
            entities = [Entity(e.start, e.end, e.type) for e in of_prediction.entities]
            assert entities == of_evaluation, "F1 is that of what predict shows"
            assert not any(has_blank_edge(e.start, e.end, sentence.text) for e in entities)
            found += len(entities)

    for seed in range(8):
        model, reader = build(head, kind, folder, seed)
        tagger = Tagger(ArchiveBackend(model, reader))
        run()
        if found and (trimmed or kind != "characters"):
            return
    raise AssertionError("random weights predict entities, and some with blanks at their edges")


def test_gold_with_blanks_stays_and_is_out_of_reach(tmp_path: Path) -> None:
    model, reader = build("biaffine", "characters", tmp_path)
    gold = [Entity(0, 3, "PER"), Entity(1, 3, "PER"), Entity(3, 4, "ORG"), Entity(4, 6, "ORG")]
    instance = reader.text_to_instance("\u3000王芳 青禾", gold, id=0)
    assert [(e["start"], e["end"]) for e in instance["metadata"]["entities"]] == [(0, 3), (1, 3), (3, 4), (4, 6)]
    model(**batch_of([instance], reader, model.vocab))
    figures = model.get_metrics(reset=True)
    assert (figures["gold"], figures["unreachable_gold"]) == (4, 2)
