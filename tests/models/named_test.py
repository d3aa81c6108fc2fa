"""Configs of models and heads with an option that is misplaced, given twice, or of another kind."""

from copy import deepcopy
from typing import Any

import pytest
from allennlp.common import Params
from allennlp.data import Vocabulary
from allennlp.models import Model

from ner_plugins.commands.command_line import describe
from ner_plugins.entities import ENTITY_NAMESPACE
from ner_plugins.heads.pairs import PairsHead
from ner_plugins.heads.tags import TagsHead
from ner_plugins.modules.losses import CellLoss

EMBEDDER = {"token_embedders": {"tokens": {"type": "embedding", "embedding_dim": 4, "num_embeddings": 5}}}
PAIRS, FOCAL = {"type": "pairs"}, {"loss": "focal"}
CROSS = {"type": "cross_entropy"}
OBJECT = 'but has to be an object with a "type", or the name of one'
UNNAMED = 'model.head has to name the "type" of a head that scores spans'
DECODINGS = "it can be flat_greedy, flat_optimal or nested"


def build(config: dict[str, Any]) -> Any:
    """The model of a config, with keys as in an experiment's."""
    vocab = Vocabulary()
    vocab.add_token_to_namespace("name", ENTITY_NAMESPACE)
    vocab.add_token_to_namespace("a", "tokens")
    params = Params(deepcopy({**config, "text_field_embedder": EMBEDDER}), history="model.")
    return Model.from_params(params, vocab=vocab)


@pytest.mark.parametrize(
    "config, expected",
    [
        # Given twice.
        (
            {"type": "span", "head": {**PAIRS, "max_span_width": 3}, "max_span_width": 3},
            "model.head.max_span_width and model.max_span_width are the same option: remove one",
        ),
        (
            {"type": "span", "head": {**PAIRS, "decoding": "nested"}, "decoding": "flat_optimal"},
            "model.head.decoding and model.decoding are the same option: remove one",
        ),
        (
            {"type": "flat", "head": {"type": "span", "head": {**PAIRS, "loss": "focal"}, "loss": "dice"}},
            "model.head.head.loss and model.head.loss are the same option: remove one",
        ),
        # No head.
        ({"type": "span", "head": {}}, f'{UNNAMED}, such as "pairs"'),
        ({"type": "span", "head": {"width_dim": 3}}, UNNAMED),
        ({"type": "flat", "head": {}}, 'model.head is {}, but has to name its "type", such as "tags"'),
        *(({"type": kind, "head": ""}, f'model.head is "", {OBJECT}') for kind in ("ner", "span", "flat")),
        *(({"type": kind, "head": []}, f"model.head is [], {OBJECT}") for kind in ("ner", "span", "flat")),
        *(({"type": kind, "head": None}, f"model.head is null, {OBJECT}") for kind in ("ner", "span", "flat")),
        *(({"type": kind, "head": 3}, f"model.head is 3, {OBJECT}") for kind in ("ner", "span", "flat")),
        ({"type": "flat", "head": {"type": "span", "head": None}}, f"model.head.head is null, {OBJECT}"),
        ({"type": "flat", "head": {"type": "span", "head": "span"}}, 'required at location "model.head.head."'),
        # Of another kind.
        ({"type": "ner", "head": {"type": 3}}, "model.head.type is 3, but has to be a name (a string)"),
        ({"type": "ner", "head": {"type": None}}, "model.head.type is null, but has to be a name (a string)"),
        ({"type": "biaffine", "projection": 3}, "model.projection is 3, but has to be an object"),
        ({"type": "biaffine", "projection": "ffn"}, 'model.projection is "ffn", but has to be an object'),
        ({"type": "biaffine", "projection": None}, "model.projection is null, but has to be an object"),
        ({"type": "biaffine", "scorer": None}, f"model.scorer is null, {OBJECT}"),
        ({"type": "ner", "head": {"type": "biaffine", "scorer": 3}}, f"model.head.scorer is 3, {OBJECT}"),
        ({"type": "ner", "encoder": 3}, f"model.encoder is 3, {OBJECT}"),
        ({"type": "ner", "metrics": "seqeval"}, 'model.metrics is "seqeval", but has to be a list'),
        # A misspelt name.
        ({"type": "flat", "head": "tagz"}, "model.head.type: there is no 'tagz': did you mean 'tags'?"),
        ({"type": "flat", "head": {"type": "span", "head": "pair"}}, "model.head.head.type: there is no 'pair'"),
        # An option of something else.
        (
            {"type": "flat", "head": {"type": "tags", "dropout": 0.1}},
            "model.head: tags has no option 'dropout'. It belongs to model: write it as model.dropout",
        ),
        (
            {"type": "span", "head": {**PAIRS, "metrics": []}},
            "model.head: pairs has no option 'metrics'. It belongs to model: write it as model.metrics",
        ),
        (
            {"type": "biaffine", "scorer": {"init": "xavier"}},
            "model.scorer: biaffine has no option 'init'. It belongs to model: write it as model.init",
        ),
        # Weights of types that the data lack.
        (
            {"type": "crf_tagger", "decoder": "softmax", "loss": {**CROSS, "type_weights": {"nmae": 2.0}}},
            "loss.type_weights names the entity type 'nmae' (did you mean 'name'?), which the training data lack; they "
            "have name",
        ),
        (
            {"type": "ner", "head": {**PAIRS, "loss": {**CROSS, "type_weights": {"city": 2}}}},
            "loss.type_weights names the entity type 'city', which the training data lack; they have name",
        ),
        (
            {"type": "ner", "head": {**PAIRS, "loss": {**CROSS, "type_weights": {"name": -2}}}},
            "loss.type_weights.name must be a number of 0 or more, got -2",
        ),
        # No option.
        (
            {"type": "span", "head": {**PAIRS, "x": 1}},
            "model.head: pairs has no option 'x'. It has: decoding, decoding_score, hidden_dim, loss, max_span_width, "
            "negative_sampling, prior, width_dim",
        ),
        ({"type": "ner", "head": {**PAIRS, "kwargs": {}}}, "model.head: pairs has no option 'kwargs'. It has"),
        ({"type": "biaffine", "kwargs": {}}, "model: biaffine has no option 'kwargs'. It has: ddp_accelerator,"),
        ({"type": "ner", "self": 1}, "model: ner has no option 'self'. It has: ddp_accelerator,"),
        (
            {"type": "biaffine", "projection": {"input_dim": 3}},
            "model.projection: SpanProjection has no option 'input_dim'. It has: activation, depth, dim,",
        ),
        (
            {"type": "biaffine", "scorer": {"num_classes": 3}},
            "model.scorer: biaffine has no option 'num_classes'. It has: width_features",
        ),
        # No choice.
        ({"type": "biaffine", "decoding": "published"}, f'model.decoding is "published"; {DECODINGS}'),
        ({"type": "ner", "head": {**PAIRS, "decoding": "nestd"}}, f'model.head.decoding is "nestd"; {DECODINGS}. Did'),
        (
            {"type": "ner", "head": {"type": "pointer", "decoding": "nested"}},
            'model.head.decoding is "nested"; it can be flat_greedy, flat_optimal or published',
        ),
        (
            {"type": "span", "head": "pointer", "decoding": "nested"},
            'decoding is "nested"; with this head it can be flat_greedy, flat_optimal or published',
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_a_mistake_is_reported_with_its_key(config: dict[str, Any], expected: str) -> None:
    with pytest.raises(Exception) as caught:  # of any kind: `describe` recognises the user's mistakes
        build(config)
    told = describe(caught.value)
    assert told is not None and expected in told


@pytest.mark.parametrize(
    "config",
    [
        {"type": "span", "head": {**PAIRS, "max_span_width": 3, "loss": "focal", "decoding": "nested"}},
        {"type": "span", "head": PAIRS, "max_span_width": 3, "loss": "focal", "decoding": "nested"},
        {"type": "span", "head": {**PAIRS, "loss": "focal"}, "max_span_width": 3, "decoding": "nested"},
        {"type": "ner", "head": {"type": "span", "head": PAIRS, "max_span_width": 3, "decoding": "nested", **FOCAL}},
    ],
)
def test_a_span_head_has_its_options_inside_or_beside(config: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    head = build(config).head
    assert isinstance(head, PairsHead) and isinstance(head.span_loss, CellLoss.by_name("focal"))
    assert (head.max_span_width, head.decoding) == (3, "nested")
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


@pytest.mark.parametrize("config, scheme", [({}, "BIO"), ({"head": {}}, "BIO"), ({"head": {"scheme": "BMES"}}, "BMES")])
def test_a_head_without_a_type_is_a_tagger(config: dict[str, Any], scheme: str) -> None:
    head = build({"type": "ner", **config}).head
    assert isinstance(head, TagsHead) and head.tag_set.scheme == scheme
