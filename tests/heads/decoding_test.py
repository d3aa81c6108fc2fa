import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ner_plugins.errors import ConfigError, NerError
from ner_plugins.heads.band import span_mask
from ner_plugins.heads.decoding import MODES, SCORES, DecodedSpans, decode_spans

GREEDY = ["flat_greedy", "nested"]
shapes = st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 12), st.integers(2, 4))


def random_band(shape, seed, levels=None, bias=0.0):
    """Logits and their valid cells; `levels` makes them few whole numbers, so that there are ties."""
    batch, length, width, classes = shape
    width = min(length, width)
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, length, width, classes, generator=generator)
    if levels is not None:
        logits = (logits * levels).round()
    logits[..., 0] += bias
    lengths = torch.randint(1, length + 1, (batch, 1), generator=generator)
    return logits, span_mask(torch.arange(length) < lengths, width)


def band_from(spans, length, types=1):
    """Logits of one sentence in which the spans {(start, end exclusive, type): margin} beat class 0."""
    logits = torch.full((1, length, length, types + 1), -100.0)
    logits[..., 0] = 0.0
    for (start, end, type_id), margin in spans.items():
        logits[0, start, end - start - 1, type_id + 1] = margin
    return logits, span_mask(torch.ones(1, length, dtype=torch.bool), length)


def spans_of(decoded, batch_size=1):
    return [[entity[:3] for entity in sentence] for sentence in decoded.to_entities(batch_size)]


def decode_one(spans, length, mode):
    logits, valid = band_from(spans, length, types=2)
    return spans_of(decode_spans(logits, valid, mode))[0]


def candidates_of(logits, valid, b, threshold=None, score="margin"):
    """(score, margin, start, end, type) of a sentence's candidates, in cell order; one cell at a time."""
    found = []
    for i, w in itertools.product(range(valid.size(1)), range(valid.size(2))):
        cell = logits[b, i, w]
        if not valid[b, i, w] or cell[1:].max() <= cell[0]:
            continue
        type_id = int(cell[1:].argmax())
        probability = (cell[type_id + 1] - cell.logsumexp(0)).exp()
        margin = float(cell[type_id + 1] - cell[0])
        if threshold is None or probability >= threshold[type_id]:
            ranks = {"margin": margin, "logit": float(cell[type_id + 1]), "probability": float(probability)}
            found.append((ranks[score], margin, i, i + w + 1, type_id))
    return found


def sort_and_filter(candidates, nested):
    """The published loop over spans."""
    kept = []
    for _, _, start, end, type_id in sorted(candidates, key=lambda c: (-c[0], c[2], c[3])):
        for s, e, _ in kept:
            overlaps = start < e and s < end
            contains = (s <= start and end <= e) or (start <= s and e <= end)
            if overlaps and not (nested and contains):
                break
        else:
            kept.append((start, end, type_id))
    return sorted(kept)


def best_total(candidates):
    """The largest sum of margins over all sets of candidates without overlap, by enumeration."""
    best = 0.0
    for index, (_, margin, _, end, _) in enumerate(candidates):
        # Candidates come in order of start, so what follows need only start at or after this one's end.
        best = max(best, margin + best_total([c for c in candidates[index + 1 :] if c[2] >= end]))
    return best


def total_score(decoded, b):
    return float(decoded.score[decoded.sentence == b].double().sum())


@settings(max_examples=80, deadline=None)
@given(shapes, st.sampled_from(GREEDY), st.sampled_from([None, 1, 3]), st.sampled_from([1, 3, 512]), st.integers(0, 99))
def test_greedy_equals_sort_and_filter(shape, mode, levels, chunk_size, seed):
    logits, valid = random_band(shape, seed, levels)
    actual = spans_of(decode_spans(logits, valid, mode, chunk_size=chunk_size), len(logits))
    for b in range(len(logits)):
        assert actual[b] == sort_and_filter(candidates_of(logits, valid, b), mode == "nested")


@settings(max_examples=40, deadline=None)
@given(shapes, st.sampled_from(GREEDY), st.sampled_from(SCORES), st.integers(0, 999))
def test_greedy_by_each_score_and_with_thresholds(shape, mode, score, seed):
    logits, valid = random_band(shape, seed)
    logits = logits.double()  # in which no two probabilities are the same
    threshold = torch.rand(shape[3] - 1, generator=torch.Generator().manual_seed(seed))
    actual = spans_of(decode_spans(logits, valid, mode, threshold, score), len(logits))
    for b in range(len(logits)):
        candidates = candidates_of(logits, valid, b, threshold, score)
        assert actual[b] == sort_and_filter(candidates, mode == "nested")


def test_the_scores_rank_differently():
    logits = torch.tensor([[[[0.0, 3.0, 2.9], [5.0, 7.0, 0.0]], [[-9.0, -4.0, -9.0], [0.0, 0.0, 0.0]]]])
    valid = span_mask(torch.ones(1, 2, dtype=torch.bool), 2)
    # Margins 3, 2, 5; logits 3, 7, -4; probabilities .5, .88, .99 of (0, 1), (0, 2), (1, 2).
    assert spans_of(decode_spans(logits, valid, "flat_greedy", score="margin")) == [[(0, 1, 0), (1, 2, 0)]]
    assert spans_of(decode_spans(logits, valid, "flat_greedy", score="logit")) == [[(0, 2, 0)]]
    logits[0, 0, 0, 2] = 3.0 - 1e-4
    logits[0, 1, 0, 0] = -4.5
    assert spans_of(decode_spans(logits, valid, "flat_greedy", score="margin")) == [[(0, 1, 0), (1, 2, 0)]]
    assert spans_of(decode_spans(logits, valid, "flat_greedy", score="probability")) == [[(0, 2, 0)]]


@settings(max_examples=80, deadline=None)
@given(shapes, st.sampled_from([None, 2]), st.integers(0, 999))
def test_flat_optimal_equals_enumeration(shape, levels, seed):
    batch, length, width, classes = shape
    logits, valid = random_band((batch, min(length, 8), width, classes), seed, levels)
    decoded = decode_spans(logits, valid, "flat_optimal")
    for b, spans in enumerate(spans_of(decoded, batch)):
        assert all(first[1] <= second[0] for first, second in itertools.pairwise(spans))
        candidates = candidates_of(logits, valid, b)
        assert set(spans) <= {c[2:] for c in candidates}
        assert total_score(decoded, b) == pytest.approx(best_total(candidates), rel=1e-5)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(10, 60), st.integers(1, 20), st.integers(0, 999))
def test_flat_optimal_is_at_least_greedy(batch, length, width, seed):
    logits, valid = random_band((batch, length, width, 3), seed)
    optimal, greedy = (decode_spans(logits, valid, mode) for mode in ("flat_optimal", "flat_greedy"))
    for b in range(batch):
        assert total_score(optimal, b) >= total_score(greedy, b) - 1e-3


def test_flat_optimal_passes_over_a_token_where_a_span_could_start():
    decoded = decode_spans(*band_from({(0, 2, 0): 5.0, (1, 4, 0): 10.0}, 4), "flat_optimal")
    assert spans_of(decoded) == [[(1, 4, 0)]]
    assert decoded.score.tolist() == [10.0]


def test_flat_optimal_prefers_two_to_the_best_one():
    spans = {(0, 2, 0): 4.0, (1, 3, 0): 5.0, (2, 4, 1): 4.0}
    assert decode_one(spans, 4, "flat_greedy") == [(1, 3, 0)]
    assert decode_one(spans, 4, "flat_optimal") == [(0, 2, 0), (2, 4, 1)]


def test_flat_optimal_takes_the_earlier_start_then_the_earlier_end_among_equals():
    assert decode_one({(0, 2, 0): 5.0, (1, 3, 0): 5.0}, 3, "flat_optimal") == [(0, 2, 0)]
    assert decode_one({(0, 3, 0): 5.0, (0, 2, 0): 5.0, (1, 3, 0): 5.0}, 3, "flat_optimal") == [(0, 2, 0)]


def test_flat_optimal_with_an_impossible_class_zero():
    logits, valid = band_from({(0, 2, 0): 4.0, (1, 3, 0): 5.0, (3, 4, 0): 1.0, (3, 5, 0): 2.0}, 5)
    logits[0, 0, 1, 0] = -math.inf
    decoded = decode_spans(logits, valid, "flat_optimal")
    assert spans_of(decoded) == [[(0, 2, 0), (3, 5, 0)]]
    assert decoded.score.tolist() == [math.inf, 2.0]


@pytest.mark.parametrize(
    "spans, flat, nested",
    [
        # containment: the better is kept alone, or both
        ({(0, 4, 0): 2.0, (1, 2, 1): 1.0}, [(0, 4, 0)], [(0, 4, 0), (1, 2, 1)]),
        ({(0, 4, 0): 1.0, (1, 2, 1): 2.0}, [(1, 2, 1)], [(0, 4, 0), (1, 2, 1)]),
        # the same start, the same end
        ({(0, 4, 0): 2.0, (0, 2, 1): 1.0, (2, 4, 0): 1.0}, [(0, 4, 0)], [(0, 2, 1), (0, 4, 0), (2, 4, 0)]),
        # crossing: the worse never, in either direction
        ({(0, 3, 0): 2.0, (2, 4, 1): 1.0}, [(0, 3, 0)], [(0, 3, 0)]),
        ({(0, 3, 0): 1.0, (2, 4, 1): 2.0}, [(2, 4, 1)], [(2, 4, 1)]),
        # adjacent spans share nothing
        ({(0, 2, 0): 1.0, (2, 4, 1): 2.0}, [(0, 2, 0), (2, 4, 1)], [(0, 2, 0), (2, 4, 1)]),
        # ties: the earlier start, then the earlier end
        ({(0, 3, 0): 1.0, (2, 4, 1): 1.0}, [(0, 3, 0)], [(0, 3, 0)]),
        ({(1, 2, 0): 1.0, (1, 3, 0): 1.0, (2, 4, 1): 1.0}, [(1, 2, 0), (2, 4, 1)], [(1, 2, 0), (1, 3, 0)]),
        # what a rejected span would have excluded stays
        ({(0, 2, 0): 3.0, (1, 3, 0): 2.0, (2, 4, 0): 1.0}, [(0, 2, 0), (2, 4, 0)], [(0, 2, 0), (2, 4, 0)]),
    ],
)
@pytest.mark.parametrize("chunk_size", [1, 512])
def test_greedy_fixtures(spans, flat, nested, chunk_size):
    logits, valid = band_from(spans, 4, types=2)
    assert spans_of(decode_spans(logits, valid, "flat_greedy", chunk_size=chunk_size)) == [flat]
    assert spans_of(decode_spans(logits, valid, "nested", chunk_size=chunk_size)) == [nested]


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(MODES), st.integers(0, 999))
def test_padding_and_batch_order_change_nothing(mode, seed):
    logits, valid = random_band((4, 9, 5, 3), seed)
    together = decode_spans(logits, valid, mode).to_entities(4)
    order = [2, 0, 3, 1]
    shuffled = decode_spans(logits[order], valid[order], mode).to_entities(4)
    assert [spans[:3] for s in shuffled for spans in s] == [spans[:3] for b in order for spans in together[b]]
    padded = torch.randn(4, 20, 11, 3)
    padded[:, :9, :5] = logits
    padded_valid = torch.zeros(4, 20, 11, dtype=torch.bool)
    padded_valid[:, :9, :5] = valid
    assert decode_spans(padded, padded_valid, mode).to_entities(4) == together
    for b in range(4):
        alone = decode_spans(logits[b : b + 1], valid[b : b + 1], mode).to_entities(1)[0]
        assert [entity[:3] for entity in alone] == [entity[:3] for entity in together[b]]


@pytest.mark.parametrize("mode", GREEDY)
@pytest.mark.parametrize("seed", [0, 1])
def test_chunks_change_nothing_for_an_untrained_model(mode, seed):
    logits, valid = random_band((3, 60, 60, 3), seed, levels=20)
    whole = decode_spans(logits, valid, mode, chunk_size=10_000).to_entities(3)
    for chunk_size in (7, 100):
        assert decode_spans(logits, valid, mode, chunk_size=chunk_size).to_entities(3) == whole


@pytest.mark.parametrize("mode", GREEDY)
def test_long_chains_of_conflicts(mode):
    """Each span excludes the next only, so every second one stays; the worst case for settling a chunk at once."""
    length = 301
    spans = {(i, i + 2, 0): float(length - i) for i in range(length - 1)}
    expected = [(i, i + 2, 0) for i in range(0, length - 1, 2)]
    for chunk_size in (10, 512):
        decoded = decode_spans(*band_from(spans, length), mode, chunk_size=chunk_size)
        assert spans_of(decoded) == [expected]


@pytest.mark.parametrize("mode", MODES)
def test_an_untrained_model_on_a_long_text(mode):
    logits, valid = random_band((1, 500, 500, 3), 5)
    valid = span_mask(torch.ones(1, 500, dtype=torch.bool), 500)
    decoded = decode_spans(logits, valid, mode)
    if mode == "flat_optimal":
        assert total_score(decoded, 0) >= total_score(decode_spans(logits, valid, "flat_greedy"), 0)
    else:
        cells = (logits[..., 1:].amax(-1) - logits[..., 0]).masked_fill(~valid, -1.0)
        best = [(float(cells[0, i, w]), 0.0, int(i), int(i + w + 1), 0) for _, i, w in (cells > 1.8).nonzero()]
        kept = {span[:2] for span in sort_and_filter(best, mode == "nested")}
        # The walk's beginning does not depend on what comes after it.
        assert kept == {(s, e) for s, e, x in zip(*columns(decoded, "start", "end", "score"), strict=True) if x > 1.8}


def columns(decoded: DecodedSpans, *names):
    return [getattr(decoded, name).tolist() for name in names]


@pytest.mark.parametrize("mode", MODES)
def test_probabilities_of_independent_types_are_sigmoids_of_margins(mode):
    logits, valid = random_band((2, 10, 5, 4), 3)
    decoded = decode_spans(logits, valid, mode, independent=True)
    softmax = decode_spans(logits, valid, mode)
    assert columns(decoded, "start", "end", "type", "score") == columns(softmax, "start", "end", "type", "score")
    torch.testing.assert_close(decoded.probability, decoded.score.sigmoid())
    limit = decoded.probability.median()
    kept = decode_spans(logits, valid, "nested", torch.full((3,), float(limit)), independent=True)
    assert (kept.probability >= limit).all() and len(kept) > 0


@pytest.mark.parametrize("mode", MODES)
def test_scores_and_probabilities(mode):
    logits, valid = random_band((2, 10, 5, 4), 3)
    decoded = decode_spans(logits, valid, mode)
    assert len(decoded) > 0
    cells = logits[decoded.sentence, decoded.start, decoded.end - decoded.start - 1]
    torch.testing.assert_close(decoded.score, cells[:, 1:].amax(1) - cells[:, 0])
    torch.testing.assert_close(decoded.probability, cells.softmax(1).amax(1))
    assert torch.equal(decoded.type, cells.argmax(1) - 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (2, 0, 1, 4), (1, 1, 1, 2)])
def test_nothing_found(mode, shape):
    logits, valid = torch.zeros(shape), torch.ones(shape[:3], dtype=torch.bool)
    # A tie with class 0 is no entity: a model at its zero initialisation predicts nothing.
    assert decode_spans(logits, valid, mode).to_entities(shape[0]) == [[] for _ in range(shape[0])]


@pytest.mark.parametrize("classes", [2, 3, 4, 5, 11, 33, 34, 60])
def test_any_number_of_classes(classes):
    logits, valid = random_band((2, 20, 20, classes), classes, levels=2, bias=3.0)
    actual = spans_of(decode_spans(logits, valid, "nested"), 2)
    assert sum(map(len, actual)) > 5
    for b in range(2):
        assert actual[b] == sort_and_filter(candidates_of(logits, valid, b), nested=True)


@pytest.mark.parametrize("mode", MODES)
def test_an_overflow_of_half_precision_is_named(mode):
    logits, valid = random_band((3, 6, 3, 3), 0)
    valid[:, 0] = True
    logits[2, 0, 0, 1] = 70000.0
    with pytest.raises(NerError, match=r"not numbers in sentence\(s\) 2 of the batch.*bfloat16"):
        decode_spans(logits.half(), valid, mode).to_entities(3)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_scores_that_are_not_numbers_are_named(mode, bad):
    logits, valid = random_band((5, 6, 3, 3), 0, bias=2.0)
    valid[:, 0] = True
    logits[1, 0, 1, 2] = bad
    logits[3, 0, 0, 2] = bad
    decoded = decode_spans(logits, valid, mode)
    with pytest.raises(NerError, match=r"not numbers in sentence\(s\) 1, 3 of the batch"):
        decoded.to_entities(5)
    logits[1, 0, 1, 0] = bad  # both overflow
    logits[3, 0, 0] = torch.tensor([bad, 0.0, 0.0])  # class 0 alone
    with pytest.raises(NerError, match=r"not numbers in sentence\(s\) 1, 3 of the batch"):
        decode_spans(logits, valid, mode).to_entities(5)
    with pytest.raises(NerError, match=r"in sentence\(s\) b, d \(expected"):
        decode_spans(logits, valid, mode).to_entities(5, names=list("abcde"))
    valid[1], valid[3] = False, False
    decode_spans(logits, valid, mode).to_entities(5)  # cells that are no spans may hold anything


@pytest.mark.parametrize("mode", MODES)
def test_an_impossible_type_is_not_an_error(mode):
    logits, valid = band_from({(0, 2, 0): 4.0}, 4, types=2)
    logits[..., 2] = -math.inf
    assert spans_of(decode_spans(logits, valid, mode)) == [[(0, 2, 0)]]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions_and_autocast(mode, dtype):
    logits, valid = random_band((3, 12, 6, 4), 8)
    logits = logits.to(dtype)
    reference = logits.double() if dtype == torch.float64 else logits.float()
    expected = decode_spans(reference, valid, mode)
    with torch.autocast("cpu", torch.bfloat16):
        decoded = decode_spans(logits, valid, mode)
    assert decoded.score.dtype == reference.dtype
    assert decoded.to_entities(3) == expected.to_entities(3)


def test_one_copy_to_the_host(monkeypatch):
    logits, valid = random_band((3, 12, 6, 4), 8)
    decoded = decode_spans(logits, valid)
    copies = []
    original = torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda self: copies.append(self) or original(self))
    host = decoded.to_host()
    assert len(copies) == 1
    for name in ("sentence", "start", "end", "type", "score", "probability", "invalid"):
        assert torch.equal(getattr(host, name), getattr(decoded, name)), name


def test_unknown_settings_are_named():
    logits, valid = random_band((1, 4, 4, 3), 0)
    with pytest.raises(ConfigError, match=r"decoding must be one of flat_greedy, flat_optimal, nested, got 'best'"):
        decode_spans(logits, valid, "best")
    with pytest.raises(ConfigError, match=r"decoding_score must be one of margin, logit, probability, got 'p'"):
        decode_spans(logits, valid, score="p")
