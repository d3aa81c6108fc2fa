"""Scores of spans and of pointers, decoded in numpy as the heads decode them in torch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.decoding.found_spans import FoundSpans
from ner_plugins.decoding.pointers import pointer_spans
from ner_plugins.decoding.spans import blocks_of, candidates, cells_of, choose, joined
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.decoding import MODES, SCORES, DecodedSpans, decode_spans
from ner_plugins.heads.pointer import PointerHead, PointerScores

LENGTHS = st.lists(st.integers(1, 12), min_size=1, max_size=4)
WIDTHS = st.none() | st.integers(1, 14)


def check_equal(found: FoundSpans, expected: DecodedSpans) -> None:
    for name in ("sentence", "start", "end", "type"):
        assert getattr(found, name).tolist() == getattr(expected, name).tolist()
    for name in ("score", "probability"):
        assert getattr(found, name).tolist() == pytest.approx(getattr(expected, name).tolist(), rel=1e-5, abs=1e-6)
    assert list(found.invalid) == expected.invalid.tolist()


def decode(
    logits: np.ndarray, lengths: list[int], width: int | None, thresholds: np.ndarray, mode: str, score: str, most: int,
    independent: bool = False,
) -> FoundSpans:
    """`logits` as a band, (batch, length, width, classes); in blocks of at most `most` spans."""
    found = []
    for rows in blocks_of(len(lengths), max(lengths), width, most):
        first, last = cells_of(rows, max(lengths), width)
        block = logits[:, first, last - first].transpose(0, 2, 1)
        found.append(candidates(block, (first, last), np.array(lengths), thresholds, independent))
    return choose(*joined(found), mode, score, len(lengths))


@settings(max_examples=150, deadline=None)
@given(
    LENGTHS, WIDTHS, st.sampled_from(MODES), st.sampled_from(SCORES), st.integers(0, 999), st.booleans(),
    st.sampled_from([1, 20, 10**6]), st.booleans(),
)  # fmt: skip
def test_the_spans_of_a_band(
    lengths: list[int], width: int | None, mode: str, score: str, seed: int, ties: bool, most: int,
    independent: bool,
) -> None:
    torch.manual_seed(seed)
    length = max(lengths)
    band = min(width or length, length)
    logits = torch.randn(len(lengths), length, band, 4)
    if ties:  # of equal logits in the same order: rounding decides between others, differently in torch and numpy
        logits = torch.randn(5, 4)[torch.randint(5, logits.shape[:3])]
    thresholds = torch.tensor([0.0, 0.5, 0.3])
    mask = torch.arange(length) < torch.tensor(lengths).unsqueeze(1)
    expected = decode_spans(logits, span_mask(mask, band), mode, thresholds, score, independent=independent)
    found = decode(logits.numpy(), lengths, width, thresholds.numpy(), mode, score, most, independent)
    check_equal(found, expected)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", [0, 2])
@pytest.mark.parametrize("independent", [False, True])
def test_scores_that_are_not_numbers(bad: float, place: int, independent: bool) -> None:
    torch.manual_seed(0)
    logits = torch.randn(3, 4, 4, 3)
    logits[1, 1, 1, place] = bad
    logits[2, 3, 3, 0] = bad  # past the end
    mask = torch.ones(3, 4, dtype=torch.bool)
    expected = decode_spans(logits, span_mask(mask, 4), "nested", independent=independent)
    found = decode(logits.numpy(), [4, 4, 4], None, np.zeros(2, np.float32), "nested", "margin", 5, independent)
    check_equal(found, expected)
    assert expected.invalid.tolist() == [1]


def test_no_span_at_all() -> None:
    logits = np.zeros((2, 3, 3, 2), np.float32)
    for mode in MODES:
        assert len(decode(logits, [3, 2], None, np.zeros(1, np.float32), mode, "margin", 4)) == 0


@settings(max_examples=100, deadline=None)
@given(
    LENGTHS, WIDTHS, st.sampled_from(PointerHead.decodings), st.sampled_from(SCORES), st.integers(0, 999),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_the_spans_of_pointers(
    lengths: list[int], width: int | None, mode: str, score: str, seed: int, limits: bool, bad: bool
) -> None:
    torch.manual_seed(seed)
    length = max(lengths)
    head = PointerHead(3, ["A", "B", "C"], max_span_width=width, decoding=mode, decoding_score=score)  # type: ignore[arg-type]
    starts, hidden = torch.randn(len(lengths), length, 4), torch.randn(len(lengths), length, 7) * 2
    if bad:
        starts[0, 0, 1] = float("nan")
    mask = torch.arange(length) < torch.tensor(lengths).unsqueeze(1)
    thresholds = torch.tensor([0.1, 0.02, 0.0]) if limits else torch.zeros(3)
    scores = PointerScores(starts, hidden)
    with torch.no_grad():
        expected = head.decode(scores, mask, thresholds)
        labels = starts.log_softmax(-1), head.end_logits(scores).log_softmax(-1)
    of_start, of_end = (one.numpy() for one in labels)
    found = pointer_spans(of_start, of_end, np.array(lengths), width, thresholds.numpy(), mode, score)
    check_equal(found, expected)
    assert bad == (0 in list(found.invalid)) or mode != "published"
