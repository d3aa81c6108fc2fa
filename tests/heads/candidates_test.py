"""Every candidate of each head, and the probabilities of given spans, against all taggings and literal loops."""

import itertools
from typing import Any

import pytest
import torch
from allennlp.common import Params
from enumerated_chains import taggings

from ner_plugins.errors import ConfigError, NerError
from ner_plugins.heads import BiaffineHead, PointerHead, TagsHead
from ner_plugins.heads.candidates import spans_within
from ner_plugins.heads.decoding import DecodedSpans
from ner_plugins.heads.head import Head
from ner_plugins.modules.crf.tagging import Spans
from ner_plugins.tag_schemes import tags_to_spans

TYPES = ["address", "name"]
LENGTHS = [4, 1, 3]
MASK = torch.arange(4) < torch.tensor(LENGTHS)[:, None]

Probabilities = dict[tuple[int, int, int, int], float]


def every_span() -> Spans:
    """All typed spans of the texts, in order."""
    rows = [
        (sentence, start, end, type_id)
        for sentence, length in enumerate(LENGTHS)
        for start in range(length)
        for end in range(start + 1, length + 1)
        for type_id in range(len(TYPES))
    ]
    return Spans(*torch.tensor(rows).unbind(1))


def rows_of(spans: DecodedSpans) -> Probabilities:
    columns = (spans.sentence, spans.start, spans.end, spans.type)
    keys = list(zip(*(column.tolist() for column in columns), strict=True))
    assert keys == sorted(set(keys))
    return dict(zip(keys, spans.probability.tolist(), strict=True))


def check(head: Head, scores: Any, expected: Probabilities) -> None:
    """Compare a head with the probability of each typed span that it can predict."""
    given = every_span()
    keys = list(zip(*(column.tolist() for column in given), strict=True))
    values = head.span_probabilities(scores, MASK, given).tolist()
    found = {key: value for key, value in zip(keys, values, strict=True) if value == value}
    assert found == pytest.approx(expected, abs=2e-5)
    assert any(value > 0.05 for value in expected.values()) and any(value < 0.05 for value in expected.values())
    for floor in (0.0, 0.05, 0.3):
        clear = {key: value for key, value in expected.items() if value >= floor}
        assert rows_of(head.candidates(scores, MASK, floor)) == pytest.approx(clear, abs=2e-5)
    candidates, decoded = rows_of(head.candidates(scores, MASK, 0.0)), rows_of(head.decode(scores, MASK))
    assert decoded and {key: candidates[key] for key in decoded} == pytest.approx(decoded, abs=1e-6)


@pytest.mark.parametrize("scheme", ["BIO", "BIOES", "IOB1"])
@pytest.mark.parametrize("options", [{}, {"decoder": "softmax"}, {"constrain": False}])
def test_a_tagger_agrees_with_all_taggings(scheme: str, options: dict[str, Any]) -> None:
    torch.manual_seed(3)
    head = TagsHead(6, TYPES, scheme=scheme, **options).double().eval()
    emissions = 1.5 * torch.randn(*MASK.shape, len(head.tag_set), dtype=torch.float64)
    expected: Probabilities = dict.fromkeys(zip(*(c.tolist() for c in every_span()), strict=True), 0.0)
    for sentence in range(len(LENGTHS)):
        paths, scores = taggings(head.crf.potentials(emissions, MASK), sentence)
        for path, share in zip(paths.tolist(), scores.softmax(0).tolist(), strict=True):
            for start, end, name in tags_to_spans([head.tag_set.tags[tag] for tag in path], scheme):
                expected[sentence, start, end, TYPES.index(name)] += share
    check(head, emissions, expected)


@pytest.mark.parametrize("kind", ["biaffine", "pairs", "global_pointer", "efficient_global_pointer"])
@pytest.mark.parametrize("options", [{}, {"max_span_width": 2}, {"decoding": "nested"}])
def test_a_span_head_gives_each_cell_its_softmax_or_sigmoid(kind: str, options: dict[str, Any]) -> None:
    torch.manual_seed(1)
    head = Head.from_params(Params({"type": kind, **options}), encoding_dim=6, types=TYPES).eval()
    with torch.no_grad():
        width = head.score(torch.randn(*MASK.shape, 6), MASK).size(2)
        scores = 2 * torch.randn(*MASK.shape, width, len(TYPES) + 1)
    expected = {}
    for sentence, start, end, type_id in zip(*(column.tolist() for column in every_span()), strict=True):
        if end - start <= width:
            logits = scores[sentence, start, end - start - 1]
            margin = logits[type_id + 1] - logits[0]
            share = logits.softmax(0)[type_id + 1] if "pointer" not in kind else margin.sigmoid()
            expected[sentence, start, end, type_id] = float(share)
    check(head, scores, expected)


@pytest.mark.parametrize("decoding", ["flat_optimal", "flat_greedy", "published"])
@pytest.mark.parametrize("width", [None, 2])
def test_a_pointer_multiplies_the_two_labels(decoding: Any, width: int | None) -> None:
    torch.manual_seed(5)
    head = PointerHead(6, TYPES, max_span_width=width, decoding=decoding).eval()
    with torch.no_grad():
        for layer in (head.start, head.end):
            layer.weight *= 6
        scores = head.score(2 * torch.randn(*MASK.shape, 6), MASK)
        starts, ends = scores.start.softmax(-1), head.end_logits(scores).softmax(-1)
    expected = {
        key: float(starts[key[0], key[1], key[3] + 1] * ends[key[0], key[2] - 1, key[3] + 1])
        for key in zip(*(column.tolist() for column in every_span()), strict=True)
        if width is None or key[2] - key[1] <= width
    }
    check(head, scores, expected)


def test_spans_within_are_those_of_possible_tokens() -> None:
    torch.manual_seed(0)
    possible = torch.rand(3, 6, 2) < 0.7
    expected = [
        (sentence, start, end, type_id)
        for sentence, start, end, type_id in itertools.product(range(3), range(6), range(1, 7), range(2))
        if start < end and possible[sentence, start:end, type_id].all()
    ]
    assert list(zip(*(column.tolist() for column in spans_within(possible)), strict=True)) == expected
    assert all(len(column) == 0 for column in spans_within(torch.zeros(2, 3, 1, dtype=torch.bool)))


@pytest.mark.parametrize("head", [TagsHead(6, TYPES), BiaffineHead(6, TYPES), PointerHead(6, TYPES)])
def test_scores_that_are_no_numbers_name_their_sentence(head: Head) -> None:
    encoded = torch.zeros(*MASK.shape, 6)
    encoded[2] = torch.nan
    with pytest.raises(NerError, match="c"):
        head.candidates(head.score(encoded, MASK), MASK, 0.01).to_entities(3, ["a", "b", "c"])


def test_wide_scores_of_half_precision_are_compared_in_single() -> None:
    head = BiaffineHead(6, TYPES)
    scores = torch.randn(*MASK.shape, 4, 3).half()
    found = rows_of(head.candidates(scores, MASK, 0.0))
    assert found == pytest.approx(rows_of(head.candidates(scores.float(), MASK, 0.0)), abs=1e-6)


def test_a_head_of_ones_own_says_what_it_lacks() -> None:
    class Own(BiaffineHead):
        candidates, span_probabilities = Head.candidates, Head.span_probabilities

    with pytest.raises(ConfigError, match="the head Own has no `candidates`, which out-of-fold predictions need"):
        Own(6, TYPES).candidates(None, MASK, 0.1)
    with pytest.raises(ConfigError, match="has no `span_probabilities`"):
        Own(6, TYPES).span_probabilities(None, MASK, every_span())
