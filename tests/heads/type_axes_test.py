"""Heads that learn further types: what was learnt for a type stays with it, wherever the type stands."""

from typing import Any

import pytest
import torch
from allennlp.common import Params

from ner_plugins.errors import ConfigError
from ner_plugins.heads.decoding import DecodedSpans
from ner_plugins.heads.head import Head
from ner_plugins.heads.span_scorer import SpanScorer

BEFORE = ["name", "address"]
NOW = ["scene", "address", "name", "book"]
# The class of a type in `NOW` for each class of `BEFORE`.
CLASSES = [0, 3, 2]

SPANS: list[dict[str, Any]] = [
    {"type": "biaffine", "init": "xavier", "scorer": {"type": "biaffine", "width_features": "bucketed"}},
    {"type": "biaffine", "scorer": {"type": "pair_ffn", "width_features": "bucketed"}},
    {"type": "pairs"},
    {"type": "global_pointer", "inner_dim": 4},
    {"type": "efficient_global_pointer", "inner_dim": 4},
    {"type": "span", "head": "pairs", "max_span_width": 3},
]


def heads(config: dict[str, Any], now: list[str] = NOW) -> tuple[Any, Any]:
    """A head with drawn parameters, and one over other types that has taken over what it could."""
    torch.manual_seed(0)
    trained, head = (
        Head.from_params(Params(dict(config)), encoding_dim=6, types=types).eval() for types in (BEFORE, now)
    )
    for parameter in trained.parameters():
        torch.nn.init.normal_(parameter)
    head.keep_learnt(trained)
    return trained, head


def tokens() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    return torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool)


@pytest.mark.parametrize("config", SPANS, ids=lambda config: config["type"])
def test_spans_have_the_scores_that_they_had(config: dict[str, Any]) -> None:
    trained, head = heads(config)
    encoded, mask = tokens()
    scores = head(encoded, mask)
    torch.testing.assert_close(scores[..., CLASSES], trained(encoded, mask), rtol=1e-5, atol=1e-5)
    assert head.types == NOW and scores.size(-1) == 5


@pytest.mark.parametrize("scheme", ["BIO", "BIOES"])
@pytest.mark.parametrize("tag_head", ["joint", "factored"])
@pytest.mark.parametrize("decoder", ["crf", "softmax"])
def test_tags_have_the_scores_that_they_had(scheme: str, tag_head: str, decoder: str) -> None:
    trained, head = heads({"type": "tags", "scheme": scheme, "tag_head": tag_head, "decoder": decoder})
    encoded, mask = tokens()
    before, now = trained(encoded, mask), head(encoded, mask)
    for place, tag in enumerate(trained.tag_set.tags):
        new = head.tag_set.tags.index(tag)
        torch.testing.assert_close(now[..., new], before[..., place])
        for other, following in enumerate(trained.tag_set.tags):
            after = head.tag_set.tags.index(following)
            assert head.crf.transitions[new, after] == trained.crf.transitions[place, other]
        if decoder == "crf":
            assert head.crf.start_scores[new] == trained.crf.start_scores[place]
            assert head.crf.end_scores[new] == trained.crf.end_scores[place]
    of_scene = head.tag_set.tags.index("B-scene")
    assert head.crf.transitions[of_scene].any() == (decoder == "crf"), "what is new was drawn"


def test_pointers_label_as_they_did_but_for_the_units_of_new_types() -> None:
    trained, head = heads({"type": "pointer"})
    encoded, mask = tokens()
    before, now = trained(encoded, mask), head(encoded, mask)
    torch.testing.assert_close(now.start[..., CLASSES], before.start)
    # Without the norm over all units, and the new units' weights, the ends are those of before.
    new_units = [6 + 1, 6 + 4]  # scene and book, after the encoding and "not an entity"
    with torch.no_grad():
        head.end.weight[:, new_units] = 0.0
    trained.end_norm, head.end_norm = torch.nn.Identity(), torch.nn.Identity()
    labels = torch.tensor([[0, 1, 2, 0, 0], [2, 0, 0, 1, 0]])
    ends = head.end_logits(now, torch.tensor(CLASSES)[labels])
    torch.testing.assert_close(ends[..., CLASSES], trained.end_logits(before, labels))


def test_the_norm_of_a_pointer_keeps_its_scale() -> None:
    trained, head = heads({"type": "pointer"})
    places = [*range(6), *(6 + place for place in CLASSES)]
    assert torch.equal(head.end_norm.weight[places], trained.end_norm.weight)
    assert torch.equal(head.end_norm.bias[places], trained.end_norm.bias)
    assert head.end_norm.weight[7] == 1.0, "a new unit starts as it does in a new head"


@pytest.mark.parametrize("config", [*SPANS, {"type": "tags"}, {"type": "pointer"}], ids=lambda config: config["type"])
def test_the_same_types_in_another_order_are_the_same_head(config: dict[str, Any]) -> None:
    trained, head = heads(config, BEFORE[::-1])
    again = Head.from_params(Params(dict(config)), encoding_dim=6, types=BEFORE)
    again.keep_learnt(head)
    for name, parameter in trained.state_dict().items():
        assert torch.equal(parameter, again.state_dict()[name]), name


class Silent(Head):
    """A head of another package, which says nothing of its parameters."""

    def score(self, encoded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return encoded

    def loss(self, scores: Any, entities: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return scores.sum()

    def decode(self, scores: Any, mask: torch.Tensor, thresholds: Any = None) -> DecodedSpans:
        raise NotImplementedError

    def reachable(self, entities: Any) -> Any:
        return entities


class SilentScorer(SpanScorer):
    """A scorer of another package."""

    def forward(self, starts: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError


def test_a_head_that_says_nothing_is_not_guessed() -> None:
    with pytest.raises(ConfigError, match='Silent has no `type_axes`, which new_types: "extend" needs; "replace"'):
        Silent(6, NOW).keep_learnt(Silent(6, BEFORE))
    with pytest.raises(ConfigError, match="SilentScorer has no `class_axes`"):
        SilentScorer(6, 3).class_axes([None, *BEFORE])
