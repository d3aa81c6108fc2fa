import pytest
import torch
from allennlp.common import Params

from ner_plugins.errors import ConfigError
from ner_plugins.heads import (
    BiaffineHead,
    EfficientGlobalPointerHead,
    GlobalPointerHead,
    PairsHead,
    PointerHead,
    SpanHead,
    TagsHead,
)
from ner_plugins.heads.head import Head

TYPES = ["address", "name"]
NAMES = {
    "tags": TagsHead, "crf_tagger": TagsHead, "biaffine": BiaffineHead,
    "pairs": PairsHead, "enumeration": PairsHead, "dense": PairsHead, "pointer": PointerHead,
    "global_pointer": GlobalPointerHead, "efficient_global_pointer": EfficientGlobalPointerHead,
}  # fmt: skip


@pytest.mark.parametrize("name, kind", NAMES.items())
def test_each_head_by_its_name_scores_learns_and_decodes(name: str, kind: type) -> None:
    torch.manual_seed(0)
    head = Head.from_params(Params({"type": name}), encoding_dim=6, types=TYPES)
    assert type(head) is kind and head.types == TYPES
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    encoded = torch.randn(2, 5, 6).masked_fill(~mask.unsqueeze(-1), 0.0)
    scores = head(encoded, mask)
    loss = head.loss(scores, torch.tensor([[[0, 2, 1]], [[1, 2, 0]]]), mask)
    loss.backward()
    assert loss.isfinite()
    spans = head.decode(scores, mask)
    assert (spans.end <= mask.sum(1)[spans.sentence]).all()
    impossible = head.decode(scores, mask, torch.full((2,), 1.1))
    assert len(impossible.sentence) == 0


def test_without_a_type_it_is_a_tagger() -> None:
    head = Head.from_params(Params({"scheme": "BMES"}), encoding_dim=6, types=TYPES)
    assert isinstance(head, TagsHead) and head.tag_set.scheme == "BMES"


INNER = [
    ("pointer", PointerHead),
    ("efficient_global_pointer", EfficientGlobalPointerHead),
    ({"type": "enumeration", "width_dim": 4}, PairsHead),
]


@pytest.mark.parametrize("inner, kind", INNER)
def test_a_span_model_as_a_head_is_its_inner_head(inner: object, kind: type) -> None:
    params = Params({"type": "span", "head": inner, "max_span_width": 7, "decoding": "flat_greedy"})
    head = Head.from_params(params, encoding_dim=6, types=TYPES)
    assert type(head) is kind and (head.max_span_width, head.decoding) == (7, "flat_greedy")


def test_a_span_model_takes_no_head_over_tokens_alone() -> None:
    with pytest.raises(ConfigError, match="does not score spans"):
        Head.from_params(Params({"type": "span", "head": "tags"}), encoding_dim=6, types=TYPES)


def test_a_loss_within_a_loss_is_its_own() -> None:
    loss = {"type": "boundary_smoothing", "loss": {"type": "focal"}}
    for inner in ({"type": "pairs", "loss": loss}, {"type": "pairs", "loss": "boundary_smoothing"}):
        head = Head.from_params(Params({"type": "span", "head": inner}), encoding_dim=6, types=TYPES)
        assert type(head.span_loss).__name__ == "BoundarySmoothingLoss"


@pytest.mark.parametrize("option", [{"types": ["a"]}, {"encoding_dim": 4}])
def test_what_the_model_gives_is_no_option(option: dict) -> None:
    [name] = option
    with pytest.raises(ConfigError, match=f"tags has no option '{name}'"):
        Head.from_params(Params({"type": "tags", **option}), encoding_dim=6, types=TYPES)


def test_a_head_that_lacks_a_method_cannot_be_built() -> None:
    class Scoreless(SpanHead):
        pass

    with pytest.raises(TypeError, match=r"abstract method '?score"):
        Scoreless(6, TYPES)
